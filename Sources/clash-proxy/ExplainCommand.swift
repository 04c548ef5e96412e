// `clash-proxy explain ID`: why one request was slow, a miss, or refused.

import ArgumentParser
import Audit
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
        guard !json, let document = JSON(Array(text.utf8)) else { return say(PrintableText.json(text.oneLine)) }
        for line in Self.lines(document) { say(line) }
    }

    /// The summary, then each step with what is known of it. What comes from tools is escaped, line ends included.
    private static func lines(_ document: JSON) -> [String] {
        var lines = [PrintableText.escaped(document["summary"]?.string ?? "")]
        for step in ["request", "cache", "gate", "token", "audit", "upstream", "answer"] {
            guard case .object(let members)? = document[step] else { continue }
            lines.append("  \(step.padded(to: 9)) \(facts(members))")
            for name in members.keys.sorted() {
                if case .object(let inner)? = members[name] { lines.append("    \(name): \(facts(inner))") }
                for case .object(let inner) in members[name]?.array ?? [] { lines.append("    \(facts(inner))") }
            }
        }
        return lines
    }

    /// Single values, and lists of texts and of who is ahead, as `name=value`.
    private static func facts(_ members: [String: JSON]) -> String {
        members.sorted { $0.key < $1.key }.compactMap { name, value in text(value).map { "\(name)=\($0)" } }
            .joined(separator: "  ")
    }

    private static func text(_ value: JSON) -> String? {
        guard case .array(let values) = value else { return StatusText.text(value) }
        let texts = values.compactMap { value in
            value["caller"].flatMap(StatusText.text).map { "\($0):\(value["calls"].flatMap(StatusText.text) ?? "")" }
                ?? StatusText.text(value)
        }
        return texts.isEmpty ? nil : texts.joined(separator: ",")
    }
}
