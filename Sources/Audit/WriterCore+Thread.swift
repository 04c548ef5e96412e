// The writer's thread: carries out the state's orders, one after the other, and tells those who wait.

import Ground
import Synchronization

extension WriterCore {
    /// Carries out the state's orders until it says `finish`; the checkpoint is looked after in between.
    func run(_ chain: inout ChainWriter, _ checkpoints: inout CheckpointWriter) {
        var notes: [String] = []
        var isBroken = false
        while true {
            tellHealth(&isBroken)
            let now = options.now()
            if checkpoints.look(chain.tree, now: now) {
                shared.withLock { $0.status.noted = chain.head }
            }
            let work = shared.withLock { shared in
                let work = shared.state.next(now: now)
                if case .wait = work { shared.isSleeping = true } else { shared.isSleeping = false }
                return work
            }
            switch work {
            case .write(let batch): write(batch, &chain)
            case .repair: repair(&chain, &notes)
            case .probe: probe(&chain)
            case .wait(let until): bell.wait(atMost: now.duration(to: min(until ?? checkpoints.due, checkpoints.due)))
            case .finish: return checkpoints.end(chain.tree)
            }
        }
    }

    private func tellHealth(_ isBroken: inout Bool) {
        let health = status.health
        switch (health, isBroken) {
        case (.broken, false), (.ready, true):
            isBroken.toggle()
            options.healthChanged(health)
        case (.broken, true), (.ready, false), (.closed, _): break
        }
    }

    private func write(_ batch: [WriterEntry], _ chain: inout ChainWriter) {
        do throws(AuditUnavailable) {
            let batch = try makeRoom(for: batch, &chain)
            guard !batch.isEmpty else { return }
            let first = chain.head.seq + 1
            try chain.append(batch.map(\.draft))
            publish(chain, records: batch.count) { $0.wrote(first: first) }
        } catch {
            fail(error)
        }
    }

    private func makeRoom(
        for batch: [WriterEntry], _ chain: inout ChainWriter
    ) throws(AuditUnavailable) -> [WriterEntry] {
        let bytes = batch.reduce(0) { $0 + $1.draft.maxBytes }
        do throws(FileFailure) {
            try chain.prepare(bytes: bytes)
        } catch {
            throw AuditUnavailable(error)
        }
        guard batch.contains(where: \.draft.event.permits) else { return batch }
        guard let trouble = lackOfSpace(bytes, &chain) else {
            settle {
                $0.hasSpace()
                return []
            }
            return batch
        }
        let now = options.now()
        var rest: [WriterEntry] = []
        settle { state in
            let (batch, settlements) = state.lacksSpace(trouble, now: now)
            rest = batch
            return settlements
        }
        return rest
    }

    private func probe(_ chain: inout ChainWriter) {
        let trouble = lackOfSpace(0, &chain)
        let now = options.now()
        settle { state in
            if let trouble { return state.lacksSpace(trouble, now: now).settlements }
            state.hasSpace()
            return []
        }
    }

    private func lackOfSpace(_ bytes: Int, _ chain: inout ChainWriter) -> AuditUnavailable? {
        do throws(FileFailure) {
            try chain.reserve(bytes: bytes)
            return nil
        } catch {
            return AuditUnavailable(error)
        }
    }

    /// The log counts as repaired when a record that says so is durable.
    private func repair(_ chain: inout ChainWriter, _ notes: inout [String]) {
        let (trouble, lost) = shared.withLock { shared -> (String, Int) in
            guard case .broken(let breakage) = shared.state.phase else { return ("", shared.state.lostDenials) }
            return (breakage.trouble.detail, shared.state.lostDenials)
        }
        do throws(AuditUnavailable) {
            for note in try chain.repair() where !notes.contains(note) { notes.append(note) }
            var told = ["\(options.software) goes on after: \(trouble)"] + notes
            if lost > 0 { told.append("\(lost) denials were not recorded") }
            let draft = RecordDraft.lifecycle(.opened, reason: told.joined(separator: "; "))
            _ = try makeRoom(for: [WriterEntry(id: 0, draft: draft)], &chain)
            try chain.append([draft])
            notes = []
            publish(chain, records: 1) { state in
                state.repaired(noted: lost)
                return []
            }
        } catch {
            fail(error)
        }
    }

    private func fail(_ trouble: AuditUnavailable) {
        let now = options.now()
        shared.withLock { $0.status.failures += 1 }
        settle { $0.failed(trouble, now: now) }
    }

    private func publish(
        _ chain: borrowing ChainWriter, records: Int, _ change: (inout WriterState) -> [WriterState.Settlement]
    ) {
        let (head, file) = (chain.head, chain.place?.file.text ?? "")
        shared.withLock { shared in
            shared.status.head = head
            shared.status.file = file
            shared.status.records += UInt64(records)
            shared.status.batches += 1
        }
        options.wrote(head)
        settle(change)
    }

    /// Changes the state and tells those who waited for it.
    private func settle(_ change: (inout WriterState) -> [WriterState.Settlement]) {
        let told = shared.withLock { shared in
            change(&shared.state).compactMap { settlement in
                shared.waiters.removeValue(forKey: settlement.id).map { ($0, settlement.verdict) }
            }
        }
        for (waiter, verdict) in told { waiter.resume(returning: verdict) }
    }
}
