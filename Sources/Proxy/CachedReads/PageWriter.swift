// Answers a tool with an answer that is kept: 200 or, if it has these bytes already, 304; HEAD from GET.

import Caching
import ClashAPI
import HTTPTypes
import NIOCore

struct PageWriter {
    let links: LinkSettings
    let corsOrigin: String?
    let now: ContinuousClock.Instant

    /// Larger bodies are handed to the socket as they are, smaller ones copied behind the head.
    private static let copiedBytes = 64 << 10

    /// - Parameters:
    ///   - showsAge: for answers out of the cache, and those that already had an age when they came.
    ///   - facts: of the call upstream, if there was one for this tool.
    func write(
        _ reply: StoredReply, _ visit: Visit, _ query: PageQuery
    ) {
        let (answer, status, exchange) = (reply.answer, reply.verdict.status, visit.wire)
        let base = query.base
        let isKnownToTool = query.hasPreconditions && isKnownToTool(answer, base, exchange.head.fields)
        let code = isKnownToTool ? HTTPResponse.Status.notModified : answer.status
        let length = answer.body.length(baseLength: base.text.utf8.count)
        let hasBody = !isKnownToTool && exchange.head.method != .head && answer.status != .noContent
        let isSmall = length <= Self.copiedBytes
        exchange.begin(
            code, framing: isKnownToTool || answer.status == .noContent ? .none : .length(length),
            room: ResponseHead.usualBytes + (hasBody && isSmall ? length : 0)
        ) { head in
            writeFields(answer, isKnownToTool, query, into: &head)
            if reply.showsAge {
                head.writeStaticString("Age: ")
                head.writeDecimal(Int(answer.age(at: now).components.seconds))
                head.writeStaticString("\r\n")
            }
            head.writeStaticString("Cache-Status: ")
            status.write(into: &head)
            head.writeStaticString("\r\nx-correlation-id: ")
            head.writeString(visit.correlationID)
            head.writeStaticString("\r\n")
            if reply.cameByCall { writeFacts(visit.facts, visit, into: &head) }
        }
        if hasBody {
            if isSmall {
                exchange.appendWhole(answer.body, base.text)
            } else {
                exchange.sendWhole(answer.body, base.text)
            }
        }
        exchange.end()
    }

    private func writeFacts(_ facts: CallFacts, _ visit: Visit, into head: inout ByteBuffer) {
        var fields: HTTPFields = [.serverTiming: facts.times.serverTiming(of: now - visit.record.started)]
        facts.addRateLimit(to: &fields)
        for field in fields { ResponseHead.write(field, into: &head) }
    }

    private func isKnownToTool(_ answer: CachedAnswer, _ base: LinkBase, _ request: HTTPFields) -> Bool {
        answer.status == .ok
            && Conditional.isNotModified(
                request: request, etag: PageHead.etag(answer, base: base), lastModified: answer.fields[.lastModified])
    }

    private func writeFields(
        _ answer: CachedAnswer, _ isKnownToTool: Bool, _ query: PageQuery, into head: inout ByteBuffer
    ) {
        if isKnownToTool || answer.status != .ok || corsOrigin != nil || answer.dependsOnBase {
            writeSomeFields(answer, isKnownToTool, query, into: &head)
        } else {
            head.writeImmutableBuffer(answer.head)
        }
        if answer.status == .ok { PageHead.writeETag(answer, base: query.base, into: &head) }
    }

    /// Fields that differ from the common head: a 304 has few (RFC 9110, 15.4.5), browsers get their grant.
    private func writeSomeFields(
        _ answer: CachedAnswer, _ isKnownToTool: Bool, _ query: PageQuery, into head: inout ByteBuffer
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
        for field in fields { ResponseHead.write(field, into: &head) }
    }
}

extension CachedAnswer {
    /// A `Location` leads to this proxy, as the tool knows it.
    fileprivate var dependsOnBase: Bool { fields.contains { $0.name == .location } }
}

extension CacheStatus {
    fileprivate func write(into buffer: inout ByteBuffer) {
        if case .hit(let ttl) = self {
            buffer.writeStaticString("clash-proxy; hit; ttl=")
            buffer.writeDecimal(ttl)
        } else {
            buffer.writeString(headerValue)
        }
    }
}

extension ByteBuffer {
    /// Decimal digits, without a string in between.
    mutating func writeDecimal(_ number: Int) {
        if number >= 0, number < 10 {
            writeInteger(UInt8(ascii: "0") + UInt8(number))
        } else {
            writeString(String(number))
        }
    }
}
