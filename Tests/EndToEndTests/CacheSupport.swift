// What the tests of the cache share: rigs with the cache turned on, an origin whose answers a test changes as it goes,
// and checks of Cache-Status and Age that are exact whatever real time passes.

import Glibc
import Synchronization
import TestSupport
import Testing

/// What an origin does with a request.
enum Reply: Sendable {
    /// These bytes, then the next request.
    case bytes(String)
    /// These bytes, then the end of the connection.
    case last(String)
    /// A reset instead of an answer.
    case reset
    /// Nothing until the proxy gives up.
    case silence
}

/// An origin whose script can be replaced while it runs.
final class ChangingOrigin: Sendable {
    /// Gets the number of the request, from 1 over all connections, and may block.
    typealias Script = @Sendable (Int, ReceivedRequest) -> Reply

    private final class Shared: Sendable {
        let script: Mutex<Script>
        init(_ script: @escaping Script) { self.script = Mutex(script) }
    }

    let received = Received()
    let server: ScriptedOrigin
    private let shared: Shared

    init(_ script: @escaping Script) {
        let (shared, received) = (Shared(script), received)
        self.shared = shared
        server = ScriptedOrigin { connection in
            while true {
                let request = try connection.readRequest()
                let number = received.add(request)
                let script = shared.script.withLock { $0 }
                switch script(number, request) {
                case .bytes(let text): try connection.send(text)
                case .last(let text):
                    try connection.send(text)
                    return
                case .reset: return connection.reset()
                case .silence:
                    connection.readUntilClosed()
                    return
                }
            }
        }
    }

    /// From the next request on.
    func become(_ script: @escaping Script) { shared.script.withLock { $0 = script } }

    /// The same bytes for every request from now on.
    func become(always answer: String) { become { _, _ in .bytes(answer) } }

    /// How many requests it got.
    var count: Int { received.count }

    /// How many whose request line contains this.
    func count(_ part: String) -> Int { received.all.filter { $0.requestLine.contains(part) }.count }
}

/// Runs a test against a rig with the cache on, in front of an origin of its own.
func withCache(
    _ flags: [String] = [], file: String = "", _ script: @escaping ChangingOrigin.Script,
    _ body: (Rig, ChangingOrigin) async throws -> Void
) async throws {
    let origin = ChangingOrigin(script)
    try await withRig { options in
        options.origin = origin.server
        options.file = file
        options.flags = ["cache.enabled=true"] + flags
    } _: { rig in
        // Also when the test fails, lest threads of the origin outlive it.
        defer { origin.server.stop() }
        try await body(rig, origin)
    }
}

/// The same in front of an origin whose answers are numbered pages.
func withNumberedPages(
    _ flags: [String] = [], headers: String = "", _ body: (Rig, ChangingOrigin) async throws -> Void
) async throws {
    try await withCache(flags, { number, _ in .bytes(numbered(number, headers)) }, body)
}

/// The same in front of the simulator.
func withCachedWorld(
    _ flags: [String] = [], _ change: (inout RigOptions) -> Void = { _ in }, _ body: (Rig) async throws -> Void
) async throws {
    try await withRig(
        { options in
            change(&options)
            options.flags = ["cache.enabled=true"] + options.flags + flags
        }, body)
}

/// Paths that origins of scripts know nothing about, but the proxy does.
enum Path {
    static let iTwin = "/clash-detection/itwins/i"
    static let reports = "/clash-detection/itwins/i/reports"
    static let tests = "/clash-detection/itwins/i/tests"
    static let deletion = "/clash-detection/itwins/i/reports/jobs/deletion"
}

/// A JSON answer that tells which request it answers: `{"number":3}`, with `rows` as a page of reports before it.
func numbered(_ number: Int, _ headers: String = "", rows: String? = nil) -> String {
    json(numberedBody(number, rows: rows), headers: headers)
}

func numberedBody(_ number: Int, rows: String? = nil) -> String {
    let link = "https://api.bentley.com/clash-detection/itwins/i/reports"
    return
        #"{"count":9,"reports":[\#(rows ?? "")],"_links":{"self":{"href":"\#(link)"},"prev":null},"number":\#(number)}"#
}

