// Brings upstream's answer to the tool: end-to-end fields, rewritten links, the body with back-pressure.

import Caching
import ClashAPI
import CurlTransport
import Ground
import HTTPTypes

/// How links in answers are rewritten.
final class LinkSettings: Sendable {
    let rules: [LinkRule]
    let allowPrefixes: [String]
    let scheme: String

    /// `public_url` as links begin with it, without a slash at its end; nil: scheme and authority of each request.
    let base: String?

    init(rules: [LinkRule], allowPrefixes: [String], publicURL: String?, scheme: String) {
        self.rules = rules
        self.allowPrefixes = allowPrefixes
        self.scheme = scheme
        var base = publicURL
        while base?.hasSuffix("/") == true { base?.removeLast() }
        self.base = base
    }
}

struct ResponseRelay {
    let links: LinkSettings
    let corsOrigin: String?
    let environment: Environment
    /// What the cache had to do with it; nil: nothing.
    var cacheStatus: CacheStatus?

    /// So much of a page is looked at before its head goes out, so that ordinary pages keep a Content-Length.
    private static let heldPageBytes = 256 << 10

    /// - Parameter body: where the bytes come from, if not straight from the response.
    func run(
        _ response: UpstreamResponse, _ call: UpstreamCall, _ exchange: Exchange, body: RelayedBody? = nil
    ) async throws(FlowExit) {
        exchange.record.source = .upstream
        var body = body ?? RelayedBody(response.body)
        var fields = answerFields(response, call, exchange)
        let isPage =
            call.match.operation.carriesLinks && response.isJSON && response.status != .partialContent
            && ContentCoding(response.fields).isNone
        if isPage { fields.replace(.eTag) { $0.starts(with: "W/".utf8) ? nil : Array("W/".utf8) + $0 } }
        if response.status.hasNoBody {
            fields[.contentType] = nil
            await body.discard()
            exchange.respond(response.status, timed(fields, exchange), body: [])
        } else if exchange.head.method == .head {
            // Rewriting changes the length of a page, and only GET knows by how much.
            exchange.begin(response.status, timed(fields, exchange), isPage ? .none : response.announcedFraming)
            await body.discard()
            exchange.end()
        } else if isPage {
            try await relayPage(response, fields, &body, exchange, call)
        } else {
            try await relayBytes(response, fields, &body, exchange, call)
        }
    }

    /// Says that a delete was carried out, in upstream's place: 204 for DELETE, 202 for a v2 job.
    func settled(_ exchange: Exchange) {
        exchange.record.source = .proxy
        exchange.record.detail = "settled by a read"
        let isJob = exchange.head.method != .delete
        var fields = HTTPFields()
        if isJob { fields[.contentType] = "application/json" }
        fields[.cacheStatus] = "clash-proxy; fwd=method; detail=settled"
        OwnFields.add(correlationID: exchange.record.correlationID, to: &fields)
        if let corsOrigin { OriginPolicy.addGrant(for: corsOrigin, to: &fields) }
        exchange.respond(
            isJob ? .accepted : .noContent, timed(fields, exchange), body: isJob ? Array("{}".utf8) : [])
    }

    // MARK: Fields

    private func answerFields(_ response: UpstreamResponse, _ call: UpstreamCall, _ exchange: Exchange) -> HTTPFields {
        var dropped = HeaderTraits.dropDownstream
        if corsOrigin != nil { dropped.insert(.cors) }
        var fields = response.fields.endToEnd(dropping: dropped)
        if fields.contains(.location) { fields.replace(.location, translator(exchange).rewriteLocation) }
        // RFC 9110 section 6.6.1.
        if fields[.date] == nil {
            fields[.date] = HTTPDate.text(environment.wallTime().seconds)
        }
        if let word = OwnFields.cacheControl(for: response.fields, isKnown: call.match.isKnown) { fields.append(word) }
        exchange.progress.facts.addRateLimit(to: &fields)
        let status =
            cacheStatus
            ?? .forwarded(
                call.traits.isSafe ? .bypass : .method, stored: false, collapsed: false, status: nil, detail: nil)
        fields.append(HTTPField(name: .cacheStatus, value: status.headerValue))
        OwnFields.add(correlationID: exchange.record.correlationID, to: &fields)
        if let corsOrigin { OriginPolicy.addGrant(for: corsOrigin, to: &fields) }
        return fields
    }

