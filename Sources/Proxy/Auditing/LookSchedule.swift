// When the objects of a delete that nobody answered are looked at, and what the looks say together: a value, no clock.
//
// Only "gone" proves something: upstream may carry out a delete seconds after its answer was lost, so what is still there
// is looked at again until the time is over. Looks of one delete begin a quarter of a second apart at least, whichever of
// its objects they are for, and come less often the longer it takes.

struct LookSchedule {
    typealias Instant = ContinuousClock.Instant

    /// What one look says.
    enum Sight {
        case gone
        case there
        /// Nothing: upstream failed, or said something else.
        case nothing
    }

    enum Step: Equatable {
        /// Look at this object now.
        case look(Int)
        /// Nothing to do before then, unless a look ends.
        case wait(until: Instant)
        case over(ObjectFate)
    }

    private struct Object {
        var due: Instant
        var looks = 0
        var isLookedAt = false
        var sight: Sight?
    }

    /// So long it goes on.
    static let span = Duration.seconds(5)
    /// From one look to the next.
    static let spacing = Duration.milliseconds(250)
    /// From one look at an object to the next at it.
    private static let pauses: [Duration] = [.milliseconds(250), .milliseconds(250), .milliseconds(500)]
    private static let laterPause = Duration.seconds(1)

    private var objects: [Object]
    private var lastLook: Instant?
    private var isHopeless = false
    /// When it is over.
    let end: Instant

    init(objects count: Int, now: Instant) {
        objects = Array(repeating: Object(due: now), count: count)
        end = now + Self.span
    }

    /// What to do at `now`. A look that it names has begun.
    mutating func next(now: Instant) -> Step {
        if isHopeless || objects.isEmpty { return .over(.unknown) }
        if objects.allSatisfy({ $0.sight == .gone }) { return .over(.gone) }
        if now >= end { return .over(verdict) }
        let waiting = objects.indices.filter { objects[$0].sight != .gone && !objects[$0].isLookedAt }
        guard let index = waiting.min(by: { objects[$0].due < objects[$1].due }) else { return .wait(until: end) }
        let due = max(objects[index].due, lastLook.map { $0 + Self.spacing } ?? now)
        guard due <= now else { return .wait(until: min(due, end)) }
        lastLook = now
        objects[index].due = now + pause(after: objects[index].looks)
        // The last look comes as late as it can.
        let last = end - Self.spacing
        if objects[index].due > last, now < last { objects[index].due = last }
        objects[index].looks += 1
        objects[index].isLookedAt = true
        return .look(index)
    }

    /// A look at an object has ended.
    mutating func saw(_ sight: Sight, of index: Int) {
        objects[index].isLookedAt = false
        objects[index].sight = sight
    }

    /// No object can be looked at, now or later: there is no room in the windows.
    mutating func cannotLook() { isHopeless = true }

    private func pause(after looks: Int) -> Duration {
        looks < Self.pauses.count ? Self.pauses[looks] : Self.laterPause
    }

    private var verdict: ObjectFate { objects.allSatisfy { $0.sight == .there } ? .there : .unknown }
}
