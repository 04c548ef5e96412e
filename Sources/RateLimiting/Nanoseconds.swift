// Instants in the gate's arithmetic: whole nanoseconds since the making of the gate.

import Ground

extension Nanoseconds {
    static let oneSecond: Nanoseconds = 1_000_000_000
    /// Not to be known from the present state. Nothing is ever added to it.
    static let never: Nanoseconds = .max
}
