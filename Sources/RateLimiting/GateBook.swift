// The gates of pass-through mode: one for each client id or token that is seen, a bounded number of them.

import Synchronization

/// Gates by key. Safe to use from any thread.
public final class GateBook: Sendable {
    private struct Entry {
        let gate: Gate
        var lastUse: UInt64
    }

    private struct Shelf {
        var entries: [String: Entry] = [:]
        var limits: GateLimits
        var uses: UInt64 = 0
    }

    private let capacity: Int
    private let make: @Sendable (_ key: String?, GateLimits) -> Gate
    private let shelf: Mutex<Shelf>
    private let shared: Gate

    /// At most `capacity` gates besides a shared one, each made by `make`; key nil makes the shared one.
    public init(
        limits: GateLimits, capacity: Int = 256,
        make: @escaping @Sendable (_ key: String?, _ limits: GateLimits) -> Gate
    ) {
        self.capacity = max(capacity, 1)
        self.make = make
        shelf = Mutex(Shelf(limits: limits))
        shared = make(nil, limits)
    }

    /// The gate of `key`. Where there are too many, the one that was used least lately and is idle makes room; with
    /// all of them busy, further keys share one gate.
    public func gate(for key: String) -> Gate {
        shelf.withLock { shelf in
            shelf.uses += 1
            if let entry = shelf.entries[key] {
                shelf.entries[key]?.lastUse = shelf.uses
                return entry.gate
            }
            if shelf.entries.count >= capacity {
                let oldest = shelf.entries.sorted { $0.value.lastUse < $1.value.lastUse }.first { $0.value.gate.isIdle }
                guard let oldest else { return shared }
                shelf.entries[oldest.key] = nil
            }
            let gate = make(key, shelf.limits)
            shelf.entries[key] = Entry(gate: gate, lastUse: shelf.uses)
            return gate
        }
    }

    /// Puts other limits in force, in all gates.
    public func update(limits: GateLimits) {
        let gates = shelf.withLock { shelf in
            shelf.limits = limits
            return shelf.entries.values.map(\.gate)
        }
        for gate in gates + [shared] { gate.update(limits: limits) }
    }

    /// All gates with their keys, in the order of the keys; nil is the key of the shared one.
    public var gates: [(key: String?, gate: Gate)] {
        let entries = shelf.withLock { $0.entries }
        return entries.sorted { $0.key < $1.key }.map { ($0.key, $0.value.gate) } + [(nil, shared)]
    }
}
