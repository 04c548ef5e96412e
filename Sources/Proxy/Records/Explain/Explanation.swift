// Why one request went as it did, as JSON for people and scripts. No secret, no body, no query.

import Caching
import Ground

/// What is kept of a request that has ended. An object: it is handed around in the ring, not copied.
final class Explanation: Sendable {
    let record: ExchangeRecord
    let outcome: Outcome
    /// When it ended.
    let ended: WallTime
    /// How long it took.
    let total: Duration

    init(record: ExchangeRecord, outcome: Outcome, ended: WallTime, total: Duration) {
        (self.record, self.outcome, self.ended, self.total) = (record, outcome, ended, total)
    }

    /// One object in the order of a request's life.
    var json: JSONObject {
        var object = JSONObject()
        object.add("id", record.correlationID)
        if let trace = record.trace { object.add("trace", trace.text) }
        object.add("ended", RFC3339.text(ended, digits: 3))
        object.add("summary", summary)
        object.add("request", request)
        object.add("cache", cache)
        object.add("gate", gate)
        object.add("token", token)
        object.add("audit", audit)
        object.add("once", once)
        object.add("upstream", upstream)
        object.add("answer", answer)
        return object
    }

    private var request: JSONObject {
        var object = JSONObject()
        object.add("method", record.method)
        object.add("path", record.path)
        object.add("operation", record.operation)
        object.add("caller", record.caller)
        object.add("via", record.via?.description)
        object.add("address", record.peer)
        object.add("bytes", record.bytesIn)
        return object
    }

    private var cache: JSONObject? {
        guard let verdict = record.cache else { return nil }
        var object = JSONObject()
        if case .missing(let forwarding) = verdict {
            object.add("result", "miss")
            object.add("reason", forwarding.why.rawValue)
        } else {
            object.add("result", verdict.word?.result ?? "bypass")
            object.add("reason", verdict.word?.reason)
            object.add("cache_status", verdict.status.headerValue)
        }
        object.add("key", record.key.map { CacheKeyText($0).json })
        return object
    }

    /// Whose window or place held it up, who was before it, and what refused it.
    private var gate: JSONObject {
        var object = wait(record.times.queueTime)
        let steps = record.steps.filter { step in
            switch step {
            case .waited, .refusedUpstream, .repeated, .refused: true
            case .tokenReplaced, .recorded, .denied, .joined, .replayed, .foundRun: false
            }
        }
        object.add("steps", steps.map(\.json))
        return object
    }

    private var token: JSONObject {
        var object = wait(record.times.tokenTime)
        let isReplaced = record.steps.contains { if case .tokenReplaced = $0 { true } else { false } }
        object.add("replaced", isReplaced)
        return object
    }

    private var audit: JSONObject {
        var object = wait(record.times.auditTime)
        for case .recorded(let seq) in record.steps { object.add("intent", Int(clamping: seq)) }
        for case .denied(let seq) in record.steps { object.add("denied", Int(clamping: seq)) }
        return object
    }

    /// Which call it was the same as, and how a lost answer was made good; empty for most.
    private var once: [JSONObject] {
        record.steps.compactMap { step in
            switch step {
            case .joined, .replayed, .foundRun: step.json
            case .waited, .refusedUpstream, .repeated, .refused, .tokenReplaced, .recorded, .denied: nil
            }
        }
    }

    private var upstream: JSONObject {
        var object = wait(record.times.upstreamTime)
        object.add("attempts", record.attempts)
        object.add("id", record.upstreamID)
        return object
    }

    private var answer: JSONObject {
        var object = JSONObject()
        object.add("status", record.status)
        object.add("source", record.source.rawValue)
        object.add("outcome", outcome.text)
        object.add("message", message)
        object.add("detail", record.detail.isEmpty ? nil : record.detail)
        object.add("bytes", record.bytesOut)
        object.add("total_ms", milliseconds: total)
        object.add("other_ms", milliseconds: record.times.otherTime(of: total))
        return object
    }

    /// What its tool was told by us.
    private var message: String? {
        guard case .refused = outcome, !record.message.isEmpty else { return nil }
        return KeyForm.hidden(record.message)
    }

    private func wait(_ time: Duration) -> JSONObject {
        var object = JSONObject()
        object.add("ms", milliseconds: time)
        return object
    }

    /// In words: where the time went, who answered, and why.
    private var summary: String {
        var sentences = ["\(record.status) from \(source), \(outcome.text), after \(total.tenths) ms."]
        let times = record.times
        let parts: [(String, Duration)] = [
            ("waiting for a turn (rate limits and places)", times.queueTime), ("waiting for a token", times.tokenTime),
            ("the audit log and the reads it needs", times.auditTime), ("waiting for Bentley", times.upstreamTime),
            ("the tool itself and this proxy", times.otherTime(of: total)),
        ]
        if let longest = parts.max(by: { $0.1 < $1.1 }), longest.1 > .milliseconds(1) {
            sentences.append("Most of it, \(longest.1.tenths) ms, was \(longest.0).")
        }
        switch record.cache?.word {
        case let word? where word.result == "hit": sentences.append("It was stored and fresh.")
        case let word?:
            let reason = word.reason.map { " (\($0))" } ?? ""
            sentences.append("The cache: \(word.result)\(reason), \(record.cache?.status.headerValue ?? "").")
        case nil:
            if case .missing(let forwarding)? = record.cache {
                sentences.append(
                    "The cache had no answer that will do (\(forwarding.why.rawValue)), and nobody else was to be asked."
                )
            }
        }
        sentences += record.steps.compactMap(\.sentence)
        if record.attempts > 1 { sentences.append("It was sent \(record.attempts) times.") }
        if let message { sentences.append("Its tool was told: \(message)") }
        if !record.detail.isEmpty, record.detail != message { sentences.append("Detail: \(record.detail)") }
        return sentences.joined(separator: " ")
    }

    private var source: String {
        switch record.source {
        case .cache: "the cache"
        case .upstream: "Bentley"
        case .proxy: "this proxy"
        }
    }
}
