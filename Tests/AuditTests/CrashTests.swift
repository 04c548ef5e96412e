// The three promises under crashes at every step: what upstream saw has an intent, the chain verifies, and nothing that
// was acknowledged is missing.

import Synchronization
import TestSupport
import Testing

@testable import Audit

/// What the world outside the log knows: it survives every crash.
private final class Witness: Sendable {
    struct Facts: Sendable {
        /// Calls that went upstream, with the number of their acknowledged intent.
        var sent: [String: UInt64] = [:]
        /// Outcomes that were acknowledged as durable.
        var closed: [String: UInt64] = [:]
        var denied: [UInt64: String] = [:]
        /// Deletes that were refused because they could not be recorded.
        var refused: Set<String> = []
    }

    let facts = Mutex(Facts())

    func delete(_ log: AuditLog, _ id: String) async {
        guard let receipt = try? await log.append(AuditIntent(call: .make(id), snapshot: Array(#"{"n":1}"#.utf8)))
        else {
            facts.withLock { _ = $0.refused.insert(id) }
            return
        }
        facts.withLock { $0.sent[id] = receipt.seq }
        if case .durable(let seq) = await log.append(.deleted, for: receipt) {
            facts.withLock { $0.closed[id] = seq }
        }
    }

    func deny(_ log: AuditLog, _ id: String) async {
        if case .durable(let seq) = await log.denied(.make(id), status: 403) {
            facts.withLock { $0.denied[seq] = id }
        }
    }

    /// Checks the promises on a disk; `isOpen` tells which intents the log says are open.
    func check(_ disk: MemoryFileSystem, open: [AuditOpenIntent], _ context: String) throws {
        let facts = facts.withLock { $0 }
        let reader = AuditReader(folder: "audit", fileSystem: disk)
        let verification = try reader.verify()
        #expect(verification.findings.isEmpty, "\(context)")
        var intents: [UInt64: String] = [:]
        var closings: [UInt64: (intent: UInt64, id: String)] = [:]
        var denials: [UInt64: String] = [:]
        try reader.records { record in
            switch record.event {
            case "intent": intents[record.seq] = record.call.id
            case "outcome", "recovered": closings[record.seq] = (record.intent ?? 0, record.call.id)
            case "denied": denials[record.seq] = record.call.id
            default: break
            }
            return true
        }
        for (id, seq) in facts.sent { #expect(intents[seq] == id, "\(context): \(id) was sent") }
        for (id, seq) in facts.closed {
            #expect(closings[seq]?.id == id && closings[seq]?.intent == facts.sent[id], "\(context): \(id) was closed")
        }
        for (seq, id) in facts.denied { #expect(denials[seq] == id, "\(context): \(id) was denied") }
        let closed = Set(closings.values.map(\.intent))
        #expect(Set(open.map(\.seq)) == Set(intents.keys).subtracting(closed), "\(context): open intents")
    }
}

/// Opens the log and runs a few concurrent deletes on it; false if the disk crashed before it was done.
private func live(_ disk: MemoryFileSystem, _ witness: Witness, name: String) async -> Bool {
    guard let log = try? await AuditLog.open(folder: "audit", options: .memory(disk, rotateBytes: 3000)) else {
        return false
    }
    for intent in log.recovery.openIntents { await log.recovered(intent, result: .unknown) }
    await withTaskGroup { group in
        for index in 0..<4 {
            group.addTask {
                await witness.delete(log, "\(name)-\(index)a")
                await witness.deny(log, "\(name)-\(index)d")
                await witness.delete(log, "\(name)-\(index)b")
            }
        }
    }
    await log.close()
    return !disk.hasCrashed
}

/// What a start finds: opens the log once more, checks, and closes it.
private func inspect(_ disk: MemoryFileSystem, _ witness: Witness, _ context: String) async throws {
    let log = try await AuditLog.open(folder: "audit", options: .memory(disk))
    try witness.check(disk, open: log.recovery.openIntents, context)
    await log.close()
}

@Suite("Crashes")
struct CrashTests {
    @Test("after a crash at any step nothing acknowledged is missing and the chain verifies", arguments: 0..<6)
    func everyStep(seed: UInt64) async throws {
        var random = SeededGenerator(seed)
        var step = 1
        while true {
            let disk = MemoryFileSystem()
            disk.crash(after: step)
            let witness = Witness()
            let isDone = await live(disk, witness, name: "x")
            let after = disk.rebooted(&random)
            try await inspect(after, witness, "seed \(seed), crash at step \(step)")
            if isDone { break }
            step += 1
        }
        #expect(step > 50)
    }

    @Test("a log that crashes many times in a row keeps its promises over all its lives", arguments: 0..<30)
    func manyLives(seed: UInt64) async throws {
        var random = SeededGenerator(1000 + seed)
        var disk = MemoryFileSystem()
        let witness = Witness()
        for life in 0..<8 {
            disk.crash(after: Int.random(in: 1...180, using: &random))
            _ = await live(disk, witness, name: "life\(life)")
            disk = disk.rebooted(&random)
        }
        try await inspect(disk, witness, "seed \(seed)")
    }

    @Test("calls that fail in between cost refusals, never a record", arguments: 0..<60)
    func faults(seed: UInt64) async throws {
        var random = SeededGenerator(2000 + seed)
        let disk = MemoryFileSystem()
        let clock = HandClock()
        let witness = Witness()
        let log = try await AuditLog.open(folder: "audit", options: .memory(disk, clock: clock, rotateBytes: 3000))
        for round in 0..<12 {
            disk.set(Self.randomFaults(&random))
            await withTaskGroup { group in
                for index in 0..<4 { group.addTask { await witness.delete(log, "\(round)-\(index)") } }
            }
            disk.set([])
            clock.advance(.seconds(3))
            log.wake()
            try await eventually("the log is written to its end") {
                log.status.health == .ready && log.status.waiting == 0
            }
        }
        #expect(log.status.openIntents == 0)
        await log.close()
        let facts = witness.facts.withLock { $0 }
        #expect(facts.sent.count + facts.refused.count == 48)
        let after = disk.rebooted(&random)
        try await inspect(after, witness, "seed \(seed)")
        var results: [String: String] = [:]
        try AuditReader(folder: "audit", fileSystem: after).rows { row in
            results[row.call.id] = row.result
            return true
        }
        for id in facts.sent.keys { #expect(results[id] == "deleted") }
        for id in facts.refused { #expect(results[id] == nil, "a refused delete left no trace") }
    }

    private static func randomFaults(_ random: inout SeededGenerator) -> [MemoryFileSystem.Fault] {
        let operations = [
            "write", "sync", "stat", "open", "reserve", "syncFolder", "truncate", "read", "fstat", "list",
        ]
        return (0..<Int.random(in: 1...3, using: &random)).map { _ in
            let operation = operations.randomElement(using: &random) ?? "write"
            let partial = operation == "write" ? Int.random(in: 0...900, using: &random) : 0
            let code: Int32 = Bool.random(using: &random) ? 28 : 5
            return MemoryFileSystem.Fault(
                operation: operation, code: code, partial: partial, count: Int.random(in: 1...4, using: &random))
        }
    }
}
