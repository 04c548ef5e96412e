// Why an exchange did not succeed, with the two facts that decide what may be done about it:
// was anything sent, and had a final response head arrived.

/// The reason an exchange failed.
package struct TransferFailure: Error, Sendable, Hashable {
    /// The reasons. Their raw values are stable and fit for logs and metrics.
    package enum Reason: String, Sendable, Hashable, CaseIterable {
        /// No connection could be made; nothing was sent.
        case unreachable
        /// No connection within the time for it; nothing was sent.
        case timeoutConnect
        /// The host name has no address; nothing was sent.
        case nameNotResolved
        /// The server's certificate was refused; nothing was sent.
        case notTrusted
        /// The proxy on the way out said no to CONNECT (4xx); nothing was sent. `detail` says which and how.
        case proxyRefused
        /// There is no way through the proxy on the way out: it cannot be reached, makes no sense, or reaches nobody
        /// itself (5xx); nothing was sent. `detail` says which and how.
        case proxyUnreachable
        /// The proxy on the way out did not bring about a connection within the time for it; nothing was sent. `detail` says
        /// which.
        case proxySilent
        /// No final response head within `firstByteTimeout`.
        case timeoutFirstByte
        /// No byte for `stallTimeout` in the middle of a body.
        case timeoutStall
        /// The connection broke after the request was sent and before a final response head.
        case broke
        /// Over HTTP/2 the server said that it did not process the request: REFUSED_STREAM, or a GOAWAY below it. Only
        /// said of a change where it is sure. Counts as not sent.
        case refused
        /// The response body ended before its end.
        case truncated
        /// The response breaks HTTP in a way that makes its meaning doubtful.
        case invalidResponse
        /// libcurl wanted to send a request again that must not be repeated.
        case repeatRefused
        /// The caller left.
        case cancelled
        /// The transport is shutting down.
        case shutdown
        /// The request cannot be sent as it stands.
        case invalidRequest
        /// A fault in this transport or in libcurl.
        case internalError
    }

    /// The reason.
    package let reason: Reason
    /// Whether the server may have carried the request out: it, or a part of it, went out and was not refused.
    package let sent: Bool
    /// Whether a final response head had been received.
    package let headReceived: Bool
    /// For the log; never holds a header value.
    package let detail: String
    /// The `CURLcode`, 0 if the failure did not come from libcurl.
    package let curlCode: Int

    /// Makes a failure.
    package init(reason: Reason, sent: Bool = false, headReceived: Bool = false, detail: String = "", curlCode: Int = 0)
    {
        self.reason = reason
        self.sent = sent
        self.headReceived = headReceived
        self.detail = detail
        self.curlCode = curlCode
    }
}

extension TransferFailure: CustomStringConvertible {
    /// One line for the log.
    package var description: String {
        "\(self.reason.rawValue) (sent: \(self.sent), head: \(self.headReceived), curl: \(self.curlCode)) \(self.detail)"
    }
}

/// libcurl could not be set up: too old, out of memory, or the CA file cannot be read.
package struct CurlSetupFailure: Error, Sendable, CustomStringConvertible {
    /// What is wrong, in words.
    package let description: String

    /// With these words.
    package init(description: String) { self.description = description }
}
