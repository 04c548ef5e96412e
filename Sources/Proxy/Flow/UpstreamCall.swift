// One call of a tool, ready to be sent upstream as often as the rules allow.

import ClashAPI
import CurlTransport
import HTTPTypes

/// The body that goes upstream.
enum CallBody {
    case none
    /// All of it, so it can be sent again.
    case bytes([UInt8])
    /// Its beginning; the rest is still with the tool.
    case streamed(prefix: [UInt8])
}

/// What is sent, without the token.
struct UpstreamCall {
    let match: OperationMatch
    let caller: Caller
    let body: CallBody
    var request: UpstreamRequest
    let traits: CallTraits

    init(_ exchange: Exchange, match: OperationMatch, caller: Caller, body: CallBody, settings: UpstreamSettings) {
        let head = exchange.head
        self.match = match
        self.caller = caller
        self.body = body
        let isSafe = head.method == .get || head.method == .head || head.method == .options
        if case .streamed = body {
            traits = CallTraits(isSafe: isSafe, bodyIsReplayable: false)
        } else {
            traits = CallTraits(isSafe: isSafe, bodyIsReplayable: true)
        }
        request = UpstreamRequest(origin: settings.origin, method: head.method, target: head.target)
        request.fields = Self.fields(head, match: match, correlationID: exchange.record.correlationID)
        if case .bytes(let bytes) = body { request.body = .bytes(bytes) }
        request.repeatable = isSafe
        // Links can only be rewritten in plain text; libcurl decodes what upstream coded.
        request.decodesContent = match.operation.carriesLinks
        // A change that upstream has got is finished even if its tool leaves, so that its outcome is known.
        request.cancellation = match.operationClass == .read ? .always : .untilSent
        request.firstByteTimeout = settings.firstByteTimeout
        request.stallTimeout = settings.stallTimeout
    }

    /// The tool's end-to-end fields, then ours.
    private static func fields(_ head: RequestHead, match: OperationMatch, correlationID: String) -> HTTPFields {
        var fields = head.fields.endToEnd(dropping: .dropUpstream)
        Prefer.removeWait(from: &fields)
        if match.operation.carriesLinks {
            // A part of a page could not be rewritten; a server may always answer with the whole (RFC 9110, 14.2).
            fields[.range] = nil
            fields[.ifRange] = nil
        }
        fields[.correlationID] = correlationID
        fields.append(OwnFields.via)
        return fields
    }
}

/// What the configuration says about calls upstream.
struct UpstreamSettings: Sendable {
    let origin: UpstreamOrigin
    let firstByteTimeout: Duration
    let stallTimeout: Duration
}
