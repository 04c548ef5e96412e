// The recipes of docs/security.md: each table loads, and each call below it answers what stands beside it.

import Glibc
import Proxy
import Simulator
import TestSupport
import Testing

@testable import Configuration

@Suite(.timeLimit(.minutes(8))) struct RecipeTests {
    private struct Recipe {
        let title: String
        let table: String
        let calls: [(command: String, promised: [String])]
    }

    @Test("every recipe of 'Who can do what' does what it says")
    func recipes() async throws {
        let recipes = try Self.recipes()
        #expect(recipes.count >= 3 && recipes.map(\.calls.count).reduce(0, +) >= 8)
        for recipe in recipes {
            let key = try KeyGenerator.make(name: "x").key.withValue { $0 }
            var table = recipe.table.replacing("…64 hex digits…", with: KeyHash(hashing: key).hex)
            table = table.replacing("\"ci\"", with: "\"\(getuid())\"")
            try await withRig { options in
                options.file = table
            } _: { rig in
                #expect(rig.iTwin == "d5baf029-f041-4756-b717-a7011de099da", "the recipes use the simulator's ids")
                let setting = "export CLASH_KEY=\(key) P=http://127.0.0.1:\(rig.port)\n"
                for call in recipe.calls {
                    let answer = try await Shell.run(setting + call.command)
                    for word in call.promised {
                        #expect(answer.contains(word), "\(recipe.title): \(call.command)\n\(answer)")
                    }
                }
            }
        }
    }

    /// The sections with a table in TOML, and the calls in their blocks of shell.
    private static func recipes() throws -> [Recipe] {
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let text = try text(of: "/\(root)/docs/security.md")
        let begin = try #require(text.firstRange(of: "## Who can do what")).lowerBound
        let end = try #require(text[begin...].firstRange(of: "\n## Out of scope")).lowerBound
        return text[begin..<end].split(separator: "\n### ").dropFirst().compactMap { section in
            guard let table = blocks("toml", in: section).first else { return nil }
            let calls = blocks("sh", in: section).joined(separator: "\n").split(separator: "# ").compactMap { call in
                call.split(separator: "\n", maxSplits: 1).count == 2 ? self.call(call) : nil
            }
            return Recipe(title: String(section.prefix { $0 != "\n" }), table: table, calls: calls)
        }
    }

    private static func blocks(_ language: String, in section: Substring) -> [String] {
        section.split(separator: "```\(language)\n").dropFirst().map { block in
            String(block.split(separator: "```", maxSplits: 1, omittingEmptySubsequences: false)[0])
        }
    }

    /// `Text. Answers: words`, and below it the command.
    private static func call(_ text: Substring) -> (command: String, promised: [String]) {
        let lines = text.split(separator: "\n", maxSplits: 1)
        let words = lines[0].split(separator: "Answers: ").last ?? ""
        let quoted = words.split(separator: "\"", omittingEmptySubsequences: false).enumerated()
            .filter { $0.offset % 2 == 1 }.map { String($0.element) }
        let numbers = words.prefix { $0 != "\"" }.split { !$0.isNumber }.filter { $0.count == 3 }.map(String.init)
        return (String(lines[1]), quoted + numbers)
    }

    private static func text(of path: String) throws -> String {
        guard let file = fopen(path, "r") else { throw RawClient.Trouble(description: "no \(path)") }
        defer { fclose(file) }
        return String(decoding: readAll(file), as: UTF8.self)
    }
}

private func readAll(_ file: UnsafeMutablePointer<FILE>) -> [UInt8] {
    var text: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { text += buffer[..<count] }
    return text
}
