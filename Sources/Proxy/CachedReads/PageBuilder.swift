// Makes of upstream's bytes what is kept: links that begin with this proxy, tags, lifetime by what the body shows, and a
// digest for the ETag.

import Caching
import ClashAPI
import Crypto
import Ground
import HTTPTypes
import NIOCore

struct PageBuilder: Sendable {
    let links: LinkSettings
    let lifetimes: PageLifetimes
    let runs: StartedRuns
    let environment: Environment

    /// A page, and whether it may be kept.
    struct Built {
        var answer: CachedAnswer
        var notStorable: CacheReason?
        /// The body is not whole: it stops inside its coding or its JSON, or nothing proves its end and as JSON it has none.
        var isBrokenOff = false
        /// Tags of runs that were under way a moment ago, as far as anybody knew, and that it shows ended.
        var endedRuns: [String] = []
    }

    // MARK: Freshness

    /// What the head says about storing. For what upstream does not say, its clock is not consulted either: our own
    /// lifetimes count from the moment the answer came.
    func judge(
        _ status: HTTPResponse.Status, _ fields: HTTPFields, _ operation: Operation, isKnown: Bool, delay: Duration
    ) -> StoringRules.Verdict {
        func judged(_ fields: HTTPFields) -> StoringRules.Verdict {
            StoringRules.judge(
                status: status.code, fields: fields, heuristic: lifetimes.expected(operation),
                needsPermission: !isKnown, receivedAt: environment.wallTime().seconds, responseDelay: delay)
        }
        let verdict = judged(fields)
        guard case .store(let freshness) = verdict, !freshness.isExplicit else { return verdict }
        return judged(fields.withoutDate)
    }

    /// The body is the stored one, but how long it may be believed is judged anew: runs end, and others are started.
    func judgeRevalidated(
        _ old: CachedAnswer, _ fields: HTTPFields, _ match: OperationMatch, delay: Duration
    ) -> (StoringRules.Verdict, HTTPFields) {
        let lifetime = old.freshness.isExplicit ? nil : lifetimeAnew(old, match, delay: delay)
        func judged(_ stored: HTTPFields, _ fields: HTTPFields) -> (StoringRules.Verdict, HTTPFields) {
            let (verdict, merged) = StoringRules.judgeRevalidated(
                stored: stored, notModified: fields, heuristic: lifetime, needsPermission: !match.isKnown,
                receivedAt: environment.wallTime().seconds, responseDelay: delay)
            return (verdict, merged)
        }
        let (verdict, merged) = judged(old.fields, fields)
        guard case .store(let freshness) = verdict, !freshness.isExplicit else { return (verdict, merged) }
        guard case .store(var undated) = judged(old.fields.withoutDate, fields.withoutDate).0 else {
            return (verdict, merged)
        }
        if let expected = lifetimes.expected(match.operation), undated.lifetime < expected {
            undated.staleWhileRevalidate = .zero
        }
        return (.store(undated), merged)
    }

    private func lifetimeAnew(_ old: CachedAnswer, _ match: OperationMatch, delay: Duration) -> Duration {
        let now = environment.now()
        var rows: ResponseRows?
        if ContentCoding(old.fields).isNone, old.body.bytes.readableBytes <= Self.maxBytesReadAgain {
            var scanner = ResponseRowScanner(operation: match.operation)
            scanner.consume(Array(old.body.bytes.readableBytesView))
            rows = scanner.finish()
        }
        let mayChange = runs.concern(match, rows, asked: now - delay, now: now)
        if let rows, rows.isComplete, let settled = lifetimes.settled(match.operation, rows, mayChange: mayChange) {
            return settled
        }
        return mayChange ? min(old.freshness.lifetime, lifetimes.inProgress) : old.freshness.lifetime
    }

    private static let maxBytesReadAgain = 1 << 20

    // MARK: Answers

