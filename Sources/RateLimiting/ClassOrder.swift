// Which priority class is asked first: interactive before batch before background. While a lower class waits, it gets
// at least each tenth (batch) or each twentieth (background) turn, so that it is slowed and never starved.

struct ClassOrder: Sendable {
    typealias Priority = GateRequest.Priority

    /// Turns of others that a class lets pass at most.
    static func patience(_ priority: Priority) -> Int {
        switch priority {
        case .interactive: 0
        case .batch: 9
        case .background: 19
        }
    }

    /// Turns of others since the last of its own, while it waited.
    private var passedOver = [0, 0, 0]

    /// All classes, whoever goes first in front.
    var order: [Priority] {
        for priority in [Priority.background, .batch]
        where passedOver[priority.rawValue] >= Self.patience(priority) {
            return [priority] + Priority.allCases.filter { $0 != priority }
        }
        return Priority.allCases
    }

    /// A call of `priority` goes. `waits`: whose calls could not, though they wait.
    mutating func served(_ priority: Priority, waits: (Priority) -> Bool) {
        for other in Priority.allCases where other != priority {
            passedOver[other.rawValue] = waits(other) ? passedOver[other.rawValue] + 1 : 0
        }
        passedOver[priority.rawValue] = 0
    }
}
