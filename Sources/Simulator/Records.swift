// What a simulator tells about itself: where it listens, what it has received, what it has counted.

/// One header line, with its case as sent.
public struct HeaderField: Sendable, Hashable {
    /// The field name.
    public var name: String
    /// The field value, without surrounding blanks.
    public var value: String

    /// Makes a header line.
    public init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

/// Where a started simulator is to be reached.
public struct SimulatorAddresses: Sendable, Hashable {
    /// Base URL of the API, without a slash at the end.
    public var apiURL: String
    /// URL of the token endpoint, with its path.
    public var tokenURL: String
    /// Base URL of the token server: its discovery document is below it.
    public var issuerURL: String
    /// Port of the API.
    public var apiPort: Int
    /// Port of the token endpoint.
    public var tokenPort: Int
}

/// A request as it was received.
public struct RecordedRequest: Sendable, Hashable {
    /// The method.
    public var method: String
    /// The request target, byte for byte.
    public var target: String
    /// `HTTP/1.1` or `HTTP/1.0`.
    public var version: String
    /// All header lines in their order and case, repeated ones included.
    public var headers: [HeaderField]
    /// The body without its transfer coding.
    public var body: [UInt8]
    /// When it was complete, by the injected clock.
    public var time: Duration
    /// The connection that it came on, counted from 1 over both listeners.
    public var connection: Int
    /// Whether it came to the token endpoint's own listener.
    public var onTokenListener: Bool

    /// The first value of a header, whatever its case.
    public subscript(header name: String) -> String? {
        headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }

    /// The body as text.
    public var text: String { String(decoding: body, as: UTF8.self) }
}

/// Counters since the start; a snapshot.
public struct SimulatorCounters: Sendable, Hashable {
    /// TCP connections accepted.
    public var connections = 0
    /// Calls of the token endpoint, answered or not.
    public var tokenRequests = 0
    /// Access tokens issued.
    public var tokensIssued = 0
    /// Used refresh tokens that were presented again; each one revokes its family.
    public var refreshReuses = 0
    /// Requests to the API, answered or not.
    public var apiCalls = 0
    /// API calls executed: authorised, within the limits, and handed to their operation.
    public var executed = 0
    /// 429 answers given, injected ones included.
    public var rateLimited = 0
    /// Calls made before an announced wait was over, beyond the grace; only in trap mode.
    public var trapViolations = 0
    /// 401 answers given, injected ones included.
    public var unauthorized = 0
    /// Faults that took place.
    public var faults = 0
}
