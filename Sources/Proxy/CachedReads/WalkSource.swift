// A fetch of the largest page, as what pages of a walk are cut out of it need it: where its rows stand.

import Caching
import ClashAPI
import Crypto
import Ground
import NIOCore

/// Kept beside such a fetch. Immutable.
final class WalkSource: AnswerRendering {
    let parts: ListPageParts

    var byteCount: Int { parts.byteCount }

    /// Nil where the body is no page of a paged list whose links lead on by tokens that can be found.
    init?(_ body: SplicedBody, _ operation: Operation) {
        let bytes = Array(body.bytes.readableBytesView)
        guard let parts = ListPageParts(bytes.span, of: operation), let paging = operation.paging else { return nil }
        if case .token(let token) = parts.next, parts.rows.isEmpty || !Self.isUsable(token, paging) { return nil }
        self.parts = parts
    }

    private static func isUsable(_ token: [UInt8], _ paging: ListPaging) -> Bool {
        switch paging.style {
        case .token:
            !token.isEmpty && token.allSatisfy(WalkToken.mayStandInQuery) && !WalkToken.isMeant(token)
        case .skip: true
        }
    }

    /// What tells one state of the list from another: its rows, its count, and whether it goes on. Upstream's own tokens are none
    /// of it.
    func digest(of body: SplicedBody) -> String {
        var plain = PlainBytes()
        plain.copy(parts.rowsArea, of: body)
        plain.copy(parts.count, of: body)
        plain.bytes.append(parts.goesOn ? 1 : 0)
        return OwnTag.digest(of: plain.bytes)
    }
}

extension OwnTag {
    /// What tells a body from others, as tags have it.
    static func digest(of bytes: [UInt8]) -> String { digest(SHA256.hash(data: bytes)) }

    /// As tags have it.
    static func digest(_ hash: SHA256Digest) -> String { mark + Hex.text(Array(hash.prefix(12))) }
}

/// Bytes of bodies without the bases of their links, and where those belong.
struct PlainBytes {
    var bytes: [UInt8] = []
    private(set) var places: [Int] = []

    /// Appends a part of a body. It may not begin or end inside a base.
    mutating func copy(_ range: Range<Int>, of body: SplicedBody) {
        let view = body.bytes.readableBytesView
        let start = view.startIndex
        var done = range.lowerBound
        for splice in body.splices where splice >= range.lowerBound && splice < range.upperBound {
            bytes += view[(start + done)..<(start + splice)]
            places.append(bytes.count)
            done = splice + body.base.utf8.count
        }
        if done < range.upperBound { bytes += view[(start + done)..<(start + range.upperBound)] }
    }

    /// The base of a link belongs here.
    mutating func markPlace() { places.append(bytes.count) }
}
