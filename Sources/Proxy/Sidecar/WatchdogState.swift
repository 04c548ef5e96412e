// When the service manager is told that all is well: as long as every event loop and the upstream thread answer. A value;
// `Watchdog` is its shell.

/// Asks every part in rounds. A part that does not answer is not asked again, and until it does nothing is told.
struct WatchdogState {
    enum Action: Equatable {
        /// Ask this part.
        case ask(Int)
        /// Tell the service manager.
        case beat
        /// Nothing was told for a round, for these parts: new since the last time.
        case late([Int])
    }

    /// Parts that were asked and have not answered.
    private var silent: Set<Int> = []
    /// Those of them that were named.
    private var named: Set<Int> = []
    private let parts: Int

    /// - Parameter parts: how many there are, numbered from 0.
    init(parts: Int) { self.parts = parts }

    /// Another round begins.
    mutating func tick() -> [Action] {
        let late = silent.subtracting(named).sorted()
        named.formUnion(late)
        let asked = (0..<parts).filter { !silent.contains($0) }
        silent.formUnion(asked)
        return (late.isEmpty ? [] : [.late(late)]) + asked.map { .ask($0) }
    }

    /// A part has answered, or is gone for good.
    mutating func answered(_ part: Int) -> Action? {
        guard silent.remove(part) != nil else { return nil }
        named.remove(part)
        return silent.isEmpty ? .beat : nil
    }
}
