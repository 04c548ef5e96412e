// `clash-proxy explain ID`: why one request was slow, a miss, or refused.

import ArgumentParser
import Ground

struct ExplainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Says why one request of a running proxy went as it did.",
        discussion: """
            ID is the correlation id: x-correlation-id of the answer, the second word of the access log. The last 2000 requests
            are known.
            """)

    @Argument(help: "The correlation id.") var id: String
    @Flag(help: "The whole document, for scripts.") var json = false
    @OptionGroup var options: ConfigOptions

    func run() async throws {
        let text = try await Operators(options).ask("GET", "/explain?id=" + FormText.encoded(id))
        guard !json, let document = JSON(Array(text.utf8)) else { return say(text.filter { $0 != "\n" }) }
        for line in Self.lines(document) { say(line) }
    }

    /// The summary, then each step with what is known of it.
    private static func lines(_ document: JSON) -> [String] {
        var lines = [document["summary"]?.string ?? ""]
        for step in ["request", "cache", "gate", "token", "audit", "upstream", "answer"] {
            guard case .object(let members)? = document[step] else { continue }
            let facts = members.sorted { $0.key < $1.key }.compactMap { name, value in
                StatusText.text(value).map { "\(name)=\($0)" }
            }
            lines.append("  \(step.padded(to: 9)) \(facts.joined(separator: "  "))")
        }
        return lines
    }
}
