// `clash-proxy prove`: holds the promises against the user's own configuration.

import ArgumentParser
import Audit
import Configuration
import Ground
import Proving

struct ProveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prove",
        abstract: "Holds the promises against your configuration, with a simulator in Bentley's place.",
        discussion: """
            Takes half a minute at most. Callers, rights, scopes, protected ids, lifetimes, audit settings are yours; upstream, token
            endpoint and issuers are simulated on free loopback ports, keys are made up, files go to a temporary folder. Windows are
            proved in a smaller size, which is told. Ends with 1 if a promise does not hold or could not be tried. What your
            configuration turns off is not applicable: the key that does it, and what that costs, stand beside it.
            """)

    @Flag(help: "One JSON document, for scripts.") var json = false
    @OptionGroup var options: ConfigOptions

    func run() async throws {
        let loaded = try options.loadToProve()
        _ = ProcessLimits.apply()
        let rows = await Prover(loaded.config, in: TemporaryFolder.parent).run()
        let failed = rows.count { if case .fail = $0.verdict { true } else { false } }
        if json {
            say(PrintableText.json(Self.document(rows, isHeld: failed == 0).text))
        } else {
            for line in Self.table(rows) { say(line) }
            say(failed == 0 ? "every promise that applies holds" : "\(failed) of \(rows.count) do not hold")
        }
        if failed > 0 { throw ExitCode.failure }
    }

    private static func document(_ rows: [ProofRow], isHeld: Bool) -> JSONObject {
        var document = JSONObject()
        document.add("holds", isHeld)
        document.add(
            "rows",
            rows.map { row in
                var object = JSONObject()
                object.add("promise", row.promise.rawValue)
                object.add("caller", row.caller)
                object.add("verdict", row.verdict.word)
                object.add("why", row.verdict.why)
                return object
            })
        return document
    }

    private static func table(_ rows: [ProofRow]) -> [String] {
        let cells =
            [["PROMISE", "CALLER", "VERDICT", "WHY"]]
            + rows.map { [$0.promise.rawValue, $0.caller, $0.verdict.word, $0.verdict.why].map(PrintableText.escaped) }
        let widths = (0..<3).map { column in cells.map { $0[column].count }.max() ?? 0 }
        return cells.map { row in
            zip(row, widths).map { $0.padded(to: $1) }.joined(separator: "  ") + "  " + row[3]
        }
    }
}
