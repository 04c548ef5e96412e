// Answers a tool with an answer that is kept: 200 or, if it has these bytes already, 304; HEAD from GET.

import Caching
import ClashAPI
import Edge
import Ground
import HTTPTypes
import NIOCore

struct PageWriter {
    let links: LinkSettings
    let corsOrigin: String?
    let now: ContinuousClock.Instant

    /// Room for the pieces of a body that is put together for this tool.
    private static let copiedPieces = 64 << 10

    func write(_ reply: StoredReply, _ visit: Visit, _ query: PageQuery) {
        let (answer, status, exchange) = (reply.answer, reply.verdict.status, visit.wire)
        let base = query.base
        let isKnownToTool = query.hasPreconditions && Self.isKnownToTool(answer, base, exchange.head.fields)
        let code = isKnownToTool ? HTTPResponse.Status.notModified : answer.status
        let length = answer.body.length(base: base.text)
        let hasBody = !isKnownToTool && exchange.head.method != .head && answer.status != .noContent
        let isWhole = answer.body.isWhole(base: base.text)
        exchange.begin(
            code, framing: isKnownToTool || answer.status == .noContent ? .none : .length(length),
            room: ResponseHead.usualBytes + (hasBody && !isWhole ? min(length, Self.copiedPieces) : 0)
        ) { head in
            writeFields(answer, isKnownToTool, query, into: &head)
            if reply.showsAge {
                head.put("Age: ")
                head.put(number: answer.age(at: now).clampedSeconds)
                head.endLine()
            }
            head.put("Cache-Status: ")
            status.put(into: &head)
            head.endLine()
            head.put("x-correlation-id: ")
            head.put(text: visit.correlationID)
            head.endLine()
            if reply.appliesWait {
                head.put("Preference-Applied: wait")
                head.endLine()
            }
            if reply.cameByCall { writeFacts(visit.facts, visit, into: &head) }
        }
        if hasBody {
            if isWhole {
                exchange.send(whole: answer.body.bytes)
            } else {
                answer.body.forEachPart(base: base.text) {
                    exchange.append(piece: $0)
                } writeBase: {
                    exchange.append(piece: ByteBuffer(string: $0))
                }
            }
        }
        exchange.end()
    }

    private func writeFacts(_ facts: CallFacts, _ visit: Visit, into head: inout HeadLines) {
        var fields: HTTPFields = [.serverTiming: facts.times.serverTiming(of: now - visit.record.started)]
        facts.addRateLimit(to: &fields)
        for field in fields { head.put(field) }
    }

    /// Whether the tool's preconditions say that it has these bytes.
    static func isKnownToTool(_ answer: CachedAnswer, _ base: LinkBase, _ request: HTTPFields) -> Bool {
        answer.status == .ok
            && Conditional.isNotModified(
                request: request, etag: PageHead.etag(answer, base: base), lastModified: answer.fields[.lastModified])
    }

    private func writeFields(
        _ answer: CachedAnswer, _ isKnownToTool: Bool, _ query: PageQuery, into head: inout HeadLines
    ) {
        if !isKnownToTool, answer.status == .ok, corsOrigin == nil, !answer.dependsOnBase,
            let rendered = answer.rendering as? PageHead
        {
            head.put(rendered.lines)
        } else {
            writeSomeFields(answer, isKnownToTool, query, into: &head)
        }
        if answer.status == .ok { PageHead.putETag(answer, base: query.base, into: &head) }
    }

    /// Fields that differ from the common head: a 304 has few (RFC 9110, 15.4.5), browsers get their grant.
    private func writeSomeFields(
        _ answer: CachedAnswer, _ isKnownToTool: Bool, _ query: PageQuery, into head: inout HeadLines
    ) {
        var fields = answer.fields
        if let word = OwnFields.cacheControl(for: fields, isKnown: query.isKnown) { fields.append(word) }
        if answer.status == .ok { fields[.eTag] = nil }
        if isKnownToTool { fields = HTTPFields(fields.filter { HeaderTraits.of($0.name).contains(.inNotModified) }) }
        if fields.contains(.location) {
            fields.replace(
                .location,
                LinkTranslator(rules: links.rules, allowedPrefixes: links.allowPrefixes, base: query.base.text)
                    .rewriteLocation)
        }
        if let corsOrigin {
            fields = HTTPFields(fields.filter { !HeaderTraits.of($0.name).contains(.cors) })
            OwnFields.addGrant(for: corsOrigin, to: &fields)
        }
        fields.append(OwnFields.via)
        for field in fields { head.put(field) }
    }
}

extension CachedAnswer {
    /// A `Location` leads to this proxy, as the tool knows it.
    fileprivate var dependsOnBase: Bool { fields.contains { $0.name == .location } }
}

extension CacheStatus {
    fileprivate func put(into head: inout HeadLines) {
        if case .hit(let ttl) = self {
            head.put("clash-proxy; hit; ttl=")
            head.put(number: ttl)
        } else {
            head.put(text: headerValue)
        }
    }
}
