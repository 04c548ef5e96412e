// Tools, writes and fetches in random order around one store and one table of flights, driven as the proxy drives them,
// and an account of what may be answered. Every answer is judged against the account; the first mistake ends the run.

import HTTPTypes
import NIOCore
import TestSupport

@testable import Caching

struct CacheWorld {
    typealias Instant = ContinuousClock.Instant

    /// What a tool wants.
    struct Query {
        let partition: String
        let resource: Resource
        let language: String
        let key: CacheKey
        let page: ListPage?

        var fields: HTTPFields { StoreFixture.request(language: language) }
    }

    /// A tool's request under way.
    struct Rider {
        let query: Query
        /// What had been deleted, and told so, when it began.
        let deletedBefore: Set<Int>
    }

    struct Fetch {
        enum Phase { case queued, sent, shown }

        let flight: Flight<Int>
        let query: Query
        var riders: [Rider]
        var phase = Phase.queued
        var ticket: CacheStore.Ticket?
        /// When it was sent, as a count of steps.
        var begun = 0
        var revalidating: CachedAnswer?
        var shown: Shown?
        var reserved = 0
    }

    struct Write {
        enum Kind { case create, update(Int), delete(Int), unknown }
        enum Outcome { case done, refused, noAnswer }

        let kind: Kind
        let itwin: Int
        let outcome: Outcome
        /// How long a job takes to delete after it was answered.
        let lingers: Duration
        var isApplied = false
    }

    let seed: UInt64
    var random: SeededGenerator
    let clock = TestClock()
    let maxBytes: Int
    let store: CacheStore
    let table: FlightTable<Int>
    var upstream: ModelUpstream
    var fetches: [Fetch] = []
    var writes: [Write] = []
    var account = CacheAccount()
    /// What was seen, to know that the run tried something.
    var seen: [String: Int] = [:]
    var step = 0
    private(set) var mistake: String?

    static let partitions = ["own", "token:a", "token:b"]
    static let languages = ["en", "de"]
    static let itwins = 3

    init(seed: UInt64, maxBytes: Int) {
        self.seed = seed
        self.maxBytes = maxBytes
        random = SeededGenerator(seed: seed)
        let maxEntryBytes = Bool.random(using: &random) ? maxBytes / 8 : maxBytes
        store = CacheStore(
            limits: CacheLimits(
                maxBytes: maxBytes, maxEntryBytes: maxEntryBytes,
                staleWhileRevalidate: .seconds([0, 0, 4, 30][Int(random.next() % 4)]),
                staleIfError: .seconds(Int.random(in: 0...300, using: &random))))
        table = FlightTable(time: FlightFixture.time(clock))
        upstream = ModelUpstream(itwins: Self.itwins, using: &random)
    }

    /// Runs until the steps are done or something is wrong.
    mutating func run(steps: Int) {
        while step < steps, mistake == nil {
            step += 1
            oneStep()
            let held = store.statistics
            check(held.bytes <= maxBytes, "\(held.bytes) bytes are held")
        }
        while !fetches.isEmpty, mistake == nil {
            step += 1
            advance(fetches.count - 1)
        }
        for fetch in fetches { fetch.flight.end(0) }
        seen["evicted"] = store.statistics.evictions
        if mistake == nil {
            store.invalidate(.everything, now: clock.now)
            let left = store.statistics.entries + table.count
            check(left == 0, "something is left")
        }
    }

    mutating func check(_ condition: Bool, _ message: @autoclosure () -> String) {
        guard !condition, mistake == nil else { return }
        mistake = "seed \(seed), step \(step): \(message())"
    }

    mutating func saw(_ what: String) { seen[what, default: 0] += 1 }

    private mutating func oneStep() {
        switch Int.random(in: 0..<200, using: &random) {
        case 0..<65: read(anyQuery())
        case 65..<175: if let index = fetches.indices.randomElement(using: &random) { advance(index) }
        case 175..<178: beginWrite()
        case 178..<185: if let index = writes.indices.randomElement(using: &random) { advanceWrite(index) }
        case 185..<195: clock.advance(by: .milliseconds(Int.random(in: 1...4000, using: &random)))
        case 195: clock.advance(by: .seconds(Int.random(in: 1...400, using: &random)))
        case 196..<198: changeElsewhere()
        case 198: if random.next() % 3 == 0 { purge() }
        default: store.sweep(now: clock.now)
        }
    }

    /// The first page of the list that this one is a page of.
    func firstPage(of query: Query) -> Query {
        let resource = Resource.page(itwin: query.resource.itwin, number: 0)
        return self.query(resource, partition: query.partition, language: query.language)
    }

    private mutating func anyQuery() -> Query {
        let itwin = Int.random(in: 0..<Self.itwins, using: &random)
        var resource = Resource.page(itwin: itwin, number: Int(random.next() % 6 / 2))
        if random.next() % 4 == 0, let id = upstream.anyReport(itwin, using: &random) {
            resource = .report(id: id, itwin: itwin)
        }
        let partition = Self.partitions[max(Int(random.next() % 6) - 3, 0)]
        let language = Self.languages[Int(random.next() % 2)]
        return query(resource, partition: partition, language: language)
    }

    private func query(_ resource: Resource, partition: String, language: String) -> Query {
        Query(
            partition: partition, resource: resource, language: language,
            key: StoreFixture.key(resource.target, partition: partition),
            page: resource.listTarget.map {
                StoreFixture.page(of: $0, isFirst: resource.isFirstPage, partition: partition)
            })
    }
}
