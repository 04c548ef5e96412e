// `clash-proxy fleet status`: who shares the windows with a running proxy, and how they stand.

import ArgumentParser
import Audit
import Ground

struct FleetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fleet", abstract: "The sidecars that act as one with a running proxy.", subcommands: [Status.self]
    )

    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows engine, members and windows.",
            discussion:
                "Ends with 1 when the proxy cannot be asked, is alone, or is cut off from the engine. For scripts: `clash-proxy status --json` has it as `fleet`."
        )

        @OptionGroup var options: ConfigOptions

        func run() async throws {
            let text = try await Operators(options).ask("GET", "/status.json")
            guard let document = JSON(Array(text.utf8)), let fleet = document["fleet"], document["version"] != nil
            else {
                complain("what answers there is no clash-proxy: check admin.address")
                throw ExitCode.failure
            }
            guard fleet["engine"]?.string != nil else {
                complain("this proxy is alone: fleet.engine is empty")
                throw ExitCode.failure
            }
            for line in FleetText.lines(fleet) { say(line) }
            if fleet["cut"]?.string != nil { throw ExitCode.failure }
        }
    }
}

/// The fleet as lines for people.
enum FleetText {
    static func lines(_ fleet: JSON) -> [String] {
        guard let engine = fleet["engine"]?.string else { return ["alone"] }
        var lines = ["engine   \(engine.printable)"]
        if let cut = fleet["cut"]?.string { lines.append("cut off  \(cut.printable)") }
        for window in fleet["windows"]?.array ?? [] {
            lines.append("window   \(cell(window["window"])): \(cell(window["used"])) of \(cell(window["limit"])) used")
        }
        let members = fleet["members"]?.array ?? []
        lines.append("members  \(members.count) of at most \(cell(fleet["max_members"]))")
        for member in members {
            let own = member["self"] == .bool(true) ? " (this one)" : ""
            lines.append(
                "  \(cell(member["name"]))\(own), \(cell(member["version"])), here for \(cell(member["joined_seconds"])) s, heard \(cell(member["heard_seconds"])) s ago"
            )
        }
        return lines
    }

    private static func cell(_ value: JSON?) -> String { value.flatMap(StatusText.text) ?? "?" }
}