/// A row of a page of v2 reports.
func report(_ id: String, status: Int = 1) -> String { #"{"id":"\#(id)","status":\#(status)}"# }

/// An answer to a write, with this status line.
func writeAnswer(_ status: String) -> String {
    status.hasPrefix("204") ? "HTTP/1.1 \(status)\r\n\r\n" : json("{}", status: status)
}

/// The body of a v2 job.
func job(_ ids: String..., operation: String = "delete") -> String {
    let list = ids.map { "\"\($0)\"" }.joined(separator: ",")
    return #"{"jobs":[\#(list)],"operation":"\#(operation)"}"#
}

extension Rig {
    /// A read and the number of the upstream request that answered it.
    func number(_ target: String, _ headers: [(String, String)] = []) async throws -> Int {
        try await get(target, headers).number
    }

    /// Many at once.
    func gather(
        _ count: Int, _ target: String, _ headers: [(String, String)] = []
    ) async throws -> [RawResponse] {
        try await withThrowingTaskGroup(of: RawResponse.self) { group in
            for _ in 0..<count { group.addTask { try await self.get(target, headers) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
    }
}

/// Real time since a test began, by which ages may be larger than what the clock was moved.
struct Stopwatch {
    private let start = ContinuousClock.now

    /// Whole seconds that may have been begun since.
    var begunSeconds: Int { Int((ContinuousClock.now - start).components.seconds) + 1 }
}

extension RawResponse {
    /// The number in a numbered page; 0 when it is none.
    var number: Int {
        guard let start = text.firstRange(of: "\"number\":")?.upperBound else { return 0 }
        return Int(text[start...].prefix { $0.isNumber }) ?? 0
    }

    /// All of Cache-Status.
    var cacheStatus: String { values("Cache-Status").joined(separator: " | ") }

    /// It went upstream, and Cache-Status says exactly this behind `fwd=`.
    func expectForwarded(
        _ rest: String, number: Int? = nil, _ note: String = "", at location: SourceLocation = #_sourceLocation
    ) {
        #expect(cacheStatus == "clash-proxy; fwd=\(rest)", "\(note) \(statusLine)", sourceLocation: location)
        #expect(values("Age").isEmpty, "\(note)", sourceLocation: location)
        #expect(values("Server-Timing").count == 1, "\(note)", sourceLocation: location)
        if let number { #expect(self.number == number, "\(note) \(text)", sourceLocation: location) }
    }

    /// A fresh answer out of the cache, `age` seconds old by the moved clock, of `lifetime` seconds.
    func expectHit(
        lifetime: Int, age: Int = 0, _ watch: Stopwatch, number: Int? = nil, status: Int = 200, _ note: String = "",
        at location: SourceLocation = #_sourceLocation
    ) {
        let slack = watch.begunSeconds
        let ttl = parameter("ttl") ?? Int.min
        let shown = self["Age"].flatMap { Int($0) } ?? Int.min
        #expect(cacheStatus == "clash-proxy; hit; ttl=\(ttl)", "\(note) \(statusLine)", sourceLocation: location)
        #expect((lifetime - age - slack...lifetime - age).contains(ttl), "\(note)", sourceLocation: location)
        #expect((age...age + slack).contains(shown), "\(note) Age \(shown)", sourceLocation: location)
        expectOutOfCache(status, number, note, location)
    }

    /// A stale answer out of the cache, `age` seconds old by the moved clock, of `lifetime` seconds.
    func expectStale(
        _ detail: String, lifetime: Int, age: Int, _ watch: Stopwatch, number: Int? = nil, _ note: String = "",
        at location: SourceLocation = #_sourceLocation
    ) {
        let slack = watch.begunSeconds
        let ttl = parameter("ttl") ?? Int.max
        let shown = self["Age"].flatMap { Int($0) } ?? Int.min
        #expect(
            cacheStatus == "clash-proxy; hit; ttl=\(ttl); detail=\(detail)", "\(note) \(statusLine)",
            sourceLocation: location)
        let range = lifetime - age - slack...min(lifetime - age, -1)
        #expect(range.contains(ttl), "\(note) \(ttl)", sourceLocation: location)
        #expect((age...age + slack).contains(shown), "\(note) Age \(shown)", sourceLocation: location)
        expectOutOfCache(200, number, note, location)
    }

    private func expectOutOfCache(_ status: Int, _ number: Int?, _ note: String, _ location: SourceLocation) {
        #expect(self.status == status, "\(note)", sourceLocation: location)
        #expect(values("Via") == ["1.1 clash-proxy"], "\(note)", sourceLocation: location)
        #expect(values("x-correlation-id").count == 1, "\(note)", sourceLocation: location)
        #expect(values("Date").count == 1, "\(note)", sourceLocation: location)
        #expect(ending == .complete, "\(note)", sourceLocation: location)
        if let number { #expect(self.number == number, "\(note) \(text)", sourceLocation: location) }
    }

    /// A number among the parameters of Cache-Status.
    private func parameter(_ name: String) -> Int? {
        guard let start = cacheStatus.firstRange(of: "\(name)=")?.upperBound else { return nil }
        return Int(cacheStatus[start...].prefix { $0 == "-" || $0.isNumber })
    }
}

/// An HTTP date of the rig's clock, `offset` seconds away.
func httpDate(_ rig: Rig, _ offset: Int = 0) -> String {
    var seconds = time_t(rig.clock.wall.components.seconds) + offset
    var parts = tm()
    gmtime_r(&seconds, &parts)
    var buffer = [CChar](repeating: 0, count: 64)
    let count = strftime(&buffer, buffer.count, "%a, %d %b %Y %H:%M:%S GMT", &parts)
    return String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
