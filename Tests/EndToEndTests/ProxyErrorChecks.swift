// What every error of the proxy's own must look like.

import FoundationEssentials
import TestSupport
import Testing

extension RawResponse {
    /// Checks the whole shape of an error made by the proxy: status, code, who speaks, the JSON, the wait in words.
    func expectError(
        _ status: Int, _ code: String, reason: String, target: String? = nil, retryAfter: ClosedRange<Int>? = nil,
        _ note: String = "", at location: SourceLocation = #_sourceLocation
    ) {
        var wrong: [String] = []
        func check(_ holds: Bool, _ what: String) { if !holds { wrong.append(what) } }
        check(self.status == status, "status is not \(status)")
        check(self["Content-Type"] == "application/json", "Content-Type")
        check(self["Content-Length"] == "\(body.count)", "Content-Length")
        let proxyStatus = self["Proxy-Status"] ?? "none"
        check(proxyStatus.hasPrefix("clash-proxy; error="), "Proxy-Status \(proxyStatus)")
        check(proxyStatus.hasSuffix("; details=\"\(reason)\""), "reason \(proxyStatus)")
        check(values("x-correlation-id").count == 1, "x-correlation-id")
        check(values("Via") == ["1.1 clash-proxy"], "Via")
        check(values("Date").count == 1, "Date")
        let challenge = code == "InvalidCallerToken" ? "Bearer error=\"invalid_token\"" : "Bearer"
        check(status != 401 || self["WWW-Authenticate"] == challenge, "WWW-Authenticate")
        let json = try? JSONDecoder().decode([String: [String: String]].self, from: Data(body))
        let isAwaited = code == "ApprovalRequired"
        check(json.map { Set($0.keys) } == (isAwaited ? ["error", "approval"] : ["error"]), "the JSON object")
        check(!isAwaited || json?["approval"].map { Set($0.keys) } == ["id", "expires"], "approval")
        let error = json?["error"] ?? [:]
        check(error["code"] == code, "code is not \(code)")
        check(error["message"]?.isEmpty == false, "message")
        check(Set(error.keys).isSubset(of: ["code", "message", "target"]), "members \(error.keys)")
        check(target == nil || error["target"] == target, "target")
        let wait = self["Retry-After"].flatMap { Int($0) }
        if let retryAfter {
            check(wait.map(retryAfter.contains) == true, "Retry-After")
            check(text.contains("\(wait ?? -1) s."), "the wait in the message")
        } else {
            check(self["Retry-After"] == nil, "a Retry-After")
        }
        #expect(wrong.isEmpty, "\(note)\n\(statusLine) \(text)", sourceLocation: location)
    }
}
