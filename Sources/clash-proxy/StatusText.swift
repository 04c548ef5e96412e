// The status document as lines for people.

import Audit
import Ground

/// A value: what `clash-proxy status` prints.
struct StatusText {
    private let document: JSON
    private let colours: Bool

    init(_ document: JSON, colours: Bool) { (self.document, self.colours) = (document, colours) }

    var lines: [String] {
        [title, ""] + troubles + section("budget", windows) + section("queue", queue) + section("token", token)
            + section("cache", cache) + section("callers", callers) + section("deletes", deletes)
            + section("audit", audit) + section("fleet", document["fleet"].map(FleetText.lines) ?? [])
            + section("config", configuration)
    }

    private var title: String {
        let ready = document["ready"] == .bool(true) ? coloured("ready", "32") : coloured("not ready", "31")
        return "clash-proxy \(text("version")) (libcurl \(text("libcurl"))), \(ready), since \(text("started"))"
    }

    private var troubles: [String] {
        let troubles = document["troubles"]?.array?.compactMap(\.string) ?? []
        return troubles.isEmpty ? [] : troubles.map { coloured("! \(PrintableText.escaped($0))", "31") } + [""]
    }

    private var windows: [String] {
        let windows = (document["windows"]?.array ?? []).map { window in
            let (limit, used) = (window["limit"]?.number ?? 0, window["used"]?.number ?? 0)
            let share = limit > 0 ? used / limit : 0
            let bar = Self.bar(share)
            let full = window["exhausted_at"]?.string.map { "full at \($0)" } ?? ""
            return
                "\(Self.cell(window["window"], 12)) \(coloured(bar, share > 0.9 ? "31" : share > 0.7 ? "33" : "32")) \(Self.whole(used)) of \(Self.whole(limit)) \(full)"
        }
        let pauses = (document["cooldowns"]?.array ?? []).map { pause in
            coloured(
                "paused by Bentley: \(Self.cell(pause["scope"], 0)), \(Self.cell(pause["seconds"], 0)) s left (\(Self.cell(pause["cause"], 0)))",
                "31")
        }
        return windows + pauses
    }

    private var queue: [String] {
        let queue = document["queue"]
        let waiting = ["settling", "interactive", "batch", "background"].map { "\($0) \(Self.cell(queue?[$0], 0))" }
        return [
            "waiting: \(waiting.joined(separator: ", "))",
            "upstream: \(Self.cell(queue?["in_flight"], 0)) of \(Self.cell(queue?["places"], 0)) places; refused \(Self.cell(queue?["refused"], 0)), by Bentley \(Self.cell(queue?["upstream_refusals"], 0))",
        ]
    }

    private var token: [String] {
        let token = document["token"]
        guard let left = token?["expires_in_seconds"]?.number else {
            return ["\(Self.cell(token?["mode"], 0)): none held"]
        }
        let failure = token?["last_failure"]?.string.map { coloured("; \(PrintableText.escaped($0))", "31") } ?? ""
        return ["\(Self.cell(token?["mode"], 0)): \(Self.whole(left)) s left\(failure)"]
    }

    private var cache: [String] {
        let cache = document["cache"]
        guard cache?["enabled"] == .bool(true) else { return ["turned off (cache.enabled)"] }
        let megabytes = (cache?["bytes"]?.number ?? 0) / 1_048_576
        return [
            "\(Self.cell(cache?["entries"], 0)) answers, \(Self.whole(megabytes)) MiB; saved \(Self.cell(cache?["saved_by_hit"], 0)) calls by hits, \(Self.cell(cache?["saved_by_flight"], 0)) by shared fetches"
        ]
    }

    private var callers: [String] {
        let rows = document["callers"]?.array ?? []
        guard !rows.isEmpty else { return ["nobody has called"] }
        let columns = [
            ("name", 20), ("requests", 10), ("upstream", 10), ("refused", 10), ("waits", 8), ("waited_seconds", 14),
        ]
        return [columns.map { $0.0.padded(to: $0.1) }.joined(separator: " ")]
            + rows.map { row in columns.map { Self.cell(row[$0.0], $0.1) }.joined(separator: " ") }
    }

    private var deletes: [String] {
        let rows = document["deletes"]?.array ?? []
        guard !rows.isEmpty else { return ["none by this process (all of them: clash-proxy audit list)"] }
        return rows.prefix(10).map { row in
            let columns = [("time", 24), ("caller", 16), ("result", 12), ("operation", 20), ("id", 36)]
            return columns.map { Self.cell(row[$0.0], $0.1) }.joined(separator: " ")
        }
    }

    private var audit: [String] {
        let audit = document["audit"]
        let state = Self.cell(audit?["state"], 0)
        return [
            "\(state == "ready" ? state : coloured(state, "31")), \(Self.cell(audit?["seq"], 0)) records in \(Self.cell(audit?["path"], 0))"
        ] + (audit?["sinks"]?.array ?? []).map(sink)
    }

    private func sink(_ sink: JSON) -> String {
        let lag = sink["lag"]?.number ?? 0
        let line =
            "copies to \(Self.cell(sink["name"], 0)): \(lag > 0 ? "\(Self.whole(lag)) records behind" : "up to date")"
        guard sink["state"]?.string == "down" else { return line }
        let down = "; down for \(Self.cell(sink["down_seconds"], 0)) s: it \(Self.cell(sink["trouble"], 0))"
        return coloured(line + down, "31")
    }

    private var configuration: [String] {
        let configuration = document["configuration"]
        let mistakes = configuration?["refused"]?["mistakes"]?.array?.compactMap(\.string) ?? []
        let refusal =
            mistakes.isEmpty
            ? []
            : [
                coloured("a later one was refused at \(Self.cell(configuration?["refused"]?["time"], 0)):", "31")
            ] + mistakes.map { "  \(PrintableText.escaped($0))" }
        return ["taken at \(Self.cell(configuration?["taken"], 0))"] + refusal
    }

    // MARK: Pieces

    private func section(_ name: String, _ lines: [String]) -> [String] {
        lines.enumerated().map { index, line in
            (index == 0 ? coloured(name.padded(to: 8), "1") : "        ") + " " + line
        }
    }

    private func text(_ name: String) -> String { Self.cell(document[name], 0) }

    private func coloured(_ text: String, _ code: String) -> String {
        colours ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
    }

    private static func bar(_ share: Double) -> String {
        let full = Int(max(0, min(20, (share.isFinite ? share * 20 : 0).rounded())))
        return "[" + String(repeating: "#", count: full) + String(repeating: "-", count: 20 - full) + "]"
    }

    /// Without what is behind the point; any number can be had from a server.
    private static func whole(_ number: Double) -> Int { Int(exactly: number.rounded(.down)) ?? 0 }

    /// A value as text, at least so wide.
    private static func cell(_ value: JSON?, _ width: Int) -> String { (value.flatMap(text) ?? "-").padded(to: width) }

    /// A single value as text; nil for what is none.
    static func text(_ value: JSON) -> String? {
        switch value {
        case .null, .array, .object: nil
        case .bool(let bool): bool ? "yes" : "no"
        case .number(let number): Int(exactly: number).map { "\($0)" } ?? "\(number)"
        // A terminal would obey what names and reasons hold.
        case .string(let text): PrintableText.escaped(text)
        }
    }
}

extension String {
    /// With blanks after it, at least so long.
    func padded(to length: Int) -> String { self + String(repeating: " ", count: max(0, length - count)) }
}
