// When the list of runs is looked at for the run of a start that nobody answered, and what the looks say together: a value,
// no clock.
//
// A run may come into the list seconds after its start was sent, and another one beside it. So one that is found is looked at
// once more before it is believed, and none is no proof that there will be none.

import ClashAPI

/// What became of a start that nobody answered.
enum StartFate: Sendable, Equatable {
    /// This run surely is what it has started.
    case started(RunRow)
    /// Nobody can tell: what was seen, in words that end a sentence.
    case unknown(String)
}

struct StartLooks {
    typealias Instant = ContinuousClock.Instant

    /// What one look says.
    enum Sight: Equatable {
        case page(KnownRuns.Finding)
        /// Nothing: upstream failed, or said something else.
        case nothing
        /// There is no room in the windows, now or soon.
        case never
    }

    enum Step: Equatable {
        case look
        case wait(until: Instant)
        case over(StartFate)
    }

    /// So long it goes on.
    static let span = Duration.seconds(5)
    /// So long a run is in the list before it is believed; and so much longer it may go on for that.
    static let confirmation = Duration.milliseconds(500)
    private static let pauses: [Duration] = [.milliseconds(250), .milliseconds(250), .milliseconds(500)]
    private static let laterPause = Duration.seconds(1)

    private let end: Instant
    private var due: Instant
    private var looks = 0
    private var sawList = false
    private var candidate: (row: RunRow, since: Instant)?
    private var fate: StartFate?

    init(now: Instant) {
        end = now + Self.span
        due = now
    }

    /// The latest moment at which a look may begin.
    var lastLook: Instant { end + Self.confirmation }

    /// What to do at `now`. A look that it names has begun, and `saw` is called before the next question.
    mutating func next(now: Instant) -> Step {
        if let fate { return .over(fate) }
        if now >= (candidate == nil ? end : lastLook + Self.confirmation) { return .over(.unknown(words)) }
        guard now >= due else { return .wait(until: due) }
        let pause = looks < Self.pauses.count ? Self.pauses[looks] : Self.laterPause
        looks += 1
        due = candidate == nil ? min(now + pause, end) : now + Self.confirmation
        return .look
    }

    /// The look has ended.
    mutating func saw(_ sight: Sight, now: Instant) {
        switch sight {
        case .page(.none):
            sawList = true
            // It was there: somebody has deleted it, and nobody knows whose it was.
            if candidate != nil { fate = .unknown("a new run of the test was seen and went away again") }
        case .page(.found(let row)):
            sawList = true
            guard let candidate else {
                self.candidate = (row, now)
                due = now + Self.confirmation
                return
            }
            guard candidate.row.key == row.key else {
                fate = .unknown("two runs of the test were begun meanwhile (\(candidate.row.id), \(row.id))")
                return
            }
            if now >= candidate.since + Self.confirmation { fate = .started(row) }
        case .page(.unclear(let words)): fate = .unknown(words)
        case .nothing: break
        case .never:
            fate = .unknown(sawList ? words : "the runs of the test could not be read: no call may be made for it")
        }
    }

    private var words: String {
        if let candidate { return "a new run of the test (\(candidate.row.id)) was seen, but only once" }
        return sawList
            ? "no new run of the test was seen in \(looks) looks at its runs" : "the runs of the test could not be read"
    }
}
