import TestSupport
import Testing

/// First proof that the rig stands.
@Suite struct SpineTests {
    @Test("a list of reports comes through with its links rewritten")
    func list() async throws {
        try await withRig { rig in
            let answer = try await rig.get(rig.list)
            #expect(answer.status == 200)
            print(answer)
            print(answer.text)
            print(try await rig.accessLog.line(with: "v2.reports.list"))
            print(rig.applicationLog.text)
        }
    }
}
