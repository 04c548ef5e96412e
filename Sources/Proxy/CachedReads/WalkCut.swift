// A page of a walk as tools get it: rows byte for byte as upstream sent them, the count that upstream said, and links with
// tokens of this proxy.

import Caching
import ClashAPI
import Ground
import HTTPTypes
import NIOCore

extension WalkGathering {
    /// The page; nil while nothing has been gathered.
    ///
    /// - Parameter base: what links begin with for the tool that asks.
    func cut(base: String, now: ContinuousClock.Instant) -> CachedAnswer? {
        guard let first = pieces.first?.page.answer else { return nil }
        let answers = pieces.map(\.page.answer)
        let oldest = answers.min { $0.timeToLive(at: now) < $1.timeToLive(at: now) } ?? first
        let plain = plainBody
        var fields = first.fields
        for name in [HTTPField.Name.eTag, .lastModified] { fields[name] = nil }
        return CachedAnswer(
            status: .ok, fields: fields, body: SplicedBody(plain.bytes, places: plain.places, base: base),
            digest: OwnTag.digest(of: plain.bytes), freshness: oldest.freshness, receivedAt: oldest.receivedAt,
            tags: answers.dropFirst().reduce(first.tags) { $0.union($1.tags) },
            objects: answers.dropFirst().reduce(first.objects) { $0.union($1.objects) },
            page: ListPage(list: walk.list, isFirst: walk.isFirst, count: first.page?.count),
            rendering: PageHead(fields, isKnown: true))
    }

    /// The page's bytes without bases of links.
    var plainBody: PlainBytes {
        var plain = PlainBytes()
        guard let first = pieces.first else { return plain }
        let (rows, links) = (first.source.parts.rowsArea, first.source.parts.links)
        let body = first.page.answer.body
        let isRowsFirst = rows.lowerBound < links.lowerBound
        let (one, other) = isRowsFirst ? (rows, links) : (links, rows)
        plain.copy(0..<one.lowerBound, of: body)
        if isRowsFirst { putRows(into: &plain) } else { putLinks(into: &plain) }
        plain.copy(one.upperBound..<other.lowerBound, of: body)
        if isRowsFirst { putLinks(into: &plain) } else { putRows(into: &plain) }
        plain.copy(other.upperBound..<body.bytes.readableBytes, of: body)
        return plain
    }

    /// Which rows of a piece are on the page.
    private func shown(of piece: Piece) -> Range<Int> {
        let from = min(max(walk.place.offset - piece.fetch.base, 0), piece.rows)
        return from..<max(min(walk.place.offset + walk.size - piece.fetch.base, piece.rows), from)
    }

    private func putRows(into plain: inout PlainBytes) {
        var isFirst = true
        for piece in pieces {
            let shown = shown(of: piece)
            if shown.isEmpty { continue }
            if !isFirst { plain.bytes.append(UInt8(ascii: ",")) }
            isFirst = false
            let rows = piece.source.parts.rows
            let area = rows[shown.lowerBound].lowerBound..<rows[shown.upperBound - 1].upperBound
            plain.copy(area, of: piece.page.answer.body)
        }
    }

    private func putLinks(into plain: inout PlainBytes) {
        guard let last = pieces.last else { return }
        var links = LinksText(walk)
        if walk.paging.linksBothWays {
            links.put("self", walk.isFirst && walk.query.token == nil ? nil : ownPlace, isNull: false)
        }
        let next = next(after: pieces.reduce(0) { $0 + shown(of: $1).count }, last)
        if next != nil || last.source.parts.next != .missing { links.put("next", next, isNull: next == nil) }
        if walk.paging.linksBothWays {
            let previous = previous
            links.put("prev", previous, isNull: previous == nil)
        }
        links.write(others: pieces.first, into: &plain)
    }

    private var ownPlace: WalkPlace {
        WalkPlace(
            generation: generation, offset: walk.place.offset, base: pieces.first?.fetch.base ?? 0,
            fetchToken: pieces.first?.fetch.token ?? [])
    }

    /// Where the page after this one begins; nil: there is none.
    private func next(after shown: Int, _ last: Piece) -> WalkPlace? {
        let offset = walk.place.offset + shown
        if isAlone { return last.source.parts.goesOn ? WalkPlace(offset: offset) : nil }
        let fetch: WalkFetch
        if offset < last.end {
            fetch = last.fetch
        } else if let following = last.following, shown > 0 {
            fetch = walk.paging.style == .skip ? WalkFetch(base: following.base, token: []) : following
        } else {
            return nil
        }
        return WalkPlace(generation: generation, offset: offset, base: fetch.base, fetchToken: fetch.token)
    }

    /// Where the page before this one begins; nil: there is none, or nobody knows how to fetch it.
    private var previous: WalkPlace? {
        guard walk.place.offset > 0, let first = pieces.first else { return nil }
        let offset = max(walk.place.offset - walk.size, 0)
        if offset >= first.fetch.base {
            return WalkPlace(
                generation: generation, offset: offset, base: first.fetch.base, fetchToken: first.fetch.token)
        }
        let base = max(first.fetch.base - walk.paging.most, 0)
        if base == 0 { return WalkPlace(generation: generation, offset: offset) }
        switch (walk.paging.style, first.source.parts.prev) {
        case (.skip, _): return WalkPlace(generation: generation, offset: offset, base: base)
        case (.token, .token(let token)) where !token.isEmpty:
            return WalkPlace(generation: generation, offset: offset, base: base, fetchToken: token)
        default: return nil
        }
    }
}

/// The `_links` of a page.
private struct LinksText {
    private let walk: WalkRequest
    private var members: [(name: String, target: [UInt8]?)] = []

    init(_ walk: WalkRequest) { self.walk = walk }

    /// - Parameter place: nil: the first page, as it was asked for.
    mutating func put(_ name: String, _ place: WalkPlace?, isNull: Bool) {
        if isNull { return members.append((name, nil)) }
        // v1 tokens carry the size of their page, as upstream's do.
        let top = place == nil ? walk.query.top : walk.paging.linksBothWays ? walk.size : nil
        members.append((name, walk.route.pageTarget(walk.query, top: top, token: place.map(walk.token))))
    }

    /// - Parameter others: its links that are none of a walk's pass as they are.
    func write(others: WalkGathering.Piece?, into plain: inout PlainBytes) {
        var separator = "{"
        for member in members {
            plain.bytes += "\(separator)\"\(member.name)\":".utf8
            separator = ","
            guard let target = member.target else {
                plain.bytes += "null".utf8
                continue
            }
            plain.bytes += "{\"href\":\"".utf8
            plain.markPlace()
            for byte in target {
                if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { plain.bytes.append(UInt8(ascii: "\\")) }
                plain.bytes.append(byte)
            }
            plain.bytes += "\"}".utf8
        }
        for other in others?.source.parts.otherLinks ?? [] {
            plain.bytes += separator.utf8
            separator = ","
            if let body = others?.page.answer.body { plain.copy(other, of: body) }
        }
        plain.bytes += (separator == "{" ? "{}" : "}").utf8
    }
}
