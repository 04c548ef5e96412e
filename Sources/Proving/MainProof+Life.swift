// A pause that Bentley asks for, the proxy's end, and the log that it leaves.

import Audit
import Configuration
import Glibc
import Ground
import HTTPTypes
import Simulator

extension MainProof {
    /// Each caller meets one 429, all of them at once: they share the one pause.
    func provePauses() async {
        let wait = promised.rate.maxWait
        for (number, caller) in world.callers.enumerated() where call(for: caller, number) == nil {
            table.add(.pauseIsAbsorbed, caller.name, ProvenCaller.mayNotRead)
        }
        let some = world.callers.enumerated().compactMap { number, caller in
            call(for: caller, number).map { (number, caller, $0) }
        }
        if promised.rate.observe || wait < .seconds(3) {
            let why =
                promised.rate.observe
                ? "rate.observe = true: tools see every 429, and have to wait for themselves"
                : "rate.max_wait is below 3 s: tools see most 429s, and have to wait for themselves"
            for (_, caller, _) in some { table.add(.pauseIsAbsorbed, caller.name, .notApplicable(why)) }
            return
        }
        // Each of their own 429s closes the gate for all: with many, that would take too long.
        let first = some.prefix(Self.mostPauses)
        for (number, _, _) in first {
            world.simulator.inject(
                .rateLimited(retryAfter: "1"), where: RequestFilter(target: "prove=pause-\(number)"))
        }
        let before = world.simulator.counters.rateLimited
        await withTaskGroup(of: Void.self) { group in
            for (number, caller, call) in first {
                group.addTask { table.add(.pauseIsAbsorbed, caller.name, await absorbed(number, caller, call)) }
            }
            for _ in 0..<100 where world.simulator.counters.rateLimited == before && !Task.isCancelled {
                try? await Task.sleep(for: .milliseconds(5))
            }
            for (number, caller, call) in some.dropFirst(Self.mostPauses) {
                group.addTask { table.add(.pauseIsAbsorbed, caller.name, await waitedOut(number, caller, call)) }
            }
        }
    }

    private static let mostPauses = 3

    /// It comes while the pause holds.
    private func waitedOut(_ number: Int, _ caller: ProvenCaller, _ call: ProofCall) async -> Verdict {
        let began = ContinuousClock.now
        let answer = await world.send(call, as: caller, id: "prove-pause-\(number)")
        let took = (ContinuousClock.now - began).shortText
        return answer.status == 200
            ? .pass("\(call.operation) came while another's 429 held, and was answered 200 after \(took)")
            : .fail("\(call.operation) came while another's 429 held, and was answered \(answer.shown)")
    }

    private func call(for caller: ProvenCaller, _ number: Int) -> ProofCall? {
        caller.first(forwarded(calls(caller).cachedReads))?.with("prove=pause-\(number)")
    }

    private func absorbed(_ number: Int, _ caller: ProvenCaller, _ call: ProofCall) async -> Verdict {
        let id = "prove-pause-\(number)"
        let began = ContinuousClock.now
        let answer = await world.send(call, as: caller, id: id)
        let took = ContinuousClock.now - began
        let times = world.arrived(id).map(\.time)
        guard answer.status == 200 else { return .fail("\(call.operation) met a 429 and was answered \(answer.shown)") }
        guard times.count == 2, times[1] - times[0] >= .milliseconds(950) else {
            return .fail(
                "\(call.operation) was sent \(times.count) times, not again after the second that Bentley told")
        }
        return .pass("\(call.operation) met a 429 that told 1 s, and was answered 200 after \(took.shortText)")
    }

