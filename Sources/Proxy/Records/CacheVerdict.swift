// What the cache did with a request. The word of the access log, `Cache-Status` and the counters all come from this.

import Caching

/// Why a request goes upstream.
struct Forwarding: Sendable, Equatable {
    let why: CacheStatus.Forward
    /// More about it, where the tool itself is the reason.
    var detail: CacheReason?
}

/// What the cache did with one request.
enum CacheVerdict: Sendable, Equatable {
    /// Answered with what is stored and fresh; `ttl`: for how many seconds more.
    case hit(ttl: Int)
    /// A page of a walk that was cut out of what is stored; `ttl` as for hits.
    case walked(ttl: Int)
    /// Answered after a wait for a change; `ttl` as for hits.
    case waited(ttl: Int)
    /// Answered with what is stored in place of something newer. A negative `ttl` says for how long it has been stale.
    case stale(StaleReason, ttl: Int)
    /// Upstream was asked. `isRefreshed`: it confirmed what was stored.
    case forwarded(Forwarding, Fate, isRefreshed: Bool)
    /// The cache had no say; `isRead`: but it might have had one.
    case passed(isRead: Bool)
    /// Nothing stored will do, and upstream was not to be asked (`only-if-cached`).
    case missing(Forwarding)
    /// A read has proved that a delete was carried out, and the proxy says so in upstream's place.
    case settled
    /// The first answer under the same Idempotency-Key, once more.
    case replayed

    /// The answer to the same start of a run, which was under way.
    static let joined = CacheVerdict.forwarded(Forwarding(why: .method), .collapsed, isRefreshed: false)

    /// What became of upstream's answer.
    enum Fate: Sendable, Equatable {
        case stored
        /// It was another request's, who waited for it first.
        case collapsed
        /// It is passed on while it is not known yet whether it can be stored.
        case streamed
        case notStored(CacheReason)
    }

    /// As log and counters name it. A bounded set.
    struct Word: Hashable, Sendable {
        let result: String
        var reason: String?

        var text: String { reason.map { "\(result):\($0)" } ?? result }
    }

    /// Nil where the cache had no say.
    var word: Word? {
        switch self {
        case .hit: Word(result: "hit")
        case .walked: Word(result: "walk")
        case .waited: Word(result: "wait")
        case .stale(let why, _): Word(result: "stale", reason: why.rawValue)
        case .forwarded(_, .stored, _): Word(result: "stored")
        case .forwarded(_, .collapsed, _): Word(result: "collapsed")
        case .forwarded(_, .streamed, _): Word(result: "streamed")
        case .forwarded(_, .notStored(let reason), _): Word(result: "not-stored", reason: reason.rawValue)
        case .passed, .settled, .replayed, .missing: nil
        }
    }

    /// Who answered.
    var source: AnswerSource {
        switch self {
        case .hit, .walked, .waited, .stale: .cache
        case .forwarded, .passed: .upstream
        case .settled, .replayed, .missing: .proxy
        }
    }

    /// For the tool.
    var status: CacheStatus {
        switch self {
        case .hit(let ttl): .hit(ttl: ttl)
        case .walked(let ttl): .made(ttl: ttl, by: .walk)
        case .waited(let ttl): .made(ttl: ttl, by: .wait)
        case .stale(let why, let ttl): ttl < 0 ? .stale(ttl: ttl, detail: why) : .hit(ttl: ttl)
        case .forwarded(let forwarding, let fate, let isRefreshed):
            .forwarded(
                forwarding.why, stored: fate == .stored, collapsed: fate == .collapsed,
                status: isRefreshed ? 304 : nil, detail: fate.reason?.rawValue ?? forwarding.detail?.rawValue)
        case .missing(let forwarding):
            .forwarded(
                forwarding.why, stored: false, collapsed: false, status: nil, detail: forwarding.detail?.rawValue)
        case .passed(let isRead):
            .forwarded(isRead ? .bypass : .method, stored: false, collapsed: false, status: nil, detail: nil)
        case .settled:
            .forwarded(.method, stored: false, collapsed: false, status: nil, detail: "settled")
        case .replayed:
            .forwarded(.method, stored: false, collapsed: false, status: nil, detail: "replayed")
        }
    }
}

extension CacheVerdict.Fate {
    fileprivate var reason: CacheReason? { if case .notStored(let reason) = self { reason } else { nil } }
}
