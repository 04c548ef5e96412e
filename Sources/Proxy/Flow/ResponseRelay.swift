// Brings upstream's answer to the tool: end-to-end fields, rewritten links, the body with back-pressure.

import Caching
import ClashAPI
import CurlTransport
import Edge
import Ground
import HTTPTypes

struct ResponseRelay: Sendable {
    let links: LinkSettings
    let environment: Environment

    /// So much of a page is looked at before its head goes out, so that ordinary pages keep a Content-Length.
    private static let heldPageBytes = 256 << 10

    /// - Parameters:
    ///   - verdict: what the cache had to do with it.
    ///   - body: where the bytes come from.
    func run(
        _ response: UpstreamResponse, _ call: UpstreamCall, _ visit: Visit, _ verdict: CacheVerdict,
        body given: RelayedBody
    ) async throws(FlowExit) {
        visit.record.cache = verdict
        visit.record.source = verdict.source
        var body = given
        var fields = answerFields(response, call, visit, verdict)
        let isPage =
            call.match.operation.carriesLinks && response.isJSON && response.status != .partialContent
            && ContentCoding(response.fields).isNone
        if isPage { fields.replace(.eTag) { $0.starts(with: "W/".utf8) ? nil : Array("W/".utf8) + $0 } }
        if response.status.hasNoBody {
            fields[.contentType] = nil
            await body.discard()
            visit.wire.respond(response.status, timed(fields, visit), body: [])
        } else if visit.head.method == .head {
            // Rewriting changes the length of a page, and only GET knows by how much.
            visit.wire.begin(response.status, timed(fields, visit), isPage ? .none : response.announcedFraming)
            await body.discard()
            visit.wire.end()
        } else if isPage {
            try await relayPage(response, fields, &body, visit, call)
        } else {
            try await relayBytes(response, fields, &body, visit, call)
        }
    }

    /// Says that a delete was carried out, in upstream's place: 204 for DELETE, 202 for a v2 job.
    func settled(_ visit: Visit) {
        let verdict = CacheVerdict.settled
        visit.record.cache = verdict
        visit.record.source = verdict.source
        visit.record.detail = "settled by a read"
        let isJob = visit.head.method != .delete
        var fields = HTTPFields()
        if isJob { fields[.contentType] = "application/json" }
        fields[.cacheStatus] = verdict.status.headerValue
        OwnFields.add(correlationID: visit.correlationID, corsOrigin: visit.admission.corsOrigin, to: &fields)
        visit.wire.respond(
            isJob ? .accepted : .noContent, timed(fields, visit), body: isJob ? Array("{}".utf8) : [])
    }

    // MARK: Fields

    private func answerFields(
        _ response: UpstreamResponse, _ call: UpstreamCall, _ visit: Visit, _ verdict: CacheVerdict
    ) -> HTTPFields {
        var dropped = HeaderTraits.dropDownstream
        if visit.admission.corsOrigin != nil { dropped.insert(.cors) }
        var fields = response.fields.endToEnd(dropping: dropped)
        if fields.contains(.location) { fields.replace(.location, translator(visit).rewriteLocation) }
        // RFC 9110 section 6.6.1.
        if !fields.contains(.date) {
            fields[.date] = HTTPDate.text(environment.wallTime().seconds)
        }
        if let word = OwnFields.cacheControl(for: response.fields, isKnown: call.match.isKnown) { fields.append(word) }
        visit.progress.facts.addRateLimit(to: &fields)
        fields.append(HTTPField(name: .cacheStatus, value: verdict.status.headerValue))
        OwnFields.add(correlationID: visit.correlationID, corsOrigin: visit.admission.corsOrigin, to: &fields)
        return fields
    }

    /// With the time until now, when the head goes out.
    private func timed(_ fields: HTTPFields, _ visit: Visit) -> HTTPFields {
        var fields = fields
        let total = environment.now() - visit.record.started
        fields.append(HTTPField(name: .serverTiming, value: visit.progress.facts.times.serverTiming(of: total)))
        return fields
    }

    private func translator(_ visit: Visit) -> LinkTranslator {
        LinkTranslator(
            rules: links.rules, allowedPrefixes: links.allowPrefixes,
            base: LinkBase(links, visit.head, scheme: visit.client.scheme).text)
    }

    // MARK: Bodies

    /// The bytes as they are.
    private func relayBytes(
        _ response: UpstreamResponse, _ fields: HTTPFields, _ body: inout RelayedBody, _ visit: Visit,
        _ call: UpstreamCall
    ) async throws(FlowExit) {
        var end = BodyEnd(response, call.match)
        if body.isBufferedComplete {
            let bytes = try await body.next(call.traits) ?? []
            if try await body.next(call.traits) == nil {
                await end.read(bytes)
                try end.check(call.traits)
                return visit.wire.respond(response.status, timed(fields, visit), body: bytes)
            }
        }
        visit.wire.begin(response.status, timed(fields, visit), body.declaredLength.map { .length($0) } ?? .chunked)
        visit.wire.flush()
        var count = 0
        // What completes a declared length completes the answer, so it waits for the verdict.
        var last: [UInt8] = []
        while let bytes = try await body.next(call.traits) {
            await end.read(bytes)
            count += bytes.count
            if count == body.declaredLength { last = bytes } else { try await write(bytes, visit, body) }
        }
        try end.check(call.traits)
        if !last.isEmpty { try await write(last, visit, body) }
        visit.wire.end()
    }

    /// A page with its links rewritten; in constant memory however long it is.
    private func relayPage(
        _ response: UpstreamResponse, _ fields: HTTPFields, _ body: inout RelayedBody, _ visit: Visit,
        _ call: UpstreamCall
    ) async throws(FlowExit) {
        var rewriter = LinkRewriter(translator: translator(visit))
        var page: [UInt8] = []
        let began = environment.now()
        while page.count < Self.heldPageBytes {
            guard let bytes = try await body.next(call.traits) else {
                rewriter.finish(into: &page)
                visit.progress.facts.upstreamTime += environment.now() - began
                try check(response, rewriter, call)
                return visit.wire.respond(response.status, timed(fields, visit), body: page)
            }
            rewriter.rewrite(bytes, into: &page)
        }
        visit.progress.facts.upstreamTime += environment.now() - began
        visit.wire.begin(response.status, timed(fields, visit), .chunked)
        try await write(page, visit, body)
        while let bytes = try await body.next(call.traits) {
            page.removeAll(keepingCapacity: true)
            rewriter.rewrite(bytes, into: &page)
            try await write(page, visit, body)
        }
        page.removeAll()
        rewriter.finish(into: &page)
        try await write(page, visit, body)
        try check(response, rewriter, call)
        visit.wire.end()
    }

    private func check(
        _ response: UpstreamResponse, _ rewriter: LinkRewriter, _ call: UpstreamCall
    ) throws(FlowExit) {
        guard BodyEnd.concerns(response, call.match) else { return }
        try BodyEnd.check(endedInside: rewriter.endedInside, call.traits)
    }

    private func write(_ bytes: [UInt8], _ visit: Visit, _ body: RelayedBody) async throws(FlowExit) {
        do throws(CallerLeft) {
            try await visit.wire.write(bytes)
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
