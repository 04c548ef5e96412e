// Turns a failure into bytes: the same JSON shape that upstream uses, so that a tool's error handling works on both,
// and headers that say who speaks.

import ClashAPI
import Edge
import Ground
import HTTPTypes

/// Everything about a request that its error answer needs.
struct FailureContext {
    var version = APIVersion.v2
    var correlationID: String
    var corsOrigin: String?
    var wallTime: WallTime
}

extension Failure {
    /// The complete answer: status, fields without framing, body.
    func answer(_ context: FailureContext) -> (status: HTTPResponse.Status, fields: HTTPFields, body: [UInt8]) {
        let row = reason.row(context.version)
        var fields = HTTPFields()
        fields[.contentType] = "application/json"
        fields[.date] = HTTPDate.text(context.wallTime.seconds)
        if let retryAfter { fields[.retryAfter] = String(retryAfter.wholeSecondsUp) }
        if row.status == .unauthorized { fields[.wwwAuthenticate] = challenge }
        fields[.proxyStatus] = "clash-proxy; error=\(row.proxyError); details=\"\(reason.rawValue)\""
        if row.status == .methodNotAllowed { fields[.allow] = allow ?? RequestHead.allowedMethods }
        OwnFields.add(correlationID: context.correlationID, corsOrigin: context.corsOrigin, to: &fields)
        return (row.status, fields, body(code: row.code, id: context.correlationID))
    }

    /// RFC 6750 section 3.1.
    private var challenge: String { reason == .callerTokenInvalid ? "Bearer error=\"invalid_token\"" : "Bearer" }

    /// `{"error":{"code":…,"message":…,"target"?:…}}`, with `"approval":{"id":…,"expires":…}` beside where one is waited for.
    /// Wait and correlation id stand in the message too: some clients hide headers.
    private func body(code: String, id: String) -> [UInt8] {
        let message = JSONText.escaped("\(messageWithWait) [x-correlation-id: \(id)]")
        var text = "{\"error\":{\"code\":\"\(code)\",\"message\":\"\(message)\""
        if let target { text += ",\"target\":\"\(JSONText.escaped(target))\"" }
        text += "}"
        if let approval {
            text +=
                ",\"approval\":{\"id\":\"\(approval.id)\",\"expires\":\"\(RFC3339.text(approval.expires.seconds))\"}"
        }
        return Array((text + "}").utf8)
    }

    /// With when to try again.
    var messageWithWait: String {
        guard let retryAfter else { return message }
        let stop = message.hasSuffix(".") ? "" : "."
        return "\(message)\(stop) Try again in \(retryAfter.wholeSecondsUp) s."
    }
}
