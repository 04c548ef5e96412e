// What comes of a proof: for each promise and caller a verdict, with its reason in words.

import Synchronization

/// What the proxy promises, as far as it can be held against a configuration.
package enum Promise: String, Sendable, CaseIterable {
    /// Keys and tokens of tools, the upstream token and the client secret.
    case noSecretLeaves = "no secret leaves"
    /// Neither from the cache nor from a fetch that was under way.
    case deletedIsNeverShown = "a deleted report is never shown"
    /// With the name of who asked, before it is sent.
    case deletesAreRecorded = "a delete is on record before it is sent"
    /// Where the log cannot be written.
    case noRecordNoDelete = "a delete without a record is refused"
    /// Rights, operations, iTwins.
    case scopeHolds = "scope holds"
    /// `deletes.protect`.
    case protectedStays = "protected ids are not deleted"
    /// Of the subscription, for runs, and of callers.
    case noWindowIsExceeded = "no window is exceeded"
    /// By a wait.
    case pauseIsAbsorbed = "a 429 is absorbed"
    /// Without a call upstream.
    case repeatsAreCached = "a repeated read comes from the cache"
    /// Whatever is repeated, and though an answer was lost.
    case runsStartOnce = "a run is started once"
    /// Neither an answer nor an outcome.
    case drainLosesNothing = "drain loses nothing"
    /// And says so when a byte is not.
    case logVerifies = "the audit log verifies"

    /// Whether it is about each caller by itself.
    var isOfCallers: Bool {
        switch self {
        case .drainLosesNothing, .logVerifies: false
        default: true
        }
    }
}

/// What was found out about one promise.
package enum Verdict: Sendable, Equatable {
    /// It held; what was done to find that out.
    case pass(String)
    /// It did not hold, or could not be tried; why.
    case fail(String)
    /// The configuration turns it off, or nothing to hold it against; by which key, and what that costs.
    case notApplicable(String)

    /// `pass`, `fail` or `not applicable`.
    package var word: String {
        switch self {
        case .pass: "pass"
        case .fail: "fail"
        case .notApplicable: "not applicable"
        }
    }

    /// The rest of it.
    package var why: String {
        switch self {
        case .pass(let why), .fail(let why), .notApplicable(let why): why
        }
    }
}

/// One row of the table.
package struct ProofRow: Sendable, Equatable {
    /// What is promised.
    package let promise: Promise
    /// To whom; `all` where it is nobody's in particular.
    package let caller: String
    /// Whether it holds.
    package let verdict: Verdict
}

/// The table while it is being filled. Usable from every thread.
final class ProofTable: Sendable {
    /// Where a promise is nobody's in particular.
    static let all = "all"

    private let verdicts = Mutex<[Promise: [String: Verdict]]>([:])
    private let trouble = Mutex<String?>(nil)

    /// Writes a verdict down; the first failure stays.
    func add(_ promise: Promise, _ caller: String, _ verdict: Verdict) {
        verdicts.withLock { verdicts in
            if case .fail? = verdicts[promise]?[caller] { return }
            verdicts[promise, default: [:]][caller] = verdict
        }
    }

    /// The same of what is nobody's in particular.
    func add(_ promise: Promise, _ verdict: Verdict) { add(promise, Self.all, verdict) }

    /// Why what is missing is missing.
    func isCut(_ why: String) { trouble.withLock { $0 = $0 ?? why } }

    /// All rows in the order of the promises; what has no verdict could not be run, and that is a failure.
    func rows(callers: [String]) -> [ProofRow] {
        let (verdicts, trouble) = (verdicts.withLock { $0 }, trouble.withLock { $0 })
        return Promise.allCases.flatMap { promise in
            let known = verdicts[promise] ?? [:]
            let named = promise.isOfCallers ? callers : []
            let others = known.keys.filter { !named.contains($0) }.sorted()
            let names = others + named
            return (names.isEmpty ? [Self.all] : names).map { name in
                ProofRow(
                    promise: promise, caller: name,
                    verdict: known[name] ?? .fail("could not be run: \(trouble ?? "nobody tried")"))
            }
        }
    }
}
