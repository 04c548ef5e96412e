// What the tests of the gate share: rigs with limits and a clock that only the test moves, an origin that dates what
// arrives by that clock, and ways to let time pass until everything that could go has gone.

import Proxy
import Simulator
import Synchronization
import TestSupport
import Testing

@testable import Configuration

/// A scripted origin that dates arrivals by the rig's clock.
final class LimitedOrigin: Sendable {
    struct Arrival: Sendable {
        let at: ContinuousClock.Instant
        let request: ReceivedRequest
    }

    typealias Script = @Sendable (Int, ReceivedRequest) -> String

    private final class Shared: Sendable {
        let arrivals = Mutex([Arrival]())
        let script: Mutex<Script>
        init(_ script: @escaping Script) { self.script = Mutex(script) }
    }

    let server: ScriptedOrigin
    private let shared: Shared

    /// The script gets the number of the request, from 1 over all connections, and may block.
    init(_ clock: ShiftedClock, _ script: @escaping Script) {
        let shared = Shared(script)
        self.shared = shared
        server = ScriptedOrigin { connection in
            while true {
                let request = try connection.readRequest()
                let number = shared.arrivals.withLock { arrivals in
                    arrivals.append(Arrival(at: clock.now, request: request))
                    return arrivals.count
                }
                try connection.send(shared.script.withLock { $0 }(number, request))
            }
        }
    }

    /// From the next request on.
    func become(_ script: @escaping Script) { shared.script.withLock { $0 = script } }

    var arrivals: [Arrival] { shared.arrivals.withLock { $0 } }
    var count: Int { arrivals.count }

    /// Arrivals whose request line contains this.
    func arrivals(_ part: String) -> [Arrival] { arrivals.filter { $0.request.requestLine.contains(part) } }

    /// From one arrival to the next.
    var gaps: [Duration] { zip(arrivals.dropFirst(), arrivals).map { $0.at - $1.at } }

    /// The largest number of arrivals in any closed span of this length.
    func most(in span: Duration, of part: String = "") -> Int {
        let times = arrivals(part).map(\.at)
        var (first, most) = (0, 0)
        for (index, time) in times.enumerated() {
            while time - times[first] > span { first += 1 }
            most = max(most, index - first + 1)
        }
        return most
    }
}

/// Callers of a rig with these rows besides name and rights.
struct RateCallers {
    private(set) var tables = ""
    private var keys: [String: String] = [:]

    /// One row each, such as `["script": "priority = \"batch\""]`.
    init(_ rows: [(name: String, row: String)]) throws {
        for (name, row) in rows {
            let made = try KeyGenerator.make(name: name, allow: "read,write,run,delete")
            keys[name] = made.key.withValue { $0 }
            tables += made.table + row + "\n"
        }
    }

    /// The header that says who calls.
    func key(_ name: String) -> (String, String) { ("X-Api-Key", keys[name] ?? "") }
}

/// Runs a test against a rig with a frozen clock, in front of an origin of its own; each call may wait for ten minutes.
func withLimits(
    _ flags: [String] = [], file: String = "", _ script: @escaping LimitedOrigin.Script = { _, _ in ok },
    _ body: (Rig, LimitedOrigin) async throws -> Void
) async throws {
    let clock = ShiftedClock(isFrozen: true)
    let origin = LimitedOrigin(clock, script)
    defer { origin.server.stop() }
    try await withRig { options in
        options.clock = clock
        options.origin = origin.server
        // Days pass here; what is tested is the gate, not the renewal of a token.
        options.simulator.tokenLifetime = .seconds(7 * 86_400)
        options.file = file
        options.flags = ["rate.max_wait=10m"] + flags
    } _: { rig async throws in
        try await body(rig, origin)
    }
}

/// The same in front of the simulator, whose trap counts calls that come before a wait is over.
func withTrap(
    _ flags: [String] = [], file: String = "", _ change: (inout RigOptions) -> Void = { _ in },
    _ body: (Rig) async throws -> Void
) async throws {
    try await withRig { options in
        options.clock = ShiftedClock(isFrozen: true)
        options.simulator.trapMode = true
        options.simulator.trapGrace = .zero
        options.file = file
        change(&options)
        options.flags = ["rate.max_wait=10m"] + flags
    } _: { rig async throws in
        try await body(rig)
        #expect(rig.simulator.counters.trapViolations == 0, "calls came before they had been told")
    }
}

