// Calls that are carried out once: starts of runs, and what brings an Idempotency-Key. The one that leads goes the way of all
// calls; the others wait here, and get its answer.

import Audit
import ClashAPI
import CurlTransport
import Edge
import Ground
import HTTPTypes
import RateLimiting

extension RequestFlow {
    /// Carries the call out, or answers it with what came of the one that it is the same as. Calls that may be carried out as
    /// often as they come are, without a lead.
    ///
    /// - Parameter deadline: of its wait for a turn, and of its wait for another request with the same key.
    func once(
        _ call: UpstreamCall, _ visit: Visit, until deadline: ContinuousClock.Instant,
        _ carryOut: (UpstreamCall, OnceLead?) async throws(FlowExit) -> Void
    ) async throws(FlowExit) {
        guard let asked = try onceCall(call, visit) else { return try await carryOut(call, nil) }
        while true {
            switch onlyOnce.enter(asked) {
            case .lead(let lead): return try await leading(lead, call, visit, until: deadline, carryOut)
            case .settle(let lead): return try await settleAgain(lead, call, visit)
            case .refused(let failure):
                if failure.reason == .idempotencyKeyReused { traffic.repeated("reused") }
                throw .failed(failure)
            case .replay(let answer, let firstID):
                visit.progress.note(.replayed(of: firstID))
                traffic.repeated("replayed")
                return try await relay(.again(answer, .replayed), call, visit)
            case .wait(let end):
                let outcome = try await wait(for: end, until: deadline, visit)
                guard let outcome else {
                    traffic.repeated("in_progress")
                    throw .failed(.requestInProgress)
                }
                visit.progress.note(.replayed(of: end.id))
                if try await answer(outcome, .replayed, call, visit) { return }
            case .join(let end, let own):
                // Who says how long it waits is told when that is over; who says nothing waits for the answer, however long.
                let limit = call.turn.wait == nil ? nil : deadline
                if try await join(end, own, until: limit, call, visit) { return }
            }
            try visit.checkAnew()
        }
    }

    /// Nil for calls that may be carried out as often as they come.
    private func onceCall(_ call: UpstreamCall, _ visit: Visit) throws(FlowExit) -> OnceCall? {
        let isStart = call.match.operation.countsAsRun && call.match.operationClass == .run
        guard isStart || visit.fields.contains(.idempotencyKey) else { return nil }
        var body: [UInt8] = []
        if case .bytes(let bytes) = call.body { body = bytes }
        let key: CallKey?
        do throws(Failure) {
            key = try CallKey.of(visit, call.match, body: body)
        } catch {
            throw .failed(error)
        }
        guard isStart || key != nil else { return nil }
        let join = isStart ? StartBook.Join(visit, call.match, body: body) : nil
        return OnceCall(
            key: key, join: join, start: RunStart(call.match, body: body), id: visit.correlationID)
    }

    // MARK: The one that leads

    private func leading(
        _ lead: OnceLead, _ call: UpstreamCall, _ visit: Visit, until deadline: ContinuousClock.Instant,
        _ carryOut: (UpstreamCall, OnceLead?) async throws(FlowExit) -> Void
    ) async throws(FlowExit) {
        do throws(FlowExit) {
            var call = call
            if let start = lead.call.start {
                lead.know(try await runs(before: start, call, visit), at: environment.now())
                call.turn.wait = max(deadline - environment.now(), .zero)
            }
            try await carryOut(call, lead)
        } catch {
            await onlyOnce.notDone(lead)
            throw error
        }
        await onlyOnce.notDone(lead)
    }

    /// The runs that there are before a start: one read in the name of its caller. What fails of it stops no start.
    private func runs(
        before start: RunStart, _ call: UpstreamCall, _ visit: Visit
    ) async throws(FlowExit) -> KnownRuns? {
        let asked = environment.now()
        defer { visit.progress.spent(.audit, from: asked, to: environment.now()) }
        var reading = call.reading(start.listTarget)
        for field in start.readFields { reading.request.fields[field.name] = field.value }
        reading.request.firstByteTimeout = min(reading.request.firstByteTimeout, Self.patience)
        reading.request.stallTimeout = min(reading.request.stallTimeout, Self.patience)
        let progress = CallProgress()
        do throws(FlowExit) {
            var permit = try await sender.turn(reading, progress)
            let credential = try await sender.credential(reading, progress)
            let response = try await sender.deliver(reading, credential, &permit, progress) { () throws(FlowExit) in
                try visit.checkAnew()
            }
            let bytes = try await response.body.readAhead(reading.traits, atMost: ObjectReader.maxPageBytes)
            permit.release()
            guard response.status == .ok, response.body.endIsProven, let page = RunPage(bytes, start.version) else {
                response.body.cancel()
                return nil
            }
            let date = response.fields[.date].flatMap { HTTPDate.seconds($0) }
            return KnownRuns(page, before: start, date: date)
        } catch {
            if case .callerLeft = error { throw error }
            return nil
        }
    }

