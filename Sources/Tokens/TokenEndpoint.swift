// The seam between this module and whatever speaks HTTP. An endpoint posts one form to the one URL it knows and hands
// back the answer as it came; it does not retry, follow redirects, or look into the body.

/// Where tokens are fetched. Implementations are used by one request at a time.
package protocol TokenEndpoint: Sendable {
    /// Posts `request` and returns whatever answer came, of any status.
    ///
    /// It must return soon after its task is cancelled, must not follow redirects (the request carries the client
    /// secret), and must not read more than `TokenEndpointAnswer.maximumBodySize` bytes of a body.
    func post(_ request: TokenRequest) async throws(TokenEndpointFailure) -> TokenEndpointAnswer
}

/// One POST to the token endpoint. Printing or dumping it shows neither headers nor form.
package struct TokenRequest: Sendable {
    private let hiddenHeaders: Hidden<[Field]>
    private let hiddenForm: Hidden<[UInt8]>

    private struct Field {
        let name: String
        let value: String
    }

    init(headers: [(name: String, value: String)], form: [UInt8]) {
        self.hiddenHeaders = Hidden(headers.map { Field(name: $0.name, value: $0.value) })
        self.hiddenForm = Hidden(form)
    }

    /// All header fields to send besides `Host` and `Content-Length`; `Authorization` among them for `.basic`. Secret.
    package var headers: [(name: String, value: String)] { hiddenHeaders.value.map { ($0.name, $0.value) } }
    /// The body, `application/x-www-form-urlencoded`. Secret.
    package var form: [UInt8] { hiddenForm.value }
}

/// What the token endpoint answered. Printing or dumping it does not show the body.
package struct TokenEndpointAnswer: Sendable {
    /// More than any token answer needs; a longer body is not read.
    package static let maximumBodySize = 64 * 1024

    /// The HTTP status.
    package let status: Int
    /// The `Content-Type` field, if there was one.
    package let contentType: String?
    /// The parsed `Retry-After` field, if there was a usable one. Believed for 429 and 503.
    package let retryAfter: Duration?

    private let hiddenBody: Hidden<[UInt8]>

    /// The body. Secret.
    package var body: [UInt8] { hiddenBody.value }

    /// An answer as it came.
    package init(status: Int, contentType: String?, body: [UInt8], retryAfter: Duration? = nil) {
        self.status = status
        self.contentType = contentType
        self.retryAfter = retryAfter
        self.hiddenBody = Hidden(body)
    }
}

/// Why a request to the token endpoint brought no answer.
package enum TokenEndpointFailure: Error, Sendable, Equatable {
    /// No connection, no name, no TLS, or it broke. `detail` is shown to people; it must hold no secret.
    case unreachable(detail: String)
    /// No complete answer within the endpoint's own limit.
    case timeout
    /// The body is longer than `TokenEndpointAnswer.maximumBodySize`.
    case answerTooLarge
}