    /// With the time until now, when the head goes out.
    private func timed(_ fields: HTTPFields, _ exchange: Exchange) -> HTTPFields {
        var fields = fields
        let total = environment.now() - exchange.record.started
        fields.append(HTTPField(name: .serverTiming, value: exchange.progress.facts.serverTiming(of: total)))
        return fields
    }

    private func translator(_ exchange: Exchange) -> LinkTranslator {
        LinkTranslator(
            rules: links.rules, allowedPrefixes: links.allowPrefixes, base: LinkBase(links, exchange.head).text)
    }

    // MARK: Bodies

    /// The bytes as they are.
    private func relayBytes(
        _ response: UpstreamResponse, _ fields: HTTPFields, _ body: inout RelayedBody, _ exchange: Exchange,
        _ call: UpstreamCall
    ) async throws(FlowExit) {
        var end = BodyEnd(response, call.match)
        if body.isBufferedComplete {
            let bytes = try await body.next(call.traits) ?? []
            if try await body.next(call.traits) == nil {
                await end.read(bytes)
                try end.check(call.traits)
                return exchange.respond(response.status, timed(fields, exchange), body: bytes)
            }
        }
        exchange.begin(response.status, timed(fields, exchange), body.declaredLength.map { .length($0) } ?? .chunked)
        exchange.flush()
        var count = 0
        // What completes a declared length completes the answer, so it waits for the verdict.
        var last: [UInt8] = []
        while let bytes = try await body.next(call.traits) {
            await end.read(bytes)
            count += bytes.count
            if count == body.declaredLength { last = bytes } else { try await write(bytes, exchange, body) }
        }
        try end.check(call.traits)
        if !last.isEmpty { try await write(last, exchange, body) }
        exchange.end()
    }

    /// A page with its links rewritten; in constant memory however long it is.
    private func relayPage(
        _ response: UpstreamResponse, _ fields: HTTPFields, _ body: inout RelayedBody, _ exchange: Exchange,
        _ call: UpstreamCall
    ) async throws(FlowExit) {
        var rewriter = LinkRewriter(translator: translator(exchange))
        var page: [UInt8] = []
        let began = environment.now()
        while page.count < Self.heldPageBytes {
            guard let bytes = try await body.next(call.traits) else {
                rewriter.finish(into: &page)
                exchange.progress.facts.upstreamTime += environment.now() - began
                try check(response, rewriter, call)
                return exchange.respond(response.status, timed(fields, exchange), body: page)
            }
            rewriter.rewrite(bytes, into: &page)
        }
        exchange.progress.facts.upstreamTime += environment.now() - began
        exchange.begin(response.status, timed(fields, exchange), .chunked)
        try await write(page, exchange, body)
        while let bytes = try await body.next(call.traits) {
            page.removeAll(keepingCapacity: true)
            rewriter.rewrite(bytes, into: &page)
            try await write(page, exchange, body)
        }
        page.removeAll()
        rewriter.finish(into: &page)
        try await write(page, exchange, body)
        try check(response, rewriter, call)
        exchange.end()
    }

    private func check(
        _ response: UpstreamResponse, _ rewriter: LinkRewriter, _ call: UpstreamCall
    ) throws(FlowExit) {
        guard BodyEnd.concerns(response, call.match) else { return }
        try BodyEnd.check(endedInside: rewriter.endedInside, call.traits)
    }

    private func write(_ bytes: [UInt8], _ exchange: Exchange, _ body: RelayedBody) async throws(FlowExit) {
        do throws(CallerLeft) {
            try await exchange.write(bytes)
        } catch {
            body.cancel()
            throw .callerLeft
        }
    }
}

extension UpstreamResponse {
    /// What the head says about the length of the body, in an answer to HEAD of the body that GET would have got.
    var announcedFraming: ResponseFraming {
        guard let length = fields[.contentLength].flatMap({ Int($0) }), length >= 0 else { return .none }
        return .length(length)
    }

    /// JSON by its media type, whatever the vendor calls it.
    var isJSON: Bool { fields.mediaTypeIsJSON }
}
