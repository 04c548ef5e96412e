// The decisions of the front desk and of the origin rules, from a configuration and a head alone.

import ClashAPI
import Edge
import Ground
import HTTPTypes
import NIOHTTP1
import Testing

@testable import Configuration
@testable import Proxy

@Suite struct FrontDeskTests {
    private static let key = "cpk_test"
    private static let reader = Config.Caller(
        name: "reader", credential: .key(KeyHash(hashing: key)), allow: [.read])

    /// What the desk says, in a word.
    private func decide(
        _ method: HTTPMethod = .GET, _ target: String = "/clashdetection/tests", _ headers: [(String, String)] = [],
        _ change: (inout Config) -> Void = { _ in }
    ) throws -> String {
        var config = Config()
        change(&config)
        let hasHost = headers.contains { $0.0 == "Host" }
        switch FrontDesk(config, pseudonym: "clash-proxy-me").decide(
            try head(method, target, (hasHost ? [] : [("Host", "localhost")]) + headers))
        {
        case .forward(let admission):
            return "\(admission.caller.name) \(admission.route.operation.name) \(admission.corsOrigin ?? "-")"
        case .preflight(let origin, _): return "preflight \(origin)"
        case .options: return "options"
        case .own(let page, let admission): return "\(page.name) of \(admission.caller.name)"
        case .refuse(let failure, let admission): return "\(failure.reason.rawValue) \(admission.corsOrigin ?? "-")"
        }
    }

    @Test(
        "method overrides are refused and named",
        arguments: [
            "X-HTTP-Method-Override", "x-http-method", "X-Method-Override", "X_HTTP_METHOD_OVERRIDE",
            "X-HTTP_Method-Override", "X-HTTP-Verb", "X-HttpMethod", "HTTP-Method-Override", "X-Original-Method",
            "X-Original-URL", "X-Rewrite-URL",
        ])
    func overrides(name: String) throws {
        let desk = FrontDesk(Config(), pseudonym: "clash-proxy-me")
        guard case .refuse(let failure, _) = desk.decide(try head(.POST, "/", [("Host", "localhost"), (name, "GET")]))
        else {
            Issue.record("it was let through")
            return
        }
        #expect(failure.reason == .invalidRequest && failure.target == name)
    }

    @Test("without callers everybody is anonymous and may do everything")
    func open() throws {
        #expect(try decide() == "anonymous v1.tests.list -")
        #expect(try decide(.DELETE, "/clashdetection/runs/x") == "anonymous v1.runs.delete -")
    }