    /// What runs when the end begins is finished.
    func proveDrain() async {
        guard promised.shutdown.drainTimeout >= .seconds(1) else {
            table.add(
                .drainLosesNothing,
                .notApplicable("shutdown.drain_timeout is below 1 s: what runs longer is broken off"))
            return
        }
        let readers = world.callers.compactMap { caller in
            caller.first(forwarded(calls(caller).cachedReads)).map { (caller, $0) }
        }
        guard !readers.isEmpty else {
            return table.add(.drainLosesNothing, .notApplicable("no caller may read: there is nothing to lose"))
        }
        let count = drainedCalls
        world.simulator.inject(.executeThenHang, where: RequestFilter(target: "prove=drain"), times: count)
        let (answers, running) = await withTaskGroup(of: (String, ProofAnswer).self) { group in
            for number in 0..<count {
                let (caller, call) = readers[number % readers.count]
                let id = "prove-drain-\(number)"
                group.addTask { (id, await world.send(call.with("prove=drain-\(number)"), as: caller, id: id)) }
            }
            for _ in 0..<100 where !Task.isCancelled {
                if world.simulator.recorded(RequestFilter(target: "prove=drain")).count >= count { break }
                try? await Task.sleep(for: .milliseconds(10))
            }
            // What a limit holds back is refused at the end, which loses nothing.
            let running = Set(
                world.simulator.recorded(RequestFilter(target: "prove=drain")).compactMap {
                    $0[header: "x-correlation-id"]
                })
            async let drained = world.drain()
            // They are answered when the end has begun, and not before.
            try? await Task.sleep(for: min(.seconds(1), promised.upstream.firstByteTimeout / 3))
            world.simulator.clearFaults()
            world.simulator.releaseHeld()
            if await !drained { table.add(.drainLosesNothing, .fail("the drain was cut short")) }
            return (await group.reduce(into: [(String, ProofAnswer)]()) { $0.append($1) }, running)
        }
        let judged = answers.filter { running.contains($0.0) }.map(\.1)
        guard !judged.isEmpty else {
            return table.add(
                .drainLosesNothing, .fail("no read was under way when the end began: \(answers[0].1.shown)"))
        }
        let lost = judged.filter { $0.status != 200 || !$0.isWhole }
        table.add(
            .drainLosesNothing,
            lost.isEmpty
                ? .pass("\(judged.count) reads under way at the end were all answered")
                : .fail("of \(judged.count) reads under way, \(lost.count) were lost: \(lost[0].shown)"))
    }

    /// As many as the configuration carries at once.
    private var drainedCalls: Int {
        max(1, min(6, promised.rate.maxInFlight, promised.upstream.maxConnections, promised.listen.maxConnections))
    }

    /// It is whole, and a changed byte shows.
    func proveLog() {
        let folder = world.auditFolder
        do throws(AuditReadFailure) {
            let verification = try AuditReader(folder: folder).verify()
            guard verification.isIntact else {
                let why = verification.findings.map(\.description).joined(separator: "; ")
                return table.add(.logVerifies, .fail(why))
            }
            guard Self.changeByte(in: folder) else {
                return table.add(.logVerifies, .fail("no byte of it could be changed to see that this shows"))
            }
            let isStillIntact = try AuditReader(folder: folder).verify().isIntact
            table.add(
                .logVerifies,
                isStillIntact
                    ? .fail("a changed byte does not show")
                    : .pass("\(verification.records) records, and one changed byte shows"))
        } catch {
            table.add(.logVerifies, .fail("the log cannot be read: \(error.description)"))
        }
    }

    /// In the middle of its first file, whose own proof it is: the folder goes with it.
    private static func changeByte(in folder: String) -> Bool {
        guard let name = PrivateFolder.names(in: folder).first(where: { $0.hasPrefix("audit-") }) else { return false }
        let file = open("\(folder)/\(name)", O_RDWR | O_NOFOLLOW | O_CLOEXEC)
        guard file >= 0 else { return false }
        defer { close(file) }
        let middle = lseek(file, 0, SEEK_END) / 2
        var byte: UInt8 = 0
        guard middle > 0, pread(file, &byte, 1, middle) == 1 else { return false }
        byte = byte == 0x30 ? 0x31 : 0x30
        return pwrite(file, &byte, 1, middle) == 1
    }
}

extension Duration {
    /// Seconds with one decimal.
    var shortText: String {
        let tenths = components.seconds * 10 + components.attoseconds / 100_000_000_000_000_000
        return "\(tenths / 10).\(tenths % 10) s"
    }
}