/// Upstream's refusal for now.
func tooMany(
    _ retryAfter: String?, naming causes: String = "", status: String = "429 Too Many Requests", headers: String = ""
) -> String {
    var lines = headers
    if let retryAfter { lines += "Retry-After: \(retryAfter)\r\n" }
    for cause in causes.split(separator: " ") { lines += "ITwinPlatform-RateLimited-\(cause): x\r\n" }
    return json(#"{"error":{"code":"FromUpstream","message":"slow down"}}"#, status: status, headers: lines)
}

extension LimitedOrigin {
    /// Refuses the next request with these bytes, and answers all later ones.
    func refuseOnce(_ refusal: String) {
        let next = count + 1
        become { number, _ in number == next ? refusal : ok }
    }
}

extension Rig {
    // MARK: Looking at the gate

    /// A series on `/metrics`, such as `queue_depth{class="batch"}`; parts of one are cut off.
    func figure(_ series: String) async throws -> Int {
        let text = try await admin("/metrics").text
        let prefix = "clash_proxy_\(series) "
        let line = text.split(separator: "\n").first { $0.hasPrefix(prefix) }
        guard let value = line.flatMap({ Double($0.dropFirst(prefix.count)) }).map({ Int($0) }) else {
            throw RawClient.Trouble(description: "no \(series) in:\n\(text)")
        }
        return value
    }

    /// Calls that wait, of all classes.
    func queued() async throws -> Int {
        var sum = 0
        let text = try await admin("/metrics").text
        for line in text.split(separator: "\n") where line.hasPrefix("clash_proxy_queue_depth{") {
            sum += line.split(separator: " ").last.flatMap { Int($0) } ?? 0
        }
        return sum
    }

    /// Waits until so many calls wait in the gate.
    func waitForQueue(_ count: Int, at location: SourceLocation = #_sourceLocation) async throws {
        let deadline = ContinuousClock.now + .seconds(20)
        var last = -1
        while ContinuousClock.now < deadline {
            last = try await queued()
            if last == count { return }
            try await Task.sleep(for: .milliseconds(2))
        }
        Issue.record("\(last) wait instead of \(count)", sourceLocation: location)
        throw RawClient.Trouble(description: "the queue never held \(count)")
    }

    /// Waits until no call is upstream. What could go by the clock has gone by then.
    func settle() async throws {
        let deadline = ContinuousClock.now + .seconds(20)
        while try await figure("in_flight") > 0 {
            guard ContinuousClock.now < deadline else { throw RawClient.Trouble(description: "calls never came back") }
            try await Task.sleep(for: .milliseconds(1))
        }
    }

    /// Waits until so many calls either wait in the gate or have been sent, and none of these is under way any more.
    func waitForCalls(_ count: Int, sent: () -> Int) async throws {
        let deadline = ContinuousClock.now + .seconds(20)
        while try await queued() + sent() < count {
            guard ContinuousClock.now < deadline else { throw RawClient.Trouble(description: "calls never came") }
            try await Task.sleep(for: .milliseconds(2))
        }
        try await settle()
    }

    /// Takes all turns that are free, so that whatever comes next waits.
    func spendBurst(_ headers: [(String, String)] = []) async throws {
        var number = 0
        repeat { number += 1 } while try await isHeld("\(Path.iTwin)/suppression-rules?n=\(number)", headers) == false
    }

    /// Runs a call whose delete is looked at for five seconds unless it is gone, and lets that time pass once the simulator
    /// was asked for an object, or at once in front of another origin.
    func settling<Answer>(isSimulated: Bool = true, _ call: () async throws -> Answer) async throws -> Answer {
        let isRead = RequestFilter(method: "GET")
        let before = simulator.recorded(isRead).count
        let hurry = Task { [simulator, clock] in
            while isSimulated, simulator.recorded(isRead).count == before {
                try await Task.sleep(for: .milliseconds(5))
            }
            for _ in 0..<22 {
                try await Task.sleep(for: .milliseconds(20))
                clock.advance(by: .milliseconds(250))
            }
        }
        defer { hurry.cancel() }
        return try await call()
    }

    /// Lets time pass in steps, after each of which everything that could go has gone and come back.
    func pass(_ duration: Duration, step: Duration = .milliseconds(50), while condition: () -> Bool = { true })
        async throws
    {
        var left = duration
        while left > .zero, condition() {
            clock.advance(by: min(step, left))
            left -= step
            try await settle()
        }
    }

    /// Whether such a call would have to wait now.
    func isHeld(_ target: String, _ headers: [(String, String)] = []) async throws -> Bool {
        try await get(target, headers + [("Prefer", "wait=0")]).status == 429
    }

    // MARK: Calls that wait

    /// Sends a request whose answer is read later.
    func begin(
        _ method: String, _ target: String, _ headers: [(String, String)] = [], body: String? = nil
    ) async throws -> RawClient {
        let client = try connect()
        try await client.send(request(method, target, headers, body: body))
        return client
    }
}

extension RawClient {
    /// The answer to the one request that was begun; the connection is closed.
    func answer(to method: String = "GET") async throws -> RawResponse {
        defer { close() }
        return try await response(to: method)
    }
}

extension RawResponse {
    /// The queue's part of Server-Timing, in seconds.
    var queueSeconds: Double {
        let part = (self["Server-Timing"] ?? "").split(separator: ",").first { $0.hasPrefix("queue;dur=") }
        return (part.flatMap { Double($0.dropFirst("queue;dur=".count)) } ?? -1) / 1000
    }

    var retryAfter: Int { self["Retry-After"].flatMap { Int($0) } ?? -1 }
}
