// Whether others want a place that a call holds for long.

import Ground

/// Who lacks a place upstream and nothing else, at one moment.
package struct PlaceDemand: Sendable, Equatable {
    /// Whether somebody waits who could go if there were a place.
    package let isWaitedFor: Bool
    /// How many were refused so far for want of one: who asks again and again is seen here, though never waiting.
    package let refused: Int

    /// A demand.
    package init(isWaitedFor: Bool, refused: Int) {
        self.isWaitedFor = isWaitedFor
        self.refused = refused
    }
}

extension GateState {
    /// Who lacks a place at `now`, to which the state must have been brought. A caller that has as many as it may, in places or in its
    /// own windows, is short of its own.
    mutating func placeDemand(now: Nanoseconds) -> PlaceDemand {
        let isWaitedFor =
            room.count > 0 && books.openingOfAll(now: now) <= now
            && room.contains {
                !mayHavePlace($0) && !places.isAtShare($0) && callers.opening(of: $0, now: now) <= now
            }
        return PlaceDemand(isWaitedFor: isWaitedFor, refused: refusedForPlace)
    }
}
