// docs/questions.md: each of its commands, run against the demo, answers what stands below it.

import Glibc
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8)), .enabled(if: Program.isBuilt)) struct QuestionTests {
    private struct Block {
        let title: String
        let command: String
        let promised: [String]
    }

    @Test("the ten questions of the documents are answered, against the demo, by the commands that stand there")
    func answered() async throws {
        let blocks = try Self.blocks()
        #expect(blocks.count == 11 && blocks.allSatisfy { !$0.promised.isEmpty }, "one to begin with, then ten")
        #expect(blocks.dropFirst().map { $0.title.prefix { $0 != "." } } == (1...10).map { "\($0)" })
        let output = try CapturedLog()
        let program = try Program(["demo"], output: output.descriptor)
        _ = try await output.line(with: "Ctrl-C ends the demo")
        let settings = Self.settings(output.text)
        for block in blocks {
            let answer = try await Shell.run("{ \(settings)\n\(block.command)\n} 2>&1")
            for word in block.promised {
                #expect(answer.contains(word), "\(block.title): '\(word)' is not in\n\(answer)")
            }
        }
        #expect(try await program.end() == 0)
        output.close()
    }

    /// What the document has its reader set, out of what the demo prints.
    private static func settings(_ text: String) -> String {
        func word(after mark: String) -> String {
            guard let start = text.firstRange(of: mark)?.upperBound else { return "" }
            return String(text[start...].prefix { !" \n\"'/".contains($0) })
        }
        func address(_ line: String) -> String {
            let url = text.split(separator: "\n").first { $0.contains(line) }?.split(separator: " ") ?? []
            return url.first { $0.hasPrefix("http") || $0.hasPrefix("/") }.map(String.init) ?? ""
        }
        let admin = address("status page").dropFirst("http://".count).prefix { $0 != "/" }
        let program = Program.path.split(separator: "/").dropLast().joined(separator: "/")
        return """
            export PATH="\(Program.path.hasPrefix("/") ? "/" : "")\(program):$PATH"
            export CLASH_KEY=\(word(after: "CLASH_KEY=")) VIEWER_KEY=\(word(after: "VIEWER_KEY="))
            export CLASH_PROXY_ADMIN_ADDRESS=\(admin) CLASH_PROXY_AUDIT_PATH=\(address("audit log "))
            export P=\(address("your tools call"))
            export ITWIN=\(word(after: "/clash-detection/itwins/")) REPORT=\(word(after: #""jobs":[""#))
            export TEST=\(word(after: #""testId":""#)) MODEL=\(word(after: #""iModelId":""#))
            """
    }

    /// The blocks of shell, each with the words behind the next `Answers:`, in backticks.
    private static func blocks() throws -> [Block] {
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        var (blocks, title, command, isInside) = ([Block](), "", "", false)
        for line in try text(of: "/\(root)/docs/questions.md").split(separator: "\n", omittingEmptySubsequences: false)
        {
            if line.hasPrefix("## ") { title = String(line.dropFirst(3)) }
            if line.hasPrefix("```") {
                isInside = line == "```sh"
                if isInside { command = "" }
            } else if isInside {
                command += line + "\n"
            } else if line.hasPrefix("Answers: ") {
                let words = line.split(separator: "`", omittingEmptySubsequences: false).enumerated()
                    .filter { $0.offset % 2 == 1 }.map { String($0.element) }
                blocks.append(Block(title: title, command: command, promised: words))
                command = ""
            }
        }
        return blocks
    }

    private static func text(of path: String) throws -> String {
        guard let file = fopen(path, "r") else { throw RawClient.Trouble(description: "no \(path)") }
        defer { fclose(file) }
        var (text, buffer) = ([UInt8](), [UInt8](repeating: 0, count: 65_536))
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { text += buffer[..<count] }
        return String(decoding: text, as: UTF8.self)
    }
}
