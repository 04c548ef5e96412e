// What one window counts, by slot and member: so it can be merged with what a member says, and forgotten slot by slot.

/// Whole numbers only, and times in milliseconds of the engine's clock: every engine has to come to the same result.
package struct LedgerWindow: Sendable, Equatable {
    /// What one member was granted in one slot.
    package struct Entry: Sendable, Equatable {
        package var slot: Int
        package var member: UInt64
        package var count: Int
    }

    /// Length of a slot, and how long a call is counted after its slot has ended.
    package let slot: Int
    package let counted: Int
    /// In order of slot, then of member.
    package private(set) var entries: [Entry] = []
    /// Of all entries.
    package private(set) var sum = 0
    /// Microseconds: when the next call would go at an even pace.
    package var tat = 0

    package init(slot: Int, counted: Int) { (self.slot, self.counted) = (slot, counted) }

    package init(_ window: FleetWindow) { self.init(slot: window.slot, counted: window.counted) }

    /// From parts, as they were stored.
    package init(slot: Int, counted: Int, entries: [Entry], tat: Int) {
        (self.slot, self.counted, self.entries, self.tat) = (slot, counted, entries, tat)
        sum = entries.reduce(0) { $0 + $1.count }
    }

    /// Forgets the slots that ended more than `counted` ago.
    package mutating func trim(now: Int) {
        let cut = floorDivide(now - counted, slot)
        guard let first = entries.first, first.slot < cut else { return }
        let kept = entries.firstIndex { $0.slot >= cut } ?? entries.endIndex
        for entry in entries[..<kept] { sum -= entry.count }
        entries.removeSubrange(..<kept)
    }

    /// Counts calls now.
    package mutating func add(_ count: Int, of member: UInt64, now: Int) {
        set(floorDivide(now, slot), member) { $0 + count }
    }

    /// Takes back the last call that is counted of a member.
    package mutating func removeLast(of member: UInt64) {
        guard let index = entries.lastIndex(where: { $0.member == member }) else { return }
        sum -= 1
        entries[index].count -= 1
        if entries[index].count <= 0 { entries.remove(at: index) }
    }

    /// Takes what a member says that it sent for true where less is known. What is older than anything that counts is ignored.
    package mutating func merge(_ counts: [FleetCount], of member: UInt64, now: Int) {
        var bySlot: [Int: Int] = [:]
        for count in counts where count.age < counted && count.count > 0 {
            bySlot[floorDivide(now - max(count.age, 0), slot), default: 0] += count.count
        }
        for (index, count) in bySlot { set(index, member) { max($0, count) } }
    }

    /// When the oldest slot is forgotten.
    package var firstExpiry: Int? { entries.first.map { ($0.slot + 1) * slot + counted } }

    /// What it counts of a member.
    package func sum(of member: UInt64) -> Int { entries.reduce(0) { $0 + ($1.member == member ? $1.count : 0) } }

    /// All that it counts, oldest first. Dated by the end of each slot, as it is counted.
    package func history(now: Int) -> [FleetCount] {
        var history: [FleetCount] = []
        var last: Int?
        for entry in entries {
            if entry.slot == last, let former = history.popLast() {
                history.append(FleetCount(age: former.age, count: former.count + entry.count))
            } else {
                history.append(FleetCount(age: max(now - (entry.slot + 1) * slot, 0), count: entry.count))
                last = entry.slot
            }
        }
        return history
    }

    /// Goes on with what another window counted, dated by the ends of its slots.
    package mutating func inherit(from other: LedgerWindow) {
        for entry in other.entries {
            set(floorDivide((entry.slot + 1) * other.slot - 1, slot), entry.member) { $0 + entry.count }
        }
    }

    private mutating func set(_ index: Int, _ member: UInt64, _ change: (Int) -> Int) {
        // Nearly always the last slot.
        var at = entries.endIndex
        while at > 0, (entries[at - 1].slot, entries[at - 1].member) >= (index, member) { at -= 1 }
        if at < entries.endIndex, entries[at].slot == index, entries[at].member == member {
            let count = change(entries[at].count)
            sum += count - entries[at].count
            entries[at].count = count
        } else {
            let count = change(0)
            sum += count
            entries.insert(Entry(slot: index, member: member, count: count), at: at)
        }
    }
}

/// Division that rounds down, as Lua's `math.floor(a/b)`.
func floorDivide(_ a: Int, _ b: Int) -> Int { a >= 0 ? a / b : -((-a + b - 1) / b) }
