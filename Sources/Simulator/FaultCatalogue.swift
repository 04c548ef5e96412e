// Ready-made faults by name, for the command line and for tests that do not care about the details.

extension Fault {
    /// Names that ``init(named:)`` knows, in the order of ``Fault``'s cases.
    public static var names: [String] { catalogue.map(\.name) }

    /// The ready-made fault of a name, or nil.
    public init?(named name: String) {
        guard let entry = Fault.catalogue.first(where: { $0.name == name }) else { return nil }
        self = entry.fault
    }

    /// A 500 whose body is plain text, as some backends send it.
    public static let plainText500 = Fault.answer(
        status: 500, body: "Internal server error", contentType: "text/plain")

    /// A 503 with a web page, as gateways send it.
    public static let html503 = Fault.answer(
        status: 503, body: "<html><head><title>503</title></head><body><h1>Service Unavailable</h1></body></html>\r\n",
        contentType: "text/html; charset=us-ascii")

    /// What the token endpoint says to a refresh token or code that it does not accept (RFC 6749 section 5.2).
    public static let invalidGrant = Fault.answer(status: 400, body: #"{"error":"invalid_grant"}"#)

    /// What it says to a client that it does not know or whose secret is wrong.
    public static let invalidClient = Fault.answer(status: 401, body: #"{"error":"invalid_client"}"#)

    private static let catalogue: [(name: String, fault: Fault)] = [
        ("500", .plainText500),
        ("503", .html503),
        ("429", .rateLimited(retryAfter: "2")),
        ("429-without-retry-after", .rateLimited(retryAfter: nil, naming: [])),
        ("401", .unauthorized(.headerNotFound)),
        ("401-unknown-client", .unauthorized(.unknownClient)),
        ("401-invalid-jwt", .unauthorized(.invalidJWT)),
        ("redirect", .redirect(to: "https://elsewhere.example/")),
        ("reset", .reset),
        ("close", .close),
        ("hang", .hang),
        ("garbage", .garbage("\u{16}\u{3}\u{1}not http\r\n\r\n")),
        ("execute-then-close", .executeThenClose),
        ("execute-then-reset", .executeThenReset),
        ("execute-then-hang", .executeThenHang),
        ("run-answer-lost", .runAnswerLost),
        ("run-started-twice", .runStartedTwice),
        ("slow-head", .slowHead(.seconds(5))),
        ("truncated-length", .truncatedLength(after: 100)),
        ("truncated-chunked", .truncatedChunked(after: 100)),
        ("stall", .stall(after: 100)),
        ("extra-bytes", .extraBytes("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray")),
        ("close-after-answer", .closeAfterAnswer),
        ("duplicate-content-length", .duplicateContentLength("1")),
        ("informational", .informational([103])),
        ("content-type-without-body", .contentTypeWithoutBody),
        ("token-expiry-missing", .tokenExpiresIn(nil)),
        ("token-expiry-string", .tokenExpiresIn("\"3600\"")),
        ("token-expiry-zero", .tokenExpiresIn("0")),
        ("token-expiry-tiny", .tokenExpiresIn("1")),
        ("token-expiry-huge", .tokenExpiresIn("99999999999")),
        ("token-error-echoing-secret", .tokenErrorEchoingSecret),
        ("token-invalid-grant", .invalidGrant),
        ("token-invalid-client", .invalidClient),
        ("sign-in-declined", .signInDeclined),
        ("empty-200", .answer(status: 200, body: "", contentType: nil)),
    ]
}
