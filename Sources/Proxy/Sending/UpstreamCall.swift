// One call of a tool, ready to be sent upstream as often as the rules allow.

import ClashAPI
import CurlTransport
import Edge
import Ground
import HTTPTypes
import RateLimiting

/// The body that goes upstream.
enum CallBody {
    case none
    /// All of it, so it can be sent again.
    case bytes([UInt8])
}

/// What is sent, without the token.
struct UpstreamCall {
    var match: OperationMatch
    let caller: Caller
    private(set) var body: CallBody
    var request: UpstreamRequest
    private(set) var traits: CallTraits
    /// The tool's own credentials, in pass-through mode.
    let authorization: HTTPField?
    /// How it asks for its turn.
    var turn: GateRequest
    /// Of the request that it is made for, or that began it; nil where nothing is traced.
    var trace: RequestTrace?
    /// Of the same request, for the log.
    let tag: RequestTag

    init(
        _ visit: Visit, match: OperationMatch, body: CallBody, settings: UpstreamSettings
    ) {
        let (head, admission) = (visit.head, visit.admission)
        self.match = match
        caller = admission.caller
        (trace, tag) = (visit.trace, visit.record.tag)
        authorization = admission.authorization
        turn = GateRequest(match, admission.caller, wait: Prefer.wait(in: head.fields))
        turn.token = admission.token
        if admission.isFairByAddress { turn.peer = visit.record.peer }
        turn.content = Self.content(head, body)
        self.body = body
        let isSafe = head.method == .get || head.method == .head || head.method == .options
        traits = CallTraits(isSafe: isSafe)
        request = UpstreamRequest(origin: settings.origin, method: head.method, target: head.target)
        request.fields = Self.fields(
            head, match: match, correlationID: visit.correlationID, via: settings.via(visit.wire.receivedProtocol))
        if let authorization { request.fields.append(authorization) }
        if case .bytes(let bytes) = body { request.body = .bytes(bytes) }
        // Repeating is the flow's business, with its budget; libcurl would do it unasked and without end.
        request.repeatable = false
        // Should upstream code a page although it was asked not to, it is decoded.
        request.decodesContent = Self.isPage(match)
        // A change that upstream has got is finished even if its tool leaves, so that its outcome is known.
        request.cancellation = match.operationClass == .read ? .always : .untilSent
        request.firstByteTimeout = settings.firstByteTimeout
        request.stallTimeout = settings.stallTimeout
    }

    /// The same call for several tools at once: a GET of the whole that is nobody's in particular. It carries what the
    /// cache's key tells apart, what names and traces the call, and nothing else of the tool that happened to come first.
    func shared() -> UpstreamCall {
        var call = self
        call.request.method = .get
        call.request.fields = request.fields.ofSharedFetch
        call.request.fields.append(OwnFields.userAgent)
        let coding = Coding.asked(by: request.fields, of: match.operation)
        call.request.fields[.acceptEncoding] = coding.rawValue
        // In pass-through mode the key knows whose it is.
        if let authorization { call.request.fields.append(authorization) }
        // Should upstream code a page although it was asked not to, it is decoded.
        call.request.decodesContent = match.operation.carriesLinks && coding == .identity
        // Each has a state of its own.
        call.trace?.state = nil
        // Each who waits has a deadline of its own.
        call.turn.wait = nil
        // Others may wait for it, and what was paid for is kept.
        call.request.cancellation = .untilSent
        return call
    }

    /// A read of one object that this call names, by the same caller and in its turn. Nothing of the call itself goes with it.
    func reading(_ target: String) -> UpstreamCall {
        var call = shared()
        call.match = ClashAPI.match(method: .get, target: target).resolve()
        call.traits = CallTraits(isSafe: true)
        call.body = .none
        call.turn = GateRequest(call.match, caller, wait: turn.wait)
        (call.turn.token, call.turn.peer) = (turn.token, turn.peer)
        call.request.target = target
        call.request.body = .none
        call.request.fields[.accept] = match.operation.version.mediaType
        call.request.fields[.acceptEncoding] = "identity"
        for name in [HTTPField.Name.contentType, .prefer] { call.request.fields[name] = nil }
        call.request.decodesContent = true
        call.request.cancellation = .always
        return call
    }

    /// A hash of what is asked for, which the same call has again. Of a long body its beginning will do.
    private static func content(_ head: RequestHead, _ body: CallBody) -> Int {
        var hasher = Hasher()
        hasher.combine(head.method)
        hasher.combine(head.target)
        if case .bytes(let bytes) = body {
            hasher.combine(bytes.count)
            hasher.combine(bytes.prefix(4096))
        }
        return hasher.finalize()
    }

    /// The tool's end-to-end fields, then ours.
    private static func fields(
        _ head: RequestHead, match: OperationMatch, correlationID: String, via: HTTPField
    ) -> HTTPFields {
        var fields = head.fields.endToEnd(dropping: .dropUpstream)
        Prefer.removeWait(from: &fields)
        OwnTag.remove(from: &fields)
        if isPage(match) {
            // Links can only be rewritten in whole, plain pages. A server may always answer so (RFC 9110, 12.5.3, 14.2).
            fields[.acceptEncoding] = "identity"
            if head.method == .get || head.method == .head {
                fields[.range] = nil
                fields[.ifRange] = nil
            }
        }
        fields[.correlationID] = correlationID
        fields.append(via)
        return fields
    }

    /// Whether the answer is known to carry links. Answers of unknown operations are taken as they come.
    private static func isPage(_ match: OperationMatch) -> Bool {
        match.isKnown && match.operation.carriesLinks
    }
}

/// What the configuration says about calls upstream.
struct UpstreamSettings: Sendable {
    let origin: Origin
    let firstByteTimeout: Duration
    let stallTimeout: Duration
    /// What this process calls itself in `Via`: another name in each, so that a call that comes back to its sender is
    /// known, and two proxies in a row are no loop.
    let pseudonym: String

    /// - Parameter received: the version that the request came by.
    func via(_ received: String) -> HTTPField { HTTPField(name: .via, value: "\(received) \(pseudonym)") }

    /// A pseudonym that no other process has (RFC 9110 section 7.6.3).
    static func newPseudonym(_ environment: Environment) -> String {
        let (high, low) = environment.randomBits()
        return "clash-proxy-" + String(high, radix: 36) + String(low, radix: 36)
    }
}
