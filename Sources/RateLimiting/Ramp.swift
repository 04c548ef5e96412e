// After a pause the pace starts at a tenth and doubles each second.

import Ground

enum Ramp {
    /// From then on the pace is full.
    static let length = 4 * Nanoseconds.oneSecond

    /// The share of the full pace `elapsed` after the end of a pause.
    static func share(_ elapsed: Nanoseconds) -> Double {
        elapsed >= length ? 1 : 0.1 * Double(1 << (max(elapsed, 0) / .oneSecond))
    }

    /// When, counted from the end of the pause, as much has been done as takes `work` nanoseconds at full pace, if it
    /// is begun at `elapsed`.
    static func end(of work: Double, from elapsed: Nanoseconds) -> Nanoseconds {
        var elapsed = max(elapsed, 0)
        var work = work
        while elapsed < length {
            let step = (elapsed / .oneSecond + 1) * .oneSecond
            let done = Double(step - elapsed) * share(elapsed)
            if work <= done { return elapsed + Nanoseconds((work / share(elapsed)).rounded(.up)) }
            work -= done
            elapsed = step
        }
        return elapsed + Nanoseconds(work.rounded(.up))
    }
}
