// Codings that are taken off a body: whole or broken off, never the one for the other, and a slice at a time.

import CurlTransport
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct DecodingTests {
    private static let text = #"{"reports":[],"_links":{"prev":null}}"#

    private struct Inflated: Equatable {
        let text: String
        let isWhole: Bool
    }

    /// All that comes of these bytes, given in pieces; nil when they are not the coding.
    private func inflate(
        _ bytes: [UInt8], _ coding: Inflater.Coding = .gzip, piece: Int = .max
    ) -> Inflated? {
        let inflater = Inflater(coding)
        var all: [UInt8] = []
        var rest = bytes[...]
        while true {
            switch inflater.step() {
            case .bytes(let bytes): all += bytes
            case .broken: return nil
            case .starved where rest.isEmpty:
                return Inflated(text: String(decoding: all, as: UTF8.self), isWhole: inflater.isAtEnd)
            case .starved:
                inflater.give(Array(rest.prefix(piece)))
                rest = rest.dropFirst(piece)
            }
        }
    }

    @Test("gzip cut at any byte is not whole", arguments: [1, Int.max])
    func cuts(piece: Int) {
        let coded = gzip(Self.text)
        for count in coded.indices {
            #expect(inflate(Array(coded[..<count]), piece: piece)?.isWhole == false, "\(count) of \(coded.count)")
        }
        #expect(inflate(coded, piece: piece) == Inflated(text: Self.text, isWhole: true))
    }

    @Test("gzip of several members is whole, and not when the last is cut", arguments: [1, 7, Int.max])
    func members(piece: Int) {
        let coded = gzip("one ") + gzip("") + gzip("two")
        #expect(inflate(coded, piece: piece) == Inflated(text: "one two", isWhole: true))
        for count in 1...gzip("two").count - 1 {
            #expect(inflate(Array(coded.dropLast(count)), piece: piece)?.isWhole == false)
        }
    }

    @Test("a wrong sum, a wrong length, and what follows that is no member are no gzip")
    func broken() {
        let coded = gzip(Self.text)
        for index in coded.count - 8..<coded.count {
            var wrong = coded
            wrong[index] ^= 1
            #expect(inflate(wrong) == nil, "\(index)")
        }
        #expect(inflate(coded + Array("junk".utf8)) == nil)
        #expect(inflate(Array("not gzip".utf8)) == nil)
    }

    @Test("deflate comes in zlib's framing or bare", arguments: [1, Int.max])
    func deflate(piece: Int) {
        // "clash clash"
        let bare: [UInt8] = [1, 11, 0, 0xF4, 0xFF] + Array("clash clash".utf8)
        let framed: [UInt8] = [0x78, 0x01] + bare + [0x19, 0x2D, 0x04, 0x37]
        #expect(inflate(bare, .deflate, piece: piece) == Inflated(text: "clash clash", isWhole: true))
        #expect(inflate(framed, .deflate, piece: piece) == Inflated(text: "clash clash", isWhole: true))
        for count in 1...framed.count {
            #expect(inflate(Array(framed.dropLast(count)), .deflate, piece: piece)?.isWhole == false)
        }
        #expect(inflate(Array(framed.dropLast()) + [0], .deflate) == nil)
        #expect(inflate(bare + [0], .deflate) == nil)
    }

    @Test("however much a few bytes stand for, a slice of it is made at a time")
    func slices() {
        let matches = 40_000
        let inflater = Inflater(.deflate)
        inflater.give(deflateBomb(matches))
        var (total, largest) = (0, 0)
        loop: while true {
            guard case .bytes(let bytes) = inflater.step() else { break loop }
            total += bytes.count
            largest = max(largest, bytes.count)
        }
        #expect(total == 1 + 258 * matches && largest == Inflater.sliceBytes && inflater.isAtEnd)
    }

    /// What is read of an answer with this body, and why no more was.
    private func read(
        _ coding: String, _ bytes: [UInt8], status: String = "200 OK"
    ) async throws -> (slices: [[UInt8]], reason: TransferFailure.Reason?, isProven: Bool) {
        let server = ScriptedOrigin { connection in
            try connection.readHead()
            try connection.send(
                "HTTP/1.1 \(status)\r\nContent-Encoding: \(coding)\r\nContent-Length: \(bytes.count)\r\n\r\n")
            try connection.send(bytes)
            connection.readUntilClosed()
        }
        return try await withTransport { transport in
            var request = try get(server)
            request.decodesContent = true
            let body = try await transport.execute(request).body
            var slices: [[UInt8]] = []
            do throws(TransferFailure) {
                while let bytes = try await body.next() { slices.append(bytes) }
                return (slices, nil, body.endIsProven)
            } catch {
                return (slices, error.reason, body.endIsProven)
            }
        }
    }

    @Test("a body is read in slices, whatever it stands for")
    func bodySlices() async throws {
        let matches = 20_000
        let (slices, reason, isProven) = try await read("deflate", deflateBomb(matches))
        #expect(slices.allSatisfy { $0.count <= Inflater.sliceBytes })
        #expect(slices.reduce(0) { $0 + $1.count } == 1 + 258 * matches)
        #expect(reason == nil && isProven)
    }

    @Test(
        "codings are taken off in the order in which they were not applied", arguments: ["gzip, gzip", "GZIP,x-gzip"])
    func layers(coding: String) async throws {
        let whole = try await read("identity, \(coding)", gzip(gzip(Self.text)))
        #expect(whole.slices == [Array(Self.text.utf8)] && whole.isProven)
        for bytes in [Array(gzip(gzip(Self.text)).dropLast()), gzip(Array(gzip(Self.text).dropLast()))] {
            let cut = try await read(coding, bytes)
            #expect(cut.reason == .truncated && !cut.isProven)
        }
    }

    @Test("an unknown coding, too many of them, or another than the head names is no answer")
    func invalid() async throws {
        let coded = gzip(Self.text)
        let many = Array(repeating: "gzip", count: 6).joined(separator: ", ")
        for (coding, bytes) in [("br", coded), (many, coded), ("gzip", Array("abc".utf8)), ("deflate", coded)] {
            let answer = try await read(coding, bytes)
            #expect(answer.reason == .invalidResponse && !answer.isProven, "\(coding)")
        }
    }

    @Test("nothing at all is no coded 200; other answers may do without a body, and errors may be cut")
    func empty() async throws {
        let nothing = try await read("gzip", [])
        #expect(nothing.reason == .truncated)
        let accepted = try await read("gzip", [], status: "202 Accepted")
        #expect(accepted.slices.isEmpty && accepted.reason == nil)
        let error = try await read("gzip", Array(gzip(Self.text).dropLast(3)), status: "404 Not Found")
        #expect(error.slices == [Array(Self.text.utf8)] && error.reason == nil)
    }
}
