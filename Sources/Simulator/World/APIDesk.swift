// The gateway in front of the operations: routing, bearer tokens, rate limits, then the operation itself; and the
// headers that every answer of the platform carries.

extension World {
    /// An answer of the API.
    mutating func api(_ request: RecordedRequest) -> Answer {
        let (path, query) = splitTarget(request.target)
        guard let (route, parameters) = Route.find(method: request.method, path: path) else {
            return .json(404, ["statusCode": 404, "message": "Resource not found"])
        }
        guard let header = request[header: "Authorization"] else {
            return World.unauthorized(.headerNotFound)
        }
        guard let client = tokens.client(of: World.bearer(header), now: request.time) else {
            return World.unauthorized(.invalidJWT)
        }
        if configuration.strictAccept, let accept = request[header: "Accept"],
            accept.contains("vnd.bentley.itwin-platform"), !accept.contains(route.version.mediaType)
        {
            return Refusal.invalid(406, "InvalidHeaderValue", "Accept does not name this version.").answer
        }
        switch limiter.admit(client: client, isRun: route.isRun, now: request.time) {
        case .admitted: break
        case .refused(let seconds, let scope, let violation):
            if violation { journal.counters.trapViolations += 1 }
            return rateLimited(
                retryAfter: String(seconds),
                naming: scope == .run ? [.operation, .application] : [.tier, .application],
                code: nil, version: route.version, operation: route.name, client: client)
        }
        journal.counters.executed += 1
        return execute(route, parameters, request, path: path, query: query)
    }

    private mutating func execute(
        _ route: Route, _ parameters: [String: String], _ request: RecordedRequest, path: Substring, query: Substring
    ) -> Answer {
        let (ownPrefix, base) =
            route.version == .v1
            ? ("/clashdetection", configuration.linkBaseV1) : ("/clash-detection", configuration.linkBaseV2)
        let call = Call(
            request: request, now: request.time, parameters: parameters, rawQuery: String(query),
            query: FormValues(query), linkBase: base.isEmpty ? apiBase + ownPrefix : base,
            linkPath: String(path.dropFirst(ownPrefix.utf8.count)))
        do {
            return try route.handle(&store, call)
        } catch {
            return error.answer
        }
    }

    static func unauthorized(_ shape: UnauthorizedShape) -> Answer {
        switch shape {
        case .headerNotFound:
            Refusal(
                status: 401, code: "HeaderNotFound",
                message: "Header Authorization was not found in the request. Access denied."
            ).answer
        case .unknownClient:
            Refusal(
                status: 401, code: "Unauthorized", message: "Access denied due to invalid access token.",
                details: [.init(code: "UnknownClient", message: "The client is not registered.")]
            ).answer
        case .invalidJWT: .json(401, ["statusCode": 401, "message": "Invalid JWT."])
        }
    }

    func rateLimited(
        retryAfter: String?, naming: Set<RateLimitedHeader>, code: String?, version: APIVersion, operation: String,
        client: String
    ) -> Answer {
        let (standard, message) =
            version == .v1
            ? ("TooManyRequests", "More requests were received than the subscription rate-limit allows.")
            : (
                "RateLimitExceeded",
                "The client sent more requests than allowed by this API for the current tier of the client."
            )
        var answer = Refusal(status: 429, code: code ?? standard, message: message).answer
        if let retryAfter { answer.headers.append(HeaderField("Retry-After", retryAfter)) }
        for header in RateLimitedHeader.allCases where naming.contains(header) {
            let value =
                switch header {
                case .tier: configuration.tier
                case .api: "Clash Detection"
                case .operation: operation
                case .application: client
                }
            answer.headers.append(HeaderField(header.rawValue, value))
        }
        return answer
    }

    /// The token of an `Authorization: Bearer` header; anything else is no token that was ever issued.
    static func bearer(_ header: String) -> String {
        let parts = header.split(separator: " ", maxSplits: 1)
        return parts.count == 2 && parts[0].lowercased() == "bearer" ? String(parts[1]) : ""
    }

    // MARK: Headers on every answer

    /// `Date` on all, and on the API's the platform's own headers and, if configured, entity tags.
    mutating func decorate(_ answer: inout Answer, for request: RecordedRequest, isToken: Bool) {
        answer.headers.append(HeaderField("Date", Timestamps.httpDate(request.time)))
        if isToken { return }
        let version = splitTarget(request.target).path.lowercased().hasPrefix("/clashdetection") ? APIVersion.v1 : .v2
        let correlation = request[header: "x-correlation-id"] ?? GUID(from: &random).text
        answer.headers += [
            HeaderField("x-correlation-id", correlation),
            HeaderField("access-control-allow-origin", "*"),
            HeaderField("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),
            HeaderField("Request-Context", "appId=cid-v1:5a9cd7b2-0c54-4a0c-8f3e-3f0a4a1a6f77"),
            HeaderField("X-ITwinPlatform-Media-Type", version.mediaType),
            HeaderField("X-ITwinPlatform-Region", "East US"),
            HeaderField("Tier", configuration.tier),
        ]
        if configuration.weakETags { tag(&answer, for: request) }
    }

    /// A weak tag in the style of Express, and 304 for a client that has it already.
    private func tag(_ answer: inout Answer, for request: RecordedRequest) {
        guard answer.status == 200, case .bytes(let bytes) = answer.body else { return }
        let hash = bytes.reduce(UInt64(0xCBF2_9CE4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        let tag = "W/\"\(String(bytes.count, radix: 16))-\(String(hash, radix: 16))\""
        answer.headers.append(HeaderField("ETag", tag))
        let known = request[header: "If-None-Match"] ?? ""
        if request.method == "GET" || request.method == "HEAD",
            known.split(separator: ", ").contains(where: { $0 == tag || $0 == tag.dropFirst(2) })
        {
            answer.status = 304
            answer.body = .none
            answer.headers.removeAll { $0.name == "Content-Type" }
        }
    }

    func compresses(_ answer: Answer, for request: RecordedRequest) -> Bool {
        if case .none = answer.body { return false }
        return configuration.gzip && (request[header: "Accept-Encoding"] ?? "").lowercased().contains("gzip")
    }
}
