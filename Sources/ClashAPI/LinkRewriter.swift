// Rewrites `_links.*.href` in a JSON body as it streams by: constant memory, any chunk boundaries, every other byte
// untouched. From the first byte that is not JSON on, everything passes unchanged.

import Ground

/// Rewrites the links of one body.
///
/// One value per body; not for use from several threads at once.
package struct LinkRewriter: Sendable {
    /// Longer links are passed on as they are. In bytes of JSON, without the quotes.
    package static let maxLinkLength = 16 * 1024

    /// Whether any link was rewritten so far. If not, the output so far is the input.
    package private(set) var changed = false
    /// Where in the output rewritten links begin, as far as nothing was taken out of it: the places of the base, for
    /// whoever rewrites with an empty one and puts it in later. Only kept if asked for.
    package private(set) var linkStarts: [Int] = []

    /// Whether the body stopped in the middle of its JSON; known once it has been finished.
    package private(set) var endedInside = false

    private let keepsStarts: Bool

    private enum Role: Sendable {
        case plain
        /// The value of a `_links` member.
        case links
        /// A member of that.
        case link
    }

    private enum Name: Sendable {
        case links, href, other
    }

    private let translator: LinkTranslator
    private var scanner = JSONScanner(maxDepth: JSONScanner.depthLimit)
    private var roles: [Role] = []
    private var name = Name.other
    private var key = JSONTextReader(limit: 64)
    private var href = Href()
    private var passesThrough = false

    /// - Parameters:
    ///   - rules: which links are the proxied API's; tried in order.
    ///   - allowedPrefixes: links that do not land below one of them stay.
    ///   - base: this proxy as clients see it, such as `http://127.0.0.1:8080`.
    package init(rules: [LinkRule], allowedPrefixes: [String], base: String) {
        self.init(translator: LinkTranslator(rules: rules, allowedPrefixes: allowedPrefixes, base: base))
    }

    /// Rewrites with a translator made before; `keepsStarts` fills `linkStarts`.
    package init(translator: LinkTranslator, keepsStarts: Bool = false) {
        self.translator = translator
        self.keepsStarts = keepsStarts
    }

    /// Rewrites the next bytes of the body and appends the result, which may lag behind by one link.
    package mutating func rewrite(_ chunk: [UInt8], into out: inout [UInt8]) { rewrite(chunk.span, into: &out) }

    /// Rewrites the next bytes of the body and appends the result, which may lag behind by one link.
    package mutating func rewrite(_ chunk: Span<UInt8>, into out: inout [UInt8]) {
        /// What of the chunk has been appended or is held back.
        var done = 0
        var offset = 0
        while !passesThrough {
            switch scanner.next(in: chunk, at: &offset) {
            case .objectStart: open(roleOfChildObject)
            case .arrayStart: open(.plain)
            case .objectEnd, .arrayEnd:
                roles.removeLast()
                name = .other
            case .key(let text): readKey(text, chunk)
            case .string(let text) where name == .href: take(text, chunk, &done, into: &out)
            case .string, .number, .literal: break
            case .needsInput:
                out.append(chunk, done..<chunk.count)
                return
            case .invalid:
                href.release(into: &out)
                passesThrough = true
            }
        }
        out.append(chunk, done..<chunk.count)
    }

    /// Appends what was held back, at the end of the body.
    package mutating func finish(into out: inout [UInt8]) {
        href.release(into: &out)
        endedInside = !passesThrough && scanner.isInside
        passesThrough = true
    }

    private mutating func open(_ role: Role) {
        roles.append(role)
        name = .other
    }

    private var roleOfChildObject: Role {
        switch (roles.last, name) {
        case (.links, _): .link
        case (_, .links): .links
        default: .plain
        }
    }

    private mutating func readKey(_ text: JSONScanner.Text, _ chunk: Span<UInt8>) {
        if key.isPlain(text) {
            name = nameOfMember(chunk, text.range)
        } else if key.add(text, in: chunk) {
            let bytes = key.decoded() ?? []
            name = nameOfMember(bytes.span, bytes.indices)
        }
    }

    private func nameOfMember(_ bytes: Span<UInt8>, _ range: Range<Int>) -> Name {
        if bytes.equals("_links", in: range) { return .links }
        return roles.last == .link && bytes.equals("href", in: range) ? .href : .other
    }

    /// Holds a link's bytes back until it is complete, then appends it or its translation.
    private mutating func take(
        _ text: JSONScanner.Text, _ chunk: Span<UInt8>, _ done: inout Int, into out: inout [UInt8]
    ) {
        out.append(chunk, done..<text.range.lowerBound)
        href.append(chunk, text.range, into: &out)
        done = text.range.upperBound
        guard text.isComplete else { return }
        if let raw = href.complete(), let link = text.hasEscapes ? JSONEscapes.decode(raw) : raw,
            let translated = translator.translate(link.span)
        {
            if keepsStarts { linkStarts.append(out.count) }
            JSONEscapes.append(translated, to: &out)
            changed = true
            href.discard()
        } else {
            href.release(into: &out)
        }
    }
}

/// A link whose end has not come yet.
private struct Href: Sendable {
    private var bytes: [UInt8] = []
    private var isTooLong = false

    mutating func append(_ chunk: Span<UInt8>, _ range: Range<Int>, into out: inout [UInt8]) {
        if !isTooLong, bytes.count + range.count > LinkRewriter.maxLinkLength {
            release(into: &out)
            isTooLong = true
        }
        if isTooLong { out.append(chunk, range) } else { bytes.append(chunk, range) }
    }

    /// The whole link, or nil if it was too long to hold.
    func complete() -> [UInt8]? { isTooLong ? nil : bytes }

    mutating func discard() {
        bytes.removeAll(keepingCapacity: true)
        isTooLong = false
    }

    /// Appends what is held as it came.
    mutating func release(into out: inout [UInt8]) {
        out += bytes
        discard()
    }
}
