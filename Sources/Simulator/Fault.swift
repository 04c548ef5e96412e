// The ways in which an upstream can misbehave. A fault either takes the place of the answer (the request is
// then not executed), or lets the request be executed and spoils the answer on its way out; each case says which.

/// One misbehaviour.
public enum Fault: Sendable {
    // MARK: Instead of executing the request

    /// This answer. `contentType` nil leaves the header out.
    case answer(status: Int, headers: [HeaderField] = [], body: String = "", contentType: String? = "application/json")
    /// A 429. `retryAfter` is sent as it stands (nil: no such header), `naming` says which of the four
    /// `ITwinPlatform-RateLimited-*` headers come with it, `code` nil picks the code of the path's API version.
    case rateLimited(retryAfter: String?, naming: Set<RateLimitedHeader> = [.tier, .application], code: String? = nil)
    /// A 401 in one of the shapes seen in the wild.
    case unauthorized(UnauthorizedShape)
    /// A 302 to this URL.
    case redirect(to: String)
    /// A TCP reset (SO_LINGER 0) before any byte.
    case reset
    /// An orderly close before any byte.
    case close
    /// No answer and no close until ``Simulator/releaseHeld()`` (which closes) or ``Simulator/stop()``.
    case hang
    /// These bytes instead of HTTP, then a close.
    case garbage(String)
    /// `invalid_client`, with the client's own secret in the description.
    case tokenErrorEchoingSecret

    // MARK: After executing the request

    /// Executes, then closes without a byte: the outcome is unknown to the client.
    case executeThenClose
    /// Executes, then resets without a byte.
    case executeThenReset
    /// Executes, then is silent; ``Simulator/releaseHeld()`` lets the answer out.
    case executeThenHang
    /// Starts the run that is asked for, then closes without a byte. Other requests stay as they are.
    case runAnswerLost
    /// Starts the run that is asked for twice, as when a tool repeats a start whose answer was lost, then closes without a
    /// byte. Other requests stay as they are.
    case runStartedTwice
    /// Executes, and waits so long in real time before the first byte.
    case slowHead(Duration)
    /// Tells the full Content-Length, sends at most so many bytes of the body (always fewer than all), closes.
    case truncatedLength(after: Int)
    /// Chunked: sends at most so many bytes of the body, then closes without the last chunk.
    case truncatedChunked(after: Int)
    /// Sends at most so many bytes of the body, then is silent; ``Simulator/releaseHeld()`` lets the rest out.
    case stall(after: Int)
    /// These bytes right behind a complete answer, on the connection that stays open.
    case extraBytes(String)
    /// The complete answer without `Connection: close`, then a close: kept connections die unannounced.
    case closeAfterAnswer
    /// A second Content-Length header with this value.
    case duplicateContentLength(String)
    /// Interim answers (RFC 9110 section 15.2) with these status codes before the real one.
    case informational([Int])
    /// A `Content-Type: application/json` on an answer that has no body.
    case contentTypeWithoutBody
    /// The issuer sends the browser back with `access_denied`, as when a person declines. Other answers stay as they are.
    case signInDeclined
    /// A token answer whose `expires_in` is this JSON text, or missing when nil. Other answers stay as they are.
    case tokenExpiresIn(String?)
}

/// The 401 bodies that clients have met.
public enum UnauthorizedShape: Sendable {
    /// `{"error":{"code":"HeaderNotFound",…}}`
    case headerNotFound
    /// `{"error":{"code":"Unauthorized",…,"details":[{"code":"UnknownClient",…}]}}`
    case unknownClient
    /// `{"statusCode":401,"message":"Invalid JWT."}`
    case invalidJWT
}

/// The headers by which a 429 says what was limited.
public enum RateLimitedHeader: String, Sendable, CaseIterable {
    /// The subscription's tier.
    case tier = "ITwinPlatform-RateLimited-Tier"
    /// One API.
    case api = "ITwinPlatform-RateLimited-API"
    /// One operation.
    case operation = "ITwinPlatform-RateLimited-Operation"
    /// The client id.
    case application = "ITwinPlatform-RateLimited-Application"
}

/// Which requests a fault or a wait is about. Nil fields match everything.
public struct RequestFilter: Sendable {
    /// The method, exactly.
    public var method: String?
    /// Part of the raw request target, exactly as it came.
    public var target: String?
    /// Part of the body.
    public var body: String?

    /// Makes a filter.
    public init(method: String? = nil, target: String? = nil, body: String? = nil) {
        self.method = method
        self.target = target
        self.body = body
    }

    /// Every request.
    public static let any = RequestFilter()
    /// Calls of the token endpoint.
    public static let token = RequestFilter(target: "/connect/token")

    /// Whether a request is meant.
    public func matches(_ request: RecordedRequest) -> Bool {
        if let method, method != request.method { return false }
        if let target, !contains(request.target.utf8, target.utf8) { return false }
        if let body, !contains(request.body, Array(body.utf8)) { return false }
        return true
    }
}

/// A fault with its conditions.
public struct PlannedFault: Sendable {
    /// What happens.
    public var fault: Fault
    /// To which requests.
    public var filter: RequestFilter
    /// How often; nil means always. Default nil.
    public var times: Int?
    /// How many matching requests are left alone first. Default 0.
    public var skip: Int
    /// The chance, 0 to 1, that a matching request is hit, drawn from the seed. Default 1.
    public var probability: Double

    /// Plans a fault.
    public init(
        _ fault: Fault, where filter: RequestFilter = .any, times: Int? = nil, skip: Int = 0, probability: Double = 1
    ) {
        self.fault = fault
        self.filter = filter
        self.times = times
        self.skip = skip
        self.probability = probability
    }
}

private func contains(_ haystack: some Collection<UInt8>, _ needle: some Collection<UInt8>) -> Bool {
    guard let first = needle.first else { return true }
    var rest = haystack[...]
    while let start = rest.firstIndex(of: first) {
        rest = rest[start...]
        if rest.starts(with: needle) { return true }
        rest = rest.dropFirst()
    }
    return false
}
