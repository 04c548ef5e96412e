// What happens to some requests on their way: waits, pauses, tries, refusals. Most have none of it, and cost nothing then.

import Ground
import RateLimiting

/// One step on a request's way that is not every request's.
enum CallStep: Sendable {
    /// It had to wait for its turn. `took` is nil where the wait did not end in a turn.
    case waited(Gate.Wait, took: Duration?)
    /// Upstream refused it for now, which closed the gate.
    case refusedUpstream(status: Int, Gate.Closing)
    /// It was sent again after a pause, because of this.
    case repeated(because: String, after: Duration)
    /// Upstream refused the token, and another one was had.
    case tokenReplaced(took: Duration)
    /// Its intent stands in the audit log under this number.
    case recorded(seq: UInt64)
    /// The gate refused it.
    case refused(Gate.Refusal)
    /// Its refusal stands in the audit log under this number.
    case denied(seq: UInt64)
    /// It was the same start as this one, which was under way.
    case joined(String)
    /// It was not sent: this one with its key was.
    case replayed(of: String)
    /// Its answer was lost, and this is the run that it has started.
    case foundRun(String)
}

extension CallStep {
    /// For `/explain`.
    var json: JSONObject {
        var object = JSONObject()
        switch self {
        case .waited(let wait, let took):
            object.add("step", "waited")
            wait.add(to: &object)
            took.map { object.add("ms", milliseconds: $0) }
        case .refusedUpstream(let status, let closing):
            object.add("step", "paused-by-upstream")
            object.add("status", status)
            object.add("scope", closing.scope.text)
            object.add("cause", closing.cause.rawValue)
            object.add("seconds", seconds: closing.remaining)
        case .repeated(let cause, let pause):
            object.add("step", "repeated")
            object.add("because", cause)
            object.add("ms", milliseconds: pause)
        case .tokenReplaced(let took):
            object.add("step", "token-replaced")
            object.add("ms", milliseconds: took)
        case .recorded(let seq):
            object.add("step", "recorded")
            object.add("seq", Int(clamping: seq))
        case .denied(let seq):
            object.add("step", "denied")
            object.add("seq", Int(clamping: seq))
        case .refused(let refusal):
            object.add("step", "refused")
            object.add("reason", refusal.reason.rawValue)
            refusal.wait?.add(to: &object)
            object.add("would_fit_in_seconds", seconds: refusal.retryAfter)
        case .joined(let id):
            object.add("step", "joined")
            object.add("first", id)
        case .replayed(let id):
            object.add("step", "replayed")
            object.add("first", id)
        case .foundRun(let id):
            object.add("step", "found-run")
            object.add("run", id)
        }
        return object
    }

    /// For people; nil for what the rest of the summary says.
    var sentence: String? {
        switch self {
        case .waited(let wait, let took):
            let time = took.map { "\($0.tenths) ms " } ?? ""
            return "It waited \(time)for \(wait.obstacle.text)\(wait.queueText)."
        case .refusedUpstream(let status, let closing):
            return "Bentley refused it with \(status), which closed \(closing.scope.text) for "
                + "\(closing.remaining.wholeSecondsUp) s (cause: \(closing.cause.rawValue))."
        case .repeated(let cause, let pause): return "It was sent again \(pause.tenths) ms after \(cause)."
        case .tokenReplaced: return "Bentley refused the token, and a new one was fetched."
        case .recorded(let seq): return "Its intent is record \(seq) of the audit log."
        case .denied(let seq): return "Its refusal is record \(seq) of the audit log."
        case .refused(let refusal):
            let what = refusal.wait.map { " by \($0.obstacle.text)\($0.queueText)" } ?? ""
            let when = refusal.retryAfter.map { "; it would have fitted in about \($0.wholeSecondsUp) s" } ?? ""
            return "It was held up\(what) (\(refusal.reason.rawValue))\(when)."
        case .joined(let id): return "The same start was under way (\(id)), so this one was not sent."
        case .replayed(let id): return "Its Idempotency-Key is that of \(id), so it was not sent."
        case .foundRun(let id): return "Bentley's answer was lost; the runs of the test show that it has started \(id)."
        }
    }
}

extension Gate.Wait {
    fileprivate func add(to object: inout JSONObject) {
        obstacle.add(to: &object)
        object.add("opens_in_seconds", seconds: opens)
        object.add("place", place)
        object.add(
            "ahead",
            ahead.map { ahead in
                var object = JSONObject()
                object.add("caller", CallerID.shown(ahead.caller))
                object.add("calls", ahead.calls)
                return object
            })
    }

    fileprivate var queueText: String {
        guard let place, place > 1 else { return "" }
        let names = ahead.prefix(3).map { "\(CallerID.shown($0.caller)) (\($0.calls))" }.joined(separator: ", ")
        return ", number \(place) in the queue" + (names.isEmpty ? "" : " behind \(names)")
    }
}

extension Gate.Obstacle {
    fileprivate func add(to object: inout JSONObject) {
        object.add("for", word)
        switch self {
        case .window(let window, let isForRuns), .pace(let window, let isForRuns):
            object.add("window", window.label(isForRuns: isForRuns))
        case .callerWindow(let window): object.add("window", window.name)
        case .pause(let scope, let cause):
            object.add("scope", scope.text)
            object.add("cause", cause.rawValue)
        case .places(let count): object.add("places", count)
        case .longPlaces, .callerPlaces, .down, .others: break
        }
    }

    /// A bounded set.
    private var word: String {
        switch self {
        case .window: "window"
        case .pace: "pace"
        case .callerWindow: "caller-window"
        case .pause: "pause"
        case .places: "places"
        case .longPlaces: "long-places"
        case .callerPlaces: "caller-places"
        case .down: "upstream-down"
        case .others: "others"
        }
    }

    fileprivate var text: String {
        switch self {
        case .window(let window, let isForRuns): "the full window \(window.label(isForRuns: isForRuns))"
        case .pace(let window, let isForRuns): "the even pace of \(window.label(isForRuns: isForRuns))"
        case .callerWindow(let window): "its caller's own full window \(window.name)"
        case .pause(let scope, let cause): "a pause by Bentley of \(scope.text) (cause: \(cause.rawValue))"
        case .places(let count): "the \(count) places upstream, all of them taken (rate.max_in_flight)"
        case .longPlaces: "the places for answers too large to hold, all of them taken"
        case .callerPlaces: "its caller's places upstream, all of them taken (max_in_flight)"
        case .down: "an outage of Bentley"
        case .others: "the calls before it"
        }
    }
}