    /// What the read of a list brings is here by then, or not at all.
    private static let patience = Duration.seconds(5)

    /// The last word before the call is sent. What fails here was not sent.
    func bind(_ lead: OnceLead?, _ progress: CallProgress) async throws(FlowExit) {
        guard let lead else { return }
        let asked = environment.now()
        defer { progress.spent(.audit, from: asked, to: environment.now()) }
        do throws(Failure) {
            try await onlyOnce.bind(lead)
        } catch {
            throw .failed(error)
        }
    }

    // MARK: What came of it

    /// Upstream has answered a call that is carried out once.
    func concluded(
        _ response: UpstreamResponse, _ body: [UInt8], _ run: StartedRuns.Token?, _ call: UpstreamCall, _ visit: Visit,
        _ entry: AuditEntry?, _ lead: OnceLead
    ) async throws(FlowExit) -> Answer {
        let (status, progress) = (response.status.code, visit.progress)
        // A gateway that gave up waiting (408) does not know what became of it either.
        guard (200..<300).contains(status) || (400..<500).contains(status) && status != 408 else {
            if lead.call.isStart {
                await response.discard()
                return try await settleStart(
                    lead, call, visit, entry, status: status, otherwise: .startUnknown(detail: "status \(status)"))
            }
            await close(entry, status: status, progress)
            onlyOnce.unknown(lead, .keyedUnknown)
            return .upstream(response, beginning: body, startedRun: run)
        }
        let asked = environment.now()
        defer { progress.spent(.audit, from: asked, to: environment.now()) }
        await close(entry, status: status, progress)
        // More than was read ahead is more than is kept.
        let isWhole = body.count <= KeptAnswer.mostBytes
        let kept = KeptAnswer(status: status, fields: response.fields, body: isWhole ? body : nil)
        await onlyOnce.answered(lead, kept)
        return .upstream(response, beginning: body, startedRun: run)
    }

    /// A call that is carried out once brought no answer for its tool.
    func concluded(
        _ error: FlowExit, _ call: UpstreamCall, _ visit: Visit, _ entry: AuditEntry?, _ lead: OnceLead
    ) async throws(FlowExit) -> Answer {
        let (facts, asked) = (visit.facts, environment.now())
        guard facts.wasSent else {
            if let audit, let entry { await audit.notSent(entry, attempts: facts.attempts) }
            visit.progress.spent(.audit, from: asked, to: environment.now())
            await onlyOnce.notDone(lead)
            throw error
        }
        // Upstream did answer, and not that it was done: it refused the token and no other was to be had, it refused the call
        // for too long, or its refusal broke off.
        if let status = facts.lastStatus {
            if let audit, let entry {
                await audit.close(entry, .refusedUpstream, status: status, attempts: facts.attempts)
            }
            visit.progress.spent(.audit, from: asked, to: environment.now())
            await onlyOnce.notDone(lead)
            throw error
        }
        var otherwise = Failure.startUnknown(detail: "")
        if case .failed(let failure) = error { otherwise.detail = failure.detail }
        if lead.call.isStart {
            return try await settleStart(lead, call, visit, entry, status: nil, otherwise: otherwise)
        }
        await close(entry, status: nil, visit.progress)
        onlyOnce.unknown(lead, .keyedUnknown)
        throw error
    }

    /// The outcome of a recorded call, as its status says it.
    private func close(_ entry: AuditEntry?, status: Int?, _ progress: CallProgress) async {
        guard let audit, let entry else { return }
        let attempts = progress.facts.attempts
        guard let status else { return await audit.close(entry, .unknown, status: nil, attempts: attempts) }
        await audit.answered(entry, status: status, attempts: attempts)
    }

    /// A start was sent, and nobody knows whether it began a run: the runs of its test may tell.
    private func settleStart(
        _ lead: OnceLead, _ call: UpstreamCall, _ visit: Visit, _ entry: AuditEntry?, status: Int?,
        otherwise: Failure
    ) async throws(FlowExit) -> Answer {
        let asked = environment.now()
        defer { visit.progress.spent(.audit, from: asked, to: environment.now()) }
        let fate = await fate(of: lead, call, visit)
        if let audit, let entry {
            await audit.close(
                entry, fate.isStarted ? .started : .unknown, status: status, attempts: visit.facts.attempts)
        }
        return try await settled(lead, fate, call, visit, otherwise: otherwise)
    }

    private func fate(of lead: OnceLead, _ call: UpstreamCall, _ visit: Visit) async -> StartFate {
        let reading = Reading(
            correlationID: visit.correlationID, caller: call.caller.name, authorization: call.authorization,
            token: call.turn.token, trace: call.trace)
        let (onlyOnce, settler) = (onlyOnce, settler)
        // The tool may have left, and its start is to be settled all the same.
        return await settler.reader.settling.run {
            await settler.settle(lead, reading) { onlyOnce.isCrowded(lead) }
        }
    }

