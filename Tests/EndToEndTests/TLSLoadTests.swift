// Reload and drain under load, over TLS and both versions of HTTP: nobody who may call loses a call.

import Proxy
import Simulator
import TestCertificates
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(8))) struct TLSLoadTests {
    private static let reports = RequestFilter(target: "/reports")

    /// What became of calls, and of how many connections.
    private struct Tally {
        var ends: [String: Int] = [:]
        var connections = 0

        mutating func add(_ other: Tally) {
            ends.merge(other.ends) { $0 + $1 }
            connections += other.connections
        }
    }

    @Test("certificates, callers and limits change under HTTP/2 streams over TLS, hits and forwarded ones; none fails")
    func reload() async throws {
        let ring = try KeyRing("always", "sometimes")
        try await withTLS { options, _ in
            options.flags += ["cache.enabled=true"]
            options.file = ring.file("always", "sometimes")
        } _: { rig, files in
            let key = [("x-api-key", ring.key("always").1)]
            let two = try await TLSTunnel(to: rig.port, files)
            let one = try await TLSTunnel(to: rig.port, files, protocols: ["http/1.1"])
            #expect(try await two.connect2().get(rig.list, key).status == 200)
            let isOver = Flag()
            let tally = try await withThrowingTaskGroup(of: Tally.self) { group in
                for number in 0..<4 {
                    group.addTask {
                        try await Self.load(until: { isOver.isSet }) { tally in
                            if number < 3 {
                                try await Self.overTwo(two, rig, key, &tally)
                            } else {
                                try await Self.overOne(one, rig, key, &tally)
                            }
                        }
                    }
                }
                for round in 0..<8 {
                    try files.write(files.server(), "server")
                    let isThere = round % 2 == 0
                    let answer = await rig.reload(
                        ["rate.max_queue=\(100 + round)", "listen.max_body_bytes=\(round + 1)MiB"],
                        file: isThere ? ring.file("sometimes", "always") : ring.file("always"))
                    guard case .taken = answer else { throw RawClient.Trouble(description: "not taken: \(answer)") }
                    let other = try await two.connect2().get(rig.list, [("x-api-key", ring.key("sometimes").1)])
                    #expect(other.status == (isThere ? 200 : 401), "round \(round)")
                }
                isOver.set()
                return try await group.reduce(into: Tally()) { $0.add($1) }
            }
            #expect(Set(tally.ends.keys) == ["200"] && tally.ends["200"] ?? 0 > 50, "\(tally.ends)")
            #expect(tally.connections > 4, "new connections saw new certificates")
            #expect(rig.applicationLog.lines.count { $0.contains("TLS certificate taken") } == 8)
            try await one.stop()
            try await two.stop()
        }
    }

    /// One connection after the other, until it is over.
    private static func load(
        until isOver: () -> Bool, _ connection: (inout Tally) async throws -> Void
    ) async throws -> Tally {
        var tally = Tally()
        while !isOver() {
            tally.connections += 1
            try await connection(&tally)
        }
        return tally
    }

    /// What is asked for on each connection: hits, and reads that are never stored.
    private static func calls(_ rig: Rig) -> [(target: String, fields: [(String, String)])] {
        let hit: (target: String, fields: [(String, String)]) = (rig.list, [])
        return [hit, ("\(rig.v2)/reports?$top=3", [("cache-control", "no-store")]), hit]
    }

    private static func overTwo(
        _ tunnel: TLSTunnel, _ rig: Rig, _ key: [(String, String)], _ tally: inout Tally
    ) async throws {
        let client = try await tunnel.connect2()
        for _ in 0..<3 {
            var streams: [UInt32] = []
            for call in calls(rig) { streams.append(try await client.begin("GET", call.target, key + call.fields)) }
            for answer in try await client.answers(on: streams).values {
                tally.ends[answer.reset.map { "reset \($0)" } ?? "\(answer.status)", default: 0] += 1
            }
        }
    }

    private static func overOne(
        _ tunnel: TLSTunnel, _ rig: Rig, _ key: [(String, String)], _ tally: inout Tally
    ) async throws {
        let client = try tunnel.connect()
        defer { client.close() }
        for call in calls(rig) {
            let answer = try await client.exchange(rig.request("GET", call.target, key + call.fields))
            tally.ends["\(answer.status)", default: 0] += 1
        }
    }

    @Test("a drain under slow calls over HTTP/2 loses none: those upstream, those in the queue, those on their way")
    func drain() async throws {
        try await withTLS { options, _ in
            options.flags += ["rate.max_in_flight=4", "shutdown.drain_timeout=60s"]
        } _: { rig, files in
            rig.simulator.inject(.executeThenHang, where: Self.reports, times: 4)
            let tunnel = try await TLSTunnel(to: rig.port, files)
            var begun: [(client: HTTP2Client, streams: [UInt32])] = []
            for _ in 0..<3 {
                let client = try await tunnel.connect2()
                var streams: [UInt32] = []
                for _ in 0..<4 { streams.append(try await client.begin("GET", rig.list)) }
                begun.append((client, streams))
            }
            #expect(await rig.simulator.waitForRequests(4, where: Self.reports))
            try await rig.waitForQueue(8)
            let drained = Task { await rig.drain() }
            for index in begun.indices {
                let client = begun[index].client
                while let frame = try await client.wire.frame(), frame.type != RawFrame.goAway {}
                // It has not said yet that it knows.
                begun[index].streams.append(try await client.begin("GET", rig.list))
                try await client.send(RawFrame(RawFrame.ping, flags: 1, [0, 0, 0x63, 0x6C, 0x61, 0x73, 0x68, 0x70]))
            }
            rig.simulator.releaseHeld()
            for (client, streams) in begun {
                let answers = try await client.answers(on: streams)
                #expect(answers.count == 5 && answers.values.allSatisfy { $0.status == 200 && $0.reset == nil })
            }
            #expect(await drained.value)
            try await tunnel.stop()
            try await eventually("each has its line") { rig.accessLog.lines.count { $0.contains(" 200 ") } == 15 }
        }
    }
}