    /// A 200. `fields` are upstream's end-to-end fields; `base` is how the first tool that asked knows this proxy.
    func page(
        _ match: OperationMatch, _ request: HTTPFields, _ fields: HTTPFields, _ chunks: [[UInt8]], _ given: Freshness,
        askedAt: ContinuousClock.Instant, receivedAt: ContinuousClock.Instant, page: ListPage?, endIsProven: Bool,
        base: String, shape: PageShape, load: Double
    ) async -> Built {
        let coding = ContentCoding(fields)
        let isJSON = fields.mediaTypeIsJSON
        let rewrites = isJSON && coding.isNone && match.operation.carriesLinks
        var reading = PageReading(match.operation, coding: coding, rewrites: rewrites ? links : nil)
        let (read, digestOfRead, rows) = await reading.read(chunks, isJSON: isJSON, base: base)
        let isReadable = isJSON && rows.isComplete && (coding.isNone || reading.codedIsWhole)
        var freshness = given
        var notStorable: CacheReason? = endIsProven ? nil : .incomplete
        var endedRuns: [String] = []
        if match.isKnown {
            // Without knowing what it shows, nobody could tell which writes make it untrue.
            if !isReadable { notStorable = .incomplete }
            let rows = isReadable ? rows : nil
            let now = environment.now()
            let mayChange = runs.concern(match, rows, asked: askedAt, now: now)
            let outlook = rows.map {
                runs.outlook(
                    $0, usual: lifetimes.inProgress, longest: max(lifetimes.list, lifetimes.inProgress), load: load,
                    now: now)
            }
            endedRuns = outlook?.ended ?? []
            if !freshness.isExplicit,
                let settled = lifetimes.settled(match.operation, rows, mayChange: mayChange, life: outlook?.life)
            {
                // What changes by the second is not to be one refresh behind.
                if settled < freshness.lifetime { freshness.staleWhileRevalidate = .zero }
                freshness.lifetime = settled
            }
        }
        let stored = StoredFields.forStoring(withDate(fields))
        var words = match.tags(headers: request) + rows.tags
        if !match.isKnown { words.append(PageCache.unknownOperationTag) }
        if !isReadable || rows.held.areIncomplete { words += match.tagsOfAnyID }
        let tags = TagSet(words, hashes: rows.held.hashes)
        let page = page.map {
            ListPage(
                list: $0.list, isFirst: $0.isFirst, count: rows.listCount.flatMap { Int($0) },
                isForWalks: $0.isForWalks)
        }
        let (body, digest, source) =
            isReadable && coding.isNone
            ? shaped(read, digestOfRead, shape, match.operation, base: base) : (read, digestOfRead, nil)
        let answer = CachedAnswer(
            status: .ok, fields: stored, body: body, digest: digest, freshness: freshness, receivedAt: receivedAt,
            tags: tags, objects: match.objects(rows), page: page,
            rendering: source ?? PageHead(stored, isKnown: match.isKnown))
        return Built(
            answer: answer, notStorable: notStorable,
            isBrokenOff: isJSON && coding.isNone && !endIsProven && !rows.isComplete
                || match.isKnown && reading.endedInside(rows),
            endedRuns: endedRuns)
    }

    /// A page as it is wanted: with links of ours, or so that pages of walks can be cut out of it.
    private func shaped(
        _ body: SplicedBody, _ digest: String, _ shape: PageShape, _ operation: Operation, base: String
    ) -> (SplicedBody, digest: String, WalkSource?) {
        switch shape {
        case .asItIs: return (body, digest, nil)
        case .ownLinks(let walk):
            guard let own = walk.withOwnLinks(body, base: base) else { return (body, digest, nil) }
            return (own, OwnTag.digest(of: own.plain), nil)
        case .forWalks:
            guard let source = WalkSource(body, operation) else { return (body, digest, nil) }
            return (body, source.digest(of: body), source)
        }
    }

    /// Upstream's own error or redirection, for those who wait for it; never stored.
    func error(
        _ status: HTTPResponse.Status, _ fields: HTTPFields, _ chunks: [[UInt8]], receivedAt: ContinuousClock.Instant
    ) -> CachedAnswer {
        CachedAnswer(
            status: status, fields: withDate(fields), body: SplicedBody(bytes: ByteBuffer(joining: chunks)), digest: "",
            freshness: Freshness(lifetime: .zero), receivedAt: receivedAt)
    }

