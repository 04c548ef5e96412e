// The programs in docs/clients.md that wait for a change do what is said there, as they stand.

import Glibc
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(4))) struct WaitingRecipeTests {
    private static let runners = ["sh": "bash -s", "python": "python3 -", "js": "node --input-type=module -"]

    @Test(
        "each program prints what the page says, waits for the next state of it, and ends with the run",
        arguments: ["sh", "python", "js"])
    func follows(language: String) async throws {
        let runner = try #require(Self.runners[language])
        let program = try Self.program(language)
        guard Shell.has(String(runner.prefix { $0 != " " }), "curl") else { return }
        @Sendable func page(_ status: Int) -> String {
            json(#"{"metadata":{"id":"r","configurationId":"t","status":\#(status)},"report":{}}"#)
        }
        try await withCache([]) { _, _ in
            .bytes(page(0))
        } _: { rig, origin async throws in
            let report = "http://\(rig.host)\(Path.reports)/r"
            async let printed = Shell.run("REPORT=\(report) \(runner) <<'END'\n\(program)\nEND")
            for _ in 0..<4_000 {
                if try await rig.metrics()["clash_proxy_waiting_reads"] == 1 { break }
                try await Task.sleep(for: .milliseconds(5))
            }
            #expect(try await rig.metrics()["clash_proxy_waiting_reads"] == 1, "it waits")
            #expect(origin.count == 1)
            origin.become(always: page(1))
            rig.clock.advance(by: .seconds(6))
            let lines = try await printed.split(separator: "\n").map(String.init)
            #expect(lines == ["0", "1"], "\(lines)")
        }
    }

    /// The block in that language of the section about waiting.
    private static func program(_ language: String) throws -> String {
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let file = try #require(fopen("/\(root)/docs/clients.md", "r"))
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { bytes += buffer[..<count] }
        let text = String(decoding: bytes, as: UTF8.self)
        let begin = try #require(text.firstRange(of: "## Waiting instead of polling")).lowerBound
        let end = text[begin...].dropFirst().firstRange(of: "\n## ")?.lowerBound ?? text.endIndex
        let block = try #require(text[begin..<end].split(separator: "```\(language)\n").dropFirst().first)
        return String(block.split(separator: "```", maxSplits: 1)[0])
    }
}