    @Test("with callers a key is needed, and decides")
    func keyed() throws {
        func asked(_ headers: [(String, String)], _ method: HTTPMethod = .GET) throws -> String {
            try decide(method, "/clashdetection/tests/x", headers) { $0.callers = [Self.reader] }
        }
        #expect(try asked([]) == "caller-key-missing -")
        #expect(try asked([("Authorization", "Basic \(Self.key)")]) == "caller-key-missing -")
        #expect(try asked([("Authorization", "Bearer nope")]) == "caller-key-unknown -")
        #expect(try asked([("Authorization", "BEARER   \(Self.key)")]) == "reader v1.tests.get -")
        #expect(try asked([("X-Api-Key", Self.key), ("Authorization", "Bearer nope")]) == "reader v1.tests.get -")
        #expect(try asked([("X-Api-Key", "nope"), ("Authorization", "Bearer \(Self.key)")]) == "caller-key-unknown -")
        #expect(
            try decide(.GET, "/clashdetection/tests/x", [("X-Api-Key", Self.key)]) { config in
                config.callers = [Self.reader]
                config.callers[0].allow = [.write]
            } == "permission-denied -")
        // What may have to be recorded is refused where that is done.
        #expect(try asked([("X-Api-Key", Self.key)], .DELETE) == "reader v1.tests.delete -")
        #expect(try asked([("X-Api-Key", Self.key)], .PUT) == "reader v1.tests.update -")
    }

    @Test("the order: target, host and origin, key, prefix, size")
    func order() throws {
        let callers: (inout Config) -> Void = {
            $0.callers = [Self.reader]
            $0.listen.maxBodyBytes = 10
        }
        let large = ("Content-Length", "11")
        let key = ("X-Api-Key", Self.key)
        #expect(try decide(.POST, "/x/../y", [("Origin", "null"), large], callers) == "invalid-request -")
        #expect(try decide(.POST, "/nowhere", [("Origin", "null"), large], callers) == "origin-not-allowed -")
        #expect(try decide(.POST, "/nowhere", [large], callers) == "caller-key-missing -")
        #expect(try decide(.POST, "/nowhere", [large, key], callers) == "operation-not-found -")
        #expect(try decide(.POST, "/clashdetection/tests", [large, key], callers) == "body-too-large -")
    }

    @Test("absolute form is served for this host only")
    func absolute() throws {
        #expect(try decide(.GET, "http://localhost:1/clashdetection/tests") == "anonymous v1.tests.list -")
        #expect(try decide(.GET, "http://evil.example/clashdetection/tests") == "invalid-request -")
        let named = try decide(.GET, "https://clash.example/clashdetection/tests") {
            $0.listen.publicURL = BaseURL(scheme: .https, host: "clash.example")
        }
        #expect(named == "anonymous v1.tests.list -")
    }

    @Test("without callers the Host must be ours; with them, or on a unix socket, any will do")
    func hosts() throws {
        let foreign = [("Host", "evil.example")]
        #expect(try decide(.GET, "/clashdetection/tests", foreign) == "origin-not-allowed -")
        let keyed = try decide(.GET, "/clashdetection/tests", foreign + [("X-Api-Key", Self.key)]) {
            $0.callers = [Self.reader]
        }
        #expect(keyed == "reader v1.tests.list -")
        let unix = try decide(.GET, "/clashdetection/tests", foreign) { $0.listen.addresses = [.unix(path: "/x")] }
        #expect(unix == "anonymous v1.tests.list -")
        let listening = try decide(.GET, "/clashdetection/tests", [("Host", "10.1.2.3:80")]) {
            $0.listen.addresses = [.tcp(host: "10.1.2.3", port: 8080)]
        }
        #expect(listening == "anonymous v1.tests.list -")
        let named = try decide(.GET, "/clashdetection/tests", [("Host", "Clash.example.com:8080")]) {
            $0.listen.hosts = ["clash.example.com"]
        }
        #expect(named == "anonymous v1.tests.list -")
    }

    @Test("a foreign page is refused, an allowed one is let in, its preflight needs no key")
    func origins() throws {
        let cors: (inout Config) -> Void = {
            $0.listen.corsOrigins = ["https://app.example"]
            $0.callers = [Self.reader]
        }
        let page = ("Origin", "https://App.Example")
        let asks = ("Access-Control-Request-Method", "GET")
        #expect(try decide(.OPTIONS, "/clashdetection/tests", [page, asks], cors) == "preflight https://App.Example")
        #expect(try decide(.OPTIONS, "/clashdetection/tests", [page], cors) == "caller-key-missing https://App.Example")
        #expect(
            try decide(.GET, "/nowhere", [page, ("X-Api-Key", Self.key)], cors)
                == "operation-not-found https://App.Example")
        for header in [
            ("Origin", "https://evil.example"), ("Origin", "null"), ("Origin", "https://app.example:444"),
            ("Origin", "http://app.example"), ("Sec-Fetch-Site", "cross-site"),
        ] {
            #expect(try decide(.OPTIONS, "/clashdetection/tests", [header, asks], cors) == "origin-not-allowed -")
        }
        let twice = [page, ("Origin", "https://evil.example")]
        #expect(try decide(.GET, "/clashdetection/tests", twice, cors) == "origin-not-allowed -")
        #expect(
            try decide(.GET, "/clashdetection/tests", [("Sec-Fetch-Site", "same-origin")])
                == "anonymous v1.tests.list -")
    }

    @Test("each class needs its own right")
    func rights() {
        for needed in OperationClass.allCases {
            for right in Permission.allCases {
                let caller = Caller(name: "c", allow: [right])
                let failure = failure { () throws(Failure) in try FrontDesk.authorize(caller, needed) }
                #expect((failure == nil) == (right.rawValue == needed.rawValue), "\(right) \(needed)")
                if let failure { #expect(failure.message.contains(right.rawValue)) }
            }
        }
    }
}
