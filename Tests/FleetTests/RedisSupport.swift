// What the tests of the Redis engine share.

import Ground
import NIOCore
import NIOPosix
import TestSupport

@testable import Fleet

extension FleetPolicy {
    static func sample(_ calls: Int = 300, _ span: Int = 3000, members: Int = 4, reserve: Int = 100) -> FleetPolicy {
        FleetPolicy(
            windows: [
                FleetWindow(limit: calls, span: span), FleetWindow(limit: 60, span: 400),
                FleetWindow(limit: 6, span: 1000, isForRuns: true),
            ], maxMembers: members, reserve: reserve)
    }
}

extension FleetHello {
    init(_ bits: UInt64, _ policy: FleetPolicy, seen: Int = 0) {
        self.init(id: FleetMemberID(bits), name: "member \(bits)", version: "1.0", policy: policy, seen: seen)
    }
}

extension FleetAsk {
    init(_ count: Int, caller: UInt64 = 1) {
        self.init(caller: caller, weight: 1, count: count, isRun: false, scopes: [])
    }
}

extension RedisServers {
    init(
        port: Int, database: Int = 0, credentials: RedisCredentials? = nil, tls: RedisTLS? = nil,
        host: String = "127.0.0.1"
    ) {
        self.init([RedisServer(host: host, port: port)], database: database, credentials: credentials, tls: tls)
    }
}

/// Event loops of the tests.
let testLoops = MultiThreadedEventLoopGroup.singleton

extension RedisLedger {
    /// One at a server of the test's, with times that a busy machine keeps too.
    convenience init(_ servers: RedisServers, maxLag: Duration = .milliseconds(500), soon: Duration = .seconds(5)) {
        self.init(
            servers, fleet: "0123456789abcdef", maxLag: maxLag, group: testLoops, time: .system,
            times: Times(soon: soon, tell: soon, must: .seconds(5), link: .seconds(10), looks: .patient), clock: .server
        )
    }
}

/// Runs a body with what it throws as a value.
func result<Value>(_ body: () async throws(FleetError) -> Value) async -> Result<Value, FleetError> {
    do throws(FleetError) { return .success(try await body()) } catch { return .failure(error) }
}

extension RedisLinkState.Times {
    /// What a busy machine keeps, too.
    static let patient = RedisLinkState.Times(look: .seconds(10))
}
