// Which priority class is asked first: what settles lost calls before everybody, then interactive before batch before
// background. While a lower class waits, it gets at least each tenth (batch) or each twentieth (background) turn of
// those that are left, so that it is slowed and never starved.

struct ClassOrder: Sendable {
    typealias Priority = GateRequest.Priority

    /// Turns of others that a class lets pass at most.
    static func patience(_ priority: Priority) -> Int {
        switch priority {
        case .settling, .interactive: 0
        case .batch: 9
        case .background: 19
        }
    }

    /// Turns of others since the last of its own, while it waited.
    private var passedOver = [0, 0, 0, 0]

    /// All classes, whoever goes first in front.
    var order: [Priority] {
        for priority in [Priority.background, .batch]
        where passedOver[priority.rawValue] >= Self.patience(priority) {
            return [.settling, priority] + Priority.allCases.filter { $0 != priority && $0 != .settling }
        }
        return Priority.allCases
    }

    /// A call of `priority` goes. `waits`: whose calls could not, though they wait.
    mutating func served(_ priority: Priority, waits: (Priority) -> Bool) {
        // Of these turns nobody has a share.
        guard priority != .settling else { return }
        for other in Priority.allCases where other != priority {
            passedOver[other.rawValue] = waits(other) ? passedOver[other.rawValue] + 1 : 0
        }
        passedOver[priority.rawValue] = 0
    }
}
