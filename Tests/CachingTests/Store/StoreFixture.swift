// What the tests of the stored answers share: keys, answers and requests in short form.

import HTTPTypes
import NIOCore
import Testing

@testable import Caching

enum StoreFixture {
    typealias FieldName = HTTPField.Name

    /// Where the tests' clocks begin.
    static let start = ContinuousClock.now

    static func at(_ seconds: Int) -> ContinuousClock.Instant { start + .seconds(seconds) }

    static func name(_ text: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(text) else { preconditionFailure("no field name: \(text)") }
        return name
    }

    static let language = name("X-Language")

    static func request(language value: String? = nil) -> HTTPFields {
        var fields = HTTPFields()
        if let value { fields[language] = value }
        return fields
    }

    static func key(_ target: String, partition: String = "own") -> CacheKey {
        var key = CacheKey(partition: partition, estimatedBytes: target.utf8.count + 8)
        key.appendTarget { $0 += target.utf8 }
        return key
    }

    static func page(of target: String, isFirst: Bool, partition: String = "own", count: Int? = nil) -> ListPage {
        ListPage(list: key(target, partition: partition), isFirst: isFirst, count: count)
    }

    /// An answer whose digest is its text.
    static func answer(
        _ text: String = "text", bytes: Int = 0, lifetime: Int = 30, at seconds: Int = 0, tags: [String] = [],
        objects: [String] = [], page: ListPage? = nil
    ) -> CachedAnswer {
        var body = ByteBuffer(string: text)
        if bytes > 0 { body.writeRepeatingByte(0x20, count: bytes) }
        return CachedAnswer(
            status: .ok, fields: [.contentType: "application/json"], body: SplicedBody(bytes: body), digest: text,
            freshness: Freshness(lifetime: .seconds(lifetime)), receivedAt: at(seconds), tags: TagSet(tags),
            objects: TagSet(objects), page: page)
    }

    static func store(maxBytes: Int = 1 << 20, maxEntryBytes: Int = 1 << 18) -> CacheStore {
        CacheStore(limits: CacheLimits(maxBytes: maxBytes, maxEntryBytes: maxEntryBytes))
    }
}

extension CacheStore {
    /// A fetch from its begin to its end, with nothing happening meanwhile.
    @discardableResult
    func fetch(
        _ answer: CachedAnswer, under key: CacheKey, vary: [HTTPField.Name] = [], request: HTTPFields = HTTPFields(),
        now: ContinuousClock.Instant = StoreFixture.start
    ) -> CacheReason? {
        let ticket = begin(key)
        defer { end(ticket) }
        return store(answer, under: key, vary: vary, request: request, ticket: ticket, now: now)
    }

    /// The text that is stored and fresh.
    func text(_ key: CacheKey, request: HTTPFields = HTTPFields(), at seconds: Int = 0) -> String? {
        guard case .fresh(let answer, _) = find(key, request: request, now: StoreFixture.at(seconds)) else {
            return nil
        }
        return answer.digest
    }

    /// Why there is nothing.
    func forward(_ key: CacheKey, request: HTTPFields = HTTPFields()) -> CacheStatus.Forward? {
        guard case .nothing(let why) = find(key, request: request, now: StoreFixture.start) else { return nil }
        return why
    }
}
