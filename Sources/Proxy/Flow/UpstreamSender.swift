// Brings one call upstream and its answer's head back: a turn at the gate, a token, the tries that are surely harmless.
// The flow of a single request and the fetch of a shared page both walk this way.

import ClashAPI
import CurlTransport
import HTTPTypes
import NIOCore
import RateLimiting
import Tokens

/// What it takes to send calls upstream, wired once. Usable from every thread.
struct UpstreamSender: Sendable {
    let settings: UpstreamSettings
    let transport: CurlTransport
    let credentials: Credentials
    let gate: InFlightGate
    let retries: RetryPolicy
    let environment: Environment
    private let authorization = AuthorizationField()

    init(
        settings: UpstreamSettings, transport: CurlTransport, credentials: Credentials, gate: InFlightGate,
        retries: RetryPolicy, environment: Environment
    ) {
        self.settings = settings
        self.transport = transport
        self.credentials = credentials
        self.gate = gate
        self.retries = retries
        self.environment = environment
    }

    /// A place among the calls that may be under way; `wait` is the tool's own limit.
    func turn(_ progress: CallProgress, wait: Duration?) async throws(FlowExit) -> Permit {
        if let permit = gate.tryEnter() { return permit }
        let asked = environment.now()
        defer { progress.facts.queueTime = environment.now() - asked }
        do throws(GateRefusal) {
            return try await gate.enter(wait: wait)
        } catch {
            switch error {
            case .cancelled: throw .callerLeft
            case .queueFull(let wait): throw .failed(.busy(.queueFull, wait))
            case .deadline(let wait): throw .failed(.busy(.rateLimited, wait))
            }
        }
    }

    func credential(_ progress: CallProgress) async throws(FlowExit) -> CallCredential {
        guard case .own(let tokens) = credentials else { return .tool }
        if let token = tokens.currentIfUsable() { return .own(token) }
        let asked = environment.now()
        defer { progress.facts.tokenTime += environment.now() - asked }
        do throws(TokenFailure) {
            return .own(try await tokens.current())
        } catch {
            if Task.isCancelled { throw .callerLeft }
            throw .failed(Failure(error))
        }
    }

    /// Sends the call, again where that is surely harmless, and returns the answer that the tool gets.
    ///
    /// - Parameter body: where a body that still arrives comes from.
    func send(
        _ call: UpstreamCall, _ progress: CallProgress, _ first: CallCredential, body: Exchange? = nil
    ) async throws(FlowExit) -> UpstreamResponse {
        var credential = first
        var mayReplaceToken = true
        var tries = 0
        retries.budget.recordCall()
        while true {
            let response: UpstreamResponse
            switch await attempt(call, progress, credential, body) {
            case .success(let answered): response = answered
            case .failure(let failure):
                switch failure.verdict(call.traits) {
                case .callerLeft: throw .callerLeft
                case .fail(let final): throw .failed(body?.bodyFailure ?? final)
                case .retry(let otherwise):
                    guard await retries.allows(&tries) else { throw .failed(otherwise) }
                    continue
                }
            }
            if response.status == .unauthorized, mayReplaceToken, case .own(let token) = credential {
                mayReplaceToken = false
                // Also where this call can not be repeated: the next one needs a token that works.
                if let newer = try await replacement(for: token, progress), call.traits.bodyIsReplayable {
                    credential = .own(newer)
                    await response.discard()
                    continue
                }
            } else if call.traits.isSafe, retries.isWorthRepeating(response), await retries.allows(&tries) {
                await response.discard()
                continue
            }
            return response
        }
    }

    /// One attempt. A body that still arrives is pumped alongside.
    private func attempt(
        _ call: UpstreamCall, _ progress: CallProgress, _ credential: CallCredential, _ body: Exchange?
    ) async -> Result<UpstreamResponse, TransferFailure> {
        var request = call.request
        if case .own(let token) = credential {
            request.fields[.authorization] = nil
            request.fields.append(authorization.field(for: token))
        }
        let pump = body.flatMap { RequestBodyReader.startPump($0, call.body, into: &request) }
        defer { pump?.cancel() }
        progress.facts.attempts += 1
        let asked = environment.now()
        defer { progress.facts.upstreamTime += environment.now() - asked }
        do throws(TransferFailure) {
            let response = try await transport.execute(request)
            progress.facts.wasSent = true
            progress.facts.upstreamID = Self.foreignID(response.fields, request.fields)
            return .success(response)
        } catch {
            progress.facts.wasSent = progress.facts.wasSent || error.sent
            return .failure(error)
        }
    }

    /// Upstream's id where it is not the one that was sent: support asks for it, so it is logged.
    private static func foreignID(_ fields: HTTPFields, _ sent: HTTPFields) -> String? {
        guard let id = fields[.correlationID], id != sent[.correlationID] else { return nil }
        return CorrelationID.isAcceptable(id) ? id : nil
    }

    /// After a 401: a token that is not the refused one, or nil when the 401 is the tool's to see.
    private func replacement(
        for token: UpstreamToken, _ progress: CallProgress
    ) async throws(FlowExit) -> UpstreamToken? {
        guard case .own(let tokens) = credentials else { return nil }
        let asked = environment.now()
        defer { progress.facts.tokenTime += environment.now() - asked }
        do throws(TokenFailure) {
            return try await tokens.refused(token)
        } catch {
            if Task.isCancelled { throw .callerLeft }
            throw .failed(Failure(error))
        }
    }
}
