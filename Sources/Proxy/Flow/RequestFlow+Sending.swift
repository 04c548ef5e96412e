// A call is sent, and what came of it is found out and written down before its tool hears of it.

import Audit
import ClashAPI
import CurlTransport
import Ground
import HTTPTypes
import RateLimiting

extension RequestFlow {
    /// Sends the call. Before anything of the answer goes to the tool, the cache has dropped what is not true any more,
    /// the outcome of a recorded call is durable, and so is the answer of one that is carried out once only.
    func send(
        _ call: UpstreamCall, _ visit: Visit, _ credential: CallCredential, _ permit: inout Gate.Permit,
        _ entry: AuditEntry?, _ lead: OnceLead?
    ) async throws(FlowExit) -> Answer {
        let progress = visit.progress
        let response: UpstreamResponse
        var beginning: [UInt8] = []
        do throws(FlowExit) {
            try await bind(lead, progress)
            if call.match.operationClass != .read { await reads?.cache.willWrite(call.match) }
            response = try await sender.deliver(call, credential, &permit, progress) { () throws(FlowExit) in
                try visit.checkAnew()
            }
            if entry != nil || lead != nil { beginning = try await whole(response, call, progress) }
            if lead != nil { try await checkEnd(of: beginning, response, call, progress) }
        } catch {
            if progress.facts.wasSent {
                await reads?.cache.invalidateEverywhere(after: call.match, status: progress.facts.lastStatus)
            }
            if let lead { return try await concluded(error, call, visit, entry, lead) }
            guard let audit, let entry else { throw error }
            return try await settle(error, call, entry, audit, progress)
        }
        let run = await reads?.cache.invalidateEverywhere(after: call.match, status: response.status.code)
        if let lead { return try await concluded(response, beginning, run, call, visit, entry, lead) }
        guard let audit, let entry else { return .upstream(response, beginning: [], startedRun: run) }
        let asked = environment.now()
        defer { progress.spent(.audit, from: asked, to: environment.now()) }
        let attempts = progress.facts.attempts
        guard await audit.answered(entry, status: response.status.code, attempts: attempts) else {
            return .upstream(response, beginning: beginning, startedRun: run)
        }
        await response.discard()
        return await settledAsDone(call)
    }

    /// The body of the answer to a recorded call, to its end. One that breaks off leaves open what became of the call, unless its head
    /// says that upstream refused it.
    func whole(
        _ answer: UpstreamResponse, _ call: UpstreamCall, _ progress: CallProgress
    ) async throws(FlowExit) -> [UInt8] {
        do throws(FlowExit) {
            return try await answer.body.readAhead(call.traits)
        } catch {
            if (400..<500).contains(answer.status.code) { throw .failed(.halfRefusal) }
            progress.facts.lastStatus = nil
            throw error
        }
    }

    /// Half an answer is none where it tells what others are to be told again.
    private func checkEnd(
        of body: [UInt8], _ answer: UpstreamResponse, _ call: UpstreamCall, _ progress: CallProgress
    ) async throws(FlowExit) {
        guard (200..<300).contains(answer.status.code), body.count < ResponseBody.mostReadAhead else { return }
        var end = BodyEnd(answer, call.match)
        await end.read(body)
        do throws(FlowExit) {
            try end.check(call.traits)
        } catch {
            progress.facts.lastStatus = nil
            throw error
        }
    }

    /// What became of a recorded call that brought no answer for its tool.
    func settle(
        _ error: FlowExit, _ call: UpstreamCall, _ entry: AuditEntry, _ audit: AuditTrail, _ progress: CallProgress
    ) async throws(FlowExit) -> Answer {
        let facts = progress.facts
        let asked = environment.now()
        defer { progress.spent(.audit, from: asked, to: environment.now()) }
        guard facts.wasSent else {
            await audit.notSent(entry, attempts: facts.attempts)
            throw error
        }
        // Upstream did answer: it refused the token and no other was to be had, or it refused the call for too long.
        if let status = facts.lastStatus {
            await audit.answered(entry, status: status, attempts: facts.attempts)
            throw error
        }
        guard case .failed(let failure) = error else {
            await audit.answered(entry, status: 0, attempts: facts.attempts)
            throw error
        }
        switch await audit.unanswered(entry, attempts: facts.attempts, otherwise: failure) {
        case .done: return await settledAsDone(call)
        case .failed(let failure): throw .failed(failure)
        }
    }

    /// What was cached while nobody knew is not true any more either.
    func settledAsDone(_ call: UpstreamCall) async -> Answer {
        await reads?.cache.invalidateEverywhere(after: call.match, status: nil)
        return .settledAsDone
    }
}
