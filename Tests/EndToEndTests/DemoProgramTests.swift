// The demo's own text is its promise: each call that it prints answers what it says beside it.

import Glibc
import Ground
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8)), .enabled(if: Program.isBuilt)) struct DemoProgramTests {
    @Test(
        "every call that demo prints answers what the demo says, and nothing is left behind", arguments: [false, true])
    func printed(tls: Bool) async throws {
        let output = try CapturedLog()
        let program = try Program(["demo"] + (tls ? ["--tls"] : []), output: output.descriptor)
        _ = try await output.line(with: "Ctrl-C ends the demo")
        let calls = Self.calls(output.lines)
        #expect(calls.count >= 12)
        #expect(calls.contains { $0.command.contains("https://") && $0.command.contains("--cacert") } == tls)
        let exports = output.lines.filter { $0.hasPrefix("export ") }.joined(separator: "\n") + "\n"
        for call in calls {
            let answer = try await Shell.run(exports + call.command)
            for word in call.promised {
                #expect(answer.contains(word), "\(call.command)\n\(answer)")
            }
        }
        #expect(
            output.lines.prefix(3).contains { $0.hasPrefix("  status page ") },
            "it opens with the status page's address")
        let page =
            output.lines.first { $0.hasPrefix("  status page ") }?.split(separator: " ").dropFirst(2).first ?? "-"
        #expect(try await Shell.run("curl -s \(page)").contains("<title>"))
        let status = JSON(Array(try await Shell.run("curl -s \(page)status.json").utf8))
        #expect(status?["configuration"]?["toml"]?.string?.contains("[listen]") == true)
        let folder = output.lines.first { $0.contains("audit log ") }?.split(separator: " ").dropFirst(2).first ?? "-"
        #expect(access(String(folder), F_OK) == 0)
        #expect(!output.text.contains("warning"), "\(output.text)")
        #expect(try await program.end() == 0)
        #expect(access(String(folder), F_OK) != 0)
        output.close()
    }

    private struct Call: Sendable {
        var command = ""
        /// The statuses and quoted words behind "Answers:".
        let promised: [String]
    }

    /// `# N. Text. Answers: words` and, until the next comment, its command.
    private static func calls(_ lines: [String]) -> [Call] {
        var calls: [Call] = []
        for line in lines {
            if line.hasPrefix("# "), let answers = line.split(separator: "Answers: ").dropFirst().first {
                calls.append(Call(promised: promised(String(answers))))
            } else if !calls.isEmpty, line.hasPrefix("One line per call") {
                break
            } else if !calls.isEmpty {
                calls[calls.count - 1].command += line + "\n"
            }
        }
        return calls
    }

    private static func promised(_ text: String) -> [String] {
        let quoted = text.split(separator: "\"", omittingEmptySubsequences: false).enumerated()
            .filter { $0.offset % 2 == 1 }.map { String($0.element) }
        let numbers = text.split(whereSeparator: { !$0.isNumber }).filter { $0.count == 3 }.map(String.init)
        return quoted + numbers
    }
}
