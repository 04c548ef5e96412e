// What operators are told at once, by a webhook or a program of theirs, and how it reads.

import Ground

/// One piece of news. A value; holds no secret.
struct Alert: Sendable, Equatable {
    /// What it is about.
    enum Kind: String, Sendable, CaseIterable {
        /// More of a window is used than `alerts.budget_at`.
        case budget
        /// Bentley has asked for a pause.
        case pause
        /// Bentley cannot be reached.
        case upstreamDown = "upstream_down"
        /// No new token is to be had.
        case token
        /// Somebody has to sign in anew.
        case signIn = "sign_in"
        /// The audit log cannot be written.
        case audit
        /// What goes cannot be archived.
        case archive
        /// Copies of the audit records do not get to where they belong.
        case sink
        /// Nobody knows what became of a call that changes something.
        case unknownOutcome = "unknown_outcome"
        /// Somebody wanted to delete what is protected.
        case protected
        /// The listeners' certificate ends.
        case certificate
    }

    /// How much it matters.
    enum Severity: String, Sendable {
        case info, warning, critical
    }

    /// Whether it goes on.
    enum State: String, Sendable {
        case begun, over
    }

    let kind: Kind
    /// What of its kind it is about: it is told once in ten minutes.
    let subject: String
    var severity: Severity
    var state = State.begun
    /// One sentence.
    let text: String
    /// By name, in their order.
    let details: [Detail]

    /// One fact.
    struct Detail: Sendable, Equatable {
        let name: String
        let value: String?

        init(_ name: String, _ value: String?) { (self.name, self.value) = (name, value) }
    }

    /// As much of a fact as is told, in bytes: escaped six times as many at worst, so that an alert always fits a pipe.
    private static let longestValue = 1_000

    /// `{time, kind, severity, state, text, details}`, at most a few kilobytes.
    func json(at time: WallTime) -> [UInt8] {
        var facts = JSONObject()
        for detail in details {
            guard let value = detail.value else { continue }
            let utf8 = value.utf8
            facts.add(
                detail.name,
                utf8.count > Self.longestValue
                    ? String(decoding: utf8.prefix(Self.longestValue), as: UTF8.self) + "…" : value)
        }
        var object = JSONObject()
        object.add("time", RFC3339.text(time, digits: 3))
        object.add("kind", kind.rawValue)
        object.add("severity", severity.rawValue)
        object.add("state", state.rawValue)
        object.add("text", text)
        object.add("details", facts)
        return Array(object.text.utf8)
    }
}