    /// The same answer with the fields of a 304.
    func renewed(
        _ old: CachedAnswer, _ fields: HTTPFields, _ freshness: Freshness, receivedAt: ContinuousClock.Instant,
        isKnown: Bool
    ) -> CachedAnswer {
        CachedAnswer(
            status: .ok, fields: fields, body: old.body, digest: old.digest, freshness: freshness,
            receivedAt: receivedAt, tags: old.tags, objects: old.objects, page: old.page,
            rendering: old.rendering as? WalkSource ?? PageHead(fields, isKnown: isKnown))
    }

    /// An answer without a date gets the time at which it came (RFC 9110, 6.6.1).
    func withDate(_ fields: HTTPFields) -> HTTPFields {
        guard fields[.date] == nil else { return fields }
        var fields = fields
        fields[.date] = HTTPDate.text(environment.wallTime().seconds)
        return fields
    }
}

extension ByteBuffer {
    /// A buffer of exactly these bytes.
    fileprivate init(joining chunks: [[UInt8]]) {
        self = ByteBufferAllocator().buffer(capacity: chunks.reduce(0) { $0 + $1.count })
        for chunk in chunks { writeBytes(chunk) }
    }
}

extension HTTPFields {
    fileprivate var withoutDate: HTTPFields {
        var fields = self
        fields[.date] = nil
        return fields
    }
}

extension OperationMatch {
    /// The objects that an answer shows whole: those asked for and the rows of a list.
    fileprivate func objects(_ rows: ResponseRows) -> TagSet {
        guard let kind = operation.objectKind else { return TagSet([]) }
        let shown = operation.family == .manualSuppressions ? [] : rows.ids
        return TagSet((objectIDs + shown).map { Tag.object(kind, $0) })
    }
}

/// One reading of a body: its links, its rows and its digest in one pass over slices, so that a large body does not hold
/// its event loop for long.
private struct PageReading {
    private var rewriter: LinkRewriter?
    private var scanner: ResponseRowScanner
    private var hash = SHA256()
    private let coding: ContentCoding
    /// Whether a gzip-coded body was read to its end.
    private(set) var codedIsWhole = false
    private var codedIsInside = false

    private static let slice = 256 << 10

    init(_ operation: Operation, coding: ContentCoding, rewrites links: LinkSettings?) {
        self.coding = coding
        scanner = ResponseRowScanner(operation: operation)
        rewriter = links.map {
            LinkRewriter(
                translator: LinkTranslator(rules: $0.rules, allowedPrefixes: $0.allowPrefixes, base: ""),
                keepsStarts: true)
        }
    }

    mutating func read(
        _ chunks: [[UInt8]], isJSON: Bool, base: String
    ) async -> (SplicedBody, digest: String, ResponseRows) {
        var rewritten: [UInt8] = []
        if rewriter != nil { rewritten.reserveCapacity(chunks.reduce(256) { $0 + $1.count }) }
        var coded = CodedReading()
        var (sinceYield, seen) = (0, 0)
        for chunk in chunks {
            if isJSON, coding.isNone { scanner.consume(chunk) }
            if coding.isGzip { coded.read(chunk) { if isJSON { scanner.consume($0) } } }
            rewriter?.rewrite(chunk, into: &rewritten)
            if rewriter == nil { hash.update(data: chunk) }
            sinceYield += chunk.count + coded.produced - seen
            seen = coded.produced
            if sinceYield > Self.slice {
                sinceYield = 0
                await Task.yield()
            }
        }
        codedIsWhole = coded.isWhole
        codedIsInside = coded.isInside
        rewriter?.finish(into: &rewritten)
        if rewriter != nil { hash.update(data: rewritten) }
        let digest = OwnTag.digest(hash.finalize())
        let body =
            rewriter.map { SplicedBody(rewritten, places: $0.linkStarts, base: base) }
            ?? SplicedBody(bytes: ByteBuffer(joining: chunks))
        return (body, digest, scanner.finish())
    }

    /// Whether the body stopped in the middle, of its coding or of what is coded.
    func endedInside(_ rows: ResponseRows) -> Bool {
        codedIsInside || rows.endedInside && (coding.isNone || codedIsWhole)
    }
}
