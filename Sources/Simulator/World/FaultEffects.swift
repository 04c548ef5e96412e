// What each fault does: take the place of the answer, or spoil one that was made properly.

extension World {
    /// The exchange that a fault puts in place of executing the request; nil for faults that let it be executed.
    mutating func replacement(_ fault: Fault, for request: RecordedRequest) -> Exchange? {
        var nothing = Exchange(answer: .empty(200), delivery: .nothing)
        switch fault {
        case .answer(let status, let headers, let body, let contentType):
            let type = contentType.map { [HeaderField("Content-Type", $0)] } ?? []
            let content: Answer.Body = body.isEmpty ? .none : .bytes(Array(body.utf8))
            return Exchange(answer: Answer(status: status, headers: type + headers, body: content))
        case .rateLimited(let retryAfter, let naming, let code):
            return Exchange(answer: injectedLimit(request, retryAfter, naming, code))
        case .unauthorized(let shape): return Exchange(answer: World.unauthorized(shape))
        case .redirect(let url):
            return Exchange(answer: Answer(status: 302, headers: [HeaderField("Location", url)]))
        case .reset:
            nothing.afterwards = .reset
            return nothing
        case .close:
            nothing.afterwards = .close
            return nothing
        case .hang:
            nothing.held = true
            nothing.afterwards = .close
            return nothing
        case .garbage(let bytes):
            return Exchange(answer: .empty(200), delivery: .raw(bytes), afterwards: .close)
        case .tokenErrorEchoingSecret:
            let form = FormValues(request.text)
            let secret = PresentedClient(request, form: form)?.secret ?? ""
            let text = "Client secret '\(secret)' is not valid. Request: \(request.text)"
            return Exchange(answer: .json(400, ["error": "invalid_client", "error_description": .string(text)]))
        default: return nil
        }
    }

    /// Spoils the delivery of a proper answer.
    static func spoil(_ exchange: inout Exchange, by fault: Fault) {
        switch fault {
        case .executeThenClose, .runAnswerLost, .runStartedTwice:
            (exchange.delivery, exchange.afterwards) = (.nothing, .close)
        case .executeThenReset: (exchange.delivery, exchange.afterwards) = (.nothing, .reset)
        case .executeThenHang: exchange.held = true
        case .slowHead(let delay): exchange.delay += delay
        case .truncatedLength(let bytes): (exchange.delivery, exchange.afterwards) = (.truncated(after: bytes), .close)
        case .truncatedChunked(let bytes):
            (exchange.delivery, exchange.afterwards) = (.truncated(after: bytes), .close)
            exchange.forceChunked = true
        case .stall(let bytes): exchange.delivery = .stalled(after: bytes)
        case .extraBytes(let text): exchange.trailer = text
        case .closeAfterAnswer: exchange.afterwards = .close
        case .duplicateContentLength(let value):
            exchange.answer.headers.append(HeaderField("Content-Length", value))
        case .informational(let codes): exchange.informational = codes
        case .contentTypeWithoutBody:
            if case .none = exchange.answer.body {
                exchange.answer.headers.append(HeaderField("Content-Type", "application/json"))
            }
        default: break
        }
    }

    private mutating func injectedLimit(
        _ request: RecordedRequest, _ retryAfter: String?, _ naming: Set<RateLimitedHeader>, _ code: String?
    ) -> Answer {
        let path = splitTarget(request.target).path
        let route = Route.find(method: request.method, path: path)?.route
        let client = request[header: "Authorization"].flatMap { header in
            tokens.client(of: World.bearer(header), now: request.time)
        }
        if let client, let seconds = retryAfter.flatMap({ Int64($0) }), seconds > 0 {
            limiter.announce(client: client, seconds: seconds, now: request.time)
        }
        return rateLimited(
            retryAfter: retryAfter, naming: naming, code: code, version: route?.version ?? .v2,
            operation: route?.name ?? request.target, client: client ?? "unknown")
    }
}
