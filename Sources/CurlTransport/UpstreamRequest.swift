// One request as it goes upstream. Everything that `fields` and `target` say is sent as it stands; only the framing
// (Content-Length, Transfer-Encoding) is the transport's, because two opinions on it are a smuggled request.

import Glibc
import Ground
import HTTPTypes

/// A request to send, with the rules that hold while it is in flight.
package struct UpstreamRequest: Sendable {
    /// What follows the request head.
    package enum Body: Sendable {
        /// No body. POST, PUT and PATCH still say `Content-Length: 0` (RFC 9110 section 8.6).
        case none
        /// A body, whole.
        case bytes([UInt8])
    }

    /// Until when the cancellation of the calling task stops the exchange.
    package enum Cancellation: Sendable, Hashable {
        /// At any time, also while the response body is read.
        case always
        /// Only while nothing has been sent; afterwards the exchange is finished whatever becomes of the task.
        case untilSent
    }

    /// The server.
    package var origin: Origin
    /// Any method but CONNECT.
    package var method: HTTPRequest.Method
    /// The request target, sent byte for byte; begins with `/`, or is `*`.
    package var target: String
    /// The header fields in order, names in their own case. `Host` is taken from the origin when absent.
    /// `Content-Length` and `Transfer-Encoding` are ignored: the body decides.
    package var fields: HTTPFields
    /// The body.
    package var body: Body
    /// Whether it may reach the server twice. If not, the second send that libcurl makes on its own, when a reused
    /// connection turns out to be dead, fails with `repeatRefused`.
    package var repeatable: Bool
    /// Whether the response body is delivered with its content codings removed: gzip and deflate; any other fails with
    /// `invalidResponse`, and a success that ends inside its coding with `truncated`. `Accept-Encoding` stays what
    /// `fields` says.
    package var decodesContent: Bool
    /// When cancellation counts.
    package var cancellation: Cancellation
    /// The longest wait for the final response head, counted from the moment the whole request is sent.
    package var firstByteTimeout: Duration
    /// The longest time without a byte while a body is under way in either direction and nobody here holds it up.
    package var stallTimeout: Duration
    /// Whether it goes past the proxy on the way out, straight to its server.
    package var isDirect = false
    /// Called once when the exchange needs its connection no more, whether it went well, failed or never began; before the
    /// caller hears of a failure, and maybe long before the body has been read. On the curl thread, or on that of
    /// `execute`: must not block.
    package var ended: (@Sendable () -> Void)?

    /// Makes a request; defaults are those of a plain, repeatable GET.
    package init(
        origin: Origin,
        method: HTTPRequest.Method = .get,
        target: String,
        fields: HTTPFields = HTTPFields(),
        body: Body = .none,
        repeatable: Bool = true,
        decodesContent: Bool = false,
        cancellation: Cancellation = .always,
        firstByteTimeout: Duration = .seconds(60),
        stallTimeout: Duration = .seconds(30)
    ) {
        self.origin = origin
        self.method = method
        self.target = target
        self.fields = fields
        self.body = body
        self.repeatable = repeatable
        self.decodesContent = decodesContent
        self.cancellation = cancellation
        self.firstByteTimeout = firstByteTimeout
        self.stallTimeout = stallTimeout
    }
}

extension UpstreamRequest {
    /// Why this request must not be given to libcurl, or nil. libcurl itself checks none of this.
    var defect: String? {
        guard self.target.utf8.first == UInt8(ascii: "/") || self.target == "*" else {
            return "target does not begin with /"
        }
        let target = self.target.utf8.span
        for index in target.indices where target[index] <= 0x20 || target[index] == 0x7F {
            return "space or control character in target"
        }
        guard self.method != .connect else { return "CONNECT is not for this transport" }
        var hosts = 0
        for field in self.fields {
            if field.name.canonicalName == "host" { hosts += 1 }
            guard unsafe !field.withUnsafeBytesOfValue(Self.breaksLine) else {
                return "CR, LF or NUL in field \(field.name.rawName)"
            }
        }
        guard hosts <= 1 else { return "more than one Host" }
        switch self.body {
        case .none: return nil
        case .bytes(let bytes) where bytes.isEmpty: return nil
        case .bytes: return self.method == .head ? "HEAD with a body" : nil
        }
    }

    /// Whether there is a CR, LF or NUL.
    private static func breaksLine(_ value: UnsafeBufferPointer<UInt8>) -> Bool {
        guard let start = value.baseAddress else { return false }
        return [0, 0x0A, 0x0D].contains { unsafe memchr(start, $0, value.count) != nil }
    }
}