    /// Answers with what the runs of the test have shown.
    private func settled(
        _ lead: OnceLead, _ fate: StartFate, _ call: UpstreamCall, _ visit: Visit, otherwise: Failure
    ) async throws(FlowExit) -> Answer {
        switch fate {
        case .started(let row):
            guard let kept = KeptAnswer(lead, row, settler) else {
                preconditionFailure("a run is found for a start only")
            }
            let run = await reads?.cache.invalidateEverywhere(after: call.match, status: nil)
            await onlyOnce.answered(lead, kept)
            visit.progress.note(.foundRun(row.id))
            traffic.settledStart("started")
            return .again(kept, .settled, startedRun: run)
        case .unknown(let words):
            let failure = otherwise.seeing(words)
            onlyOnce.unknown(lead, failure)
            traffic.settledStart("unknown")
            throw .failed(failure)
        }
    }

    // MARK: The others

    /// A request whose key is bound to a call of which nobody knows what came of it: it is never sent again.
    private func settleAgain(_ lead: OnceLead, _ call: UpstreamCall, _ visit: Visit) async throws(FlowExit) {
        visit.progress.note(.replayed(of: lead.call.id))
        guard lead.call.isStart else {
            onlyOnce.unknown(lead, .keyedUnknown)
            throw .failed(.keyedUnknown)
        }
        let answer = try await settled(
            lead, await fate(of: lead, call, visit), call, visit, otherwise: .startUnknown(detail: "retry"))
        try await relay(answer, call, visit)
    }

    /// Waits for the answer of the same start; false: it was not carried out, and the next one may lead.
    ///
    /// - Parameter own: holds the key that it brings, where the other start has none.
    private func join(
        _ end: CallEnd, _ own: OnceLead?, until deadline: ContinuousClock.Instant?, _ call: UpstreamCall, _ visit: Visit
    ) async throws(FlowExit) -> Bool {
        visit.progress.note(.joined(end.id))
        traffic.repeated("joined")
        let outcome: CallOutcome
        do throws(FlowExit) {
            if let own { try await bind(own, visit.progress) }
        } catch {
            if let own { await onlyOnce.notDone(own) }
            throw error
        }
        do throws(FlowExit) {
            guard let ended = try await wait(for: end, until: deadline, visit) else {
                traffic.repeated("in_progress")
                throw .failed(own == nil ? .startInProgress : .requestInProgress)
            }
            outcome = ended
        } catch {
            // Its tool has left, or waits no longer; its key belongs to the other call all the same.
            if let own { onlyOnce.follow(own, end) }
            throw error
        }
        if let own { await onlyOnce.follow(own, outcome) }
        return try await answer(outcome, .joined, call, visit)
    }

    /// Nil when the deadline came first.
    private func wait(
        for end: CallEnd, until deadline: ContinuousClock.Instant?, _ visit: Visit
    ) async throws(FlowExit) -> CallOutcome? {
        let asked = environment.now()
        defer { visit.progress.waitedForTurn(from: asked, to: environment.now(), isOver: false) }
        let outcome = await end.wait(until: deadline, environment.time)
        if outcome == nil, Task.isCancelled { throw .callerLeft }
        return outcome
    }

    /// Gives what came of another request's call; false: nothing did.
    private func answer(
        _ outcome: CallOutcome, _ verdict: CacheVerdict, _ call: UpstreamCall, _ visit: Visit
    ) async throws(FlowExit) -> Bool {
        switch outcome {
        case .answered(let answer):
            if verdict == .replayed { traffic.repeated("replayed") }
            try await relay(.again(answer, verdict), call, visit)
            return true
        case .failed(let failure): throw .failed(failure)
        case .notDone: return false
        }
    }

    /// Brings an answer to the tool that is here already.
    func relayAgain(
        _ kept: KeptAnswer, _ verdict: CacheVerdict, _ run: StartedRuns.Token?, _ call: UpstreamCall, _ visit: Visit
    ) async throws(FlowExit) {
        let response = kept.response(isReplay: verdict == .replayed || kept.body == nil)
        var body = RelayedBody(response.body)
        if let run { body.listener = reads?.cache.runs.listener(run) }
        if verdict == .settled { visit.record.detail = "settled by a read" }
        try await relay.run(response, call, visit, verdict, body: body)
    }
}

extension StartBook.Join {
    fileprivate init(_ visit: Visit, _ match: OperationMatch, body: [UInt8]) {
        self.init(hash: CallKey.owner(visit.admission) + "\u{1F}" + CallKey.fingerprint(visit, match, body))
    }
}

extension Failure {
    /// A call with a key that is no start, of which nobody knows what came of it.
    fileprivate static let keyedUnknown: Failure = {
        var failure = Failure(
            .outcomeUnknown,
            "The first request with this Idempotency-Key was sent and no answer came that tells what was done. It is not "
                + "sent again: look at what it was about, and make a new call with a new key if that is needed.",
            target: "Idempotency-Key")
        failure.wasSent = true
        return failure
    }()
}
