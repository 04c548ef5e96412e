import TestSupport
import Testing

@testable import ClashAPI

@Suite("v1 ids")
struct ClashIDTests {
    @Test("an id decodes into the GUIDs it was composed of")
    func roundTrip() throws {
        #expect(SampleIDs.run.utf8.count == 43)
        let run = try #require(ClashID(SampleIDs.run))
        #expect(run.projectID == SampleIDs.project)
        #expect(run.entityID == SampleIDs.runGUID)
    }

    @Test("a result id carries the project and its run")
    func result() throws {
        #expect(SampleIDs.result.utf8.count == 64)
        let result = try #require(ClashID(SampleIDs.result))
        #expect(result.projectID == SampleIDs.project)
        #expect(result.entityID == SampleIDs.runGUID)
        #expect(Tag.object(.run, SampleIDs.run).dropFirst(4) == Tag.object(.result, SampleIDs.result).dropFirst(7))
    }

    @Test("byte order is that of .NET: the first three groups are little-endian")
    func byteOrder() {
        // Bytes 00…1F in order.
        let id = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
        #expect(ClashID(id)?.projectID == "03020100-0504-0706-0809-0a0b0c0d0e0f")
        #expect(ClashID(id)?.entityID == "13121110-1514-1716-1819-1a1b1c1d1e1f")
    }

    @Test("random GUIDs survive", arguments: 0..<4)
    func random(round: Int) {
        var random = SeededGenerator(seed: UInt64(5000 + round))
        for _ in 0..<50 {
            let guids = (0..<3).map { _ in
                [8, 4, 4, 4, 12].map { length in
                    String((0..<length).map { _ in random.pick(Array("0123456789abcdef")) })
                }.joined(separator: "-")
            }
            let id = ClashID(SampleIDs.compose(Array(guids.prefix(2))))
            #expect(id?.projectID == guids[0] && id?.entityID == guids[1])
            let result = ClashID(SampleIDs.compose(guids))
            #expect(result?.projectID == guids[0] && result?.entityID == guids[2])
        }
    }

    @Test(
        "anything else is no v1 id",
        arguments: [
            "", "abc", SampleIDs.project, String(SampleIDs.run.dropLast()), SampleIDs.run + "A",
            String(SampleIDs.run.dropLast()) + "=", "+" + SampleIDs.run.dropFirst(), "/" + SampleIDs.run.dropFirst(),
            "é" + SampleIDs.run.dropFirst(2),
            // Left-over bits that a canonical encoding has at zero.
            String(SampleIDs.run.dropLast()) + "9",
        ])
    func noID(text: String) {
        #expect(ClashID(text) == nil)
    }
}
