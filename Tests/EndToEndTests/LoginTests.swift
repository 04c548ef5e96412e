// `clash-proxy login`: raw sockets play the browser, against the simulator's issuer.

import FoundationEssentials
import Glibc
import Proxy
import Simulator
import Synchronization
import TestSupport
import Testing

@testable import Configuration

@Suite(.timeLimit(.minutes(8))) struct LoginTests {
    @Test("from nothing to a call: the proxy says what to do, a person signs in, and the proxy goes on by itself")
    func whole() async throws {
        try await withLogin { rig, login in
            let before = try await rig.get(rig.list)
            before.expectError(503, "TokenUnavailable", reason: "token-unavailable", retryAfter: 1...60)
            #expect(before.text.contains("clash-proxy login"))
            let callback = try await login.authorize()
            let page = try await login.visit(callback)
            #expect(page.status == 200 && page.text.contains("You are signed in"))
            #expect(page["Content-Security-Policy"]?.contains("default-src 'none'") == true)
            #expect(page["Cache-Control"] == "no-store" && page["Referrer-Policy"] == "no-referrer")
            let result = try await login.result()
            #expect(result.path == rig.signIn.path && result.scope == "itwin-platform offline_access")
            #expect(rig.signIn.mode == 0o600)

            rig.clock.advance(by: .seconds(6))
            #expect(try await rig.get(rig.list).status == 200)
            #expect(try await rig.admin("/readyz").status == 200)
            #expect(
                rig.simulator.counters.tokenRequests == 3, "discovery, page, code: the token of the sign-in is used")
            let kept = try rig.signIn.read()
            for secret in [kept.refresh, kept.access ?? "", callback] {
                #expect(!rig.applicationLog.text.contains(secret) && !login.news.joined().contains(secret))
            }
            #expect(throws: RawClient.Trouble.self) { try RawClient(port: login.port(of: callback)) }
        }
    }

    @Test("the code comes back over IPv6 as well as over IPv4, since a browser may take either for localhost")
    func bothAddresses() async throws {
        try await withLogin { _, login in
            let callback = try await login.authorize()
            guard let client = try? RawClient(port: login.port(of: callback), host: "::1") else { return }
            defer { client.close() }
            let answer = try await client.exchange("GET \(callback.path) HTTP/1.1\r\nHost: localhost\r\n\r\n")
            #expect(answer.status == 200 && answer.text.contains("You are signed in"))
            _ = try await login.result()
        }
    }

    @Test("what is not the answer to this sign-in is refused and waited on: icons, forged states, other methods")
    func forged() async throws {
        try await withLogin { rig, login in
            let callback = try await login.authorize()
            let origin = callback.prefix { $0 != "?" }.description
            #expect(try await login.visit(origin.replacing("/signin-callback", with: "/favicon.ico")).status == 404)
            #expect(try await login.visit("\(origin)?code=abc").status == 400)
            let forged = try await login.visit("\(origin)?code=abc&state=AAAAAAAAAAAAAAAAAAAAAA")
            #expect(forged.status == 400 && forged.text.contains("another sign-in"))
            #expect(try await login.visit("\(callback)&code=second").status == 400)
            let post = try await login.visit(callback, method: "POST")
            #expect(post.status == 405 && post["Allow"] == "GET")
            #expect(rig.simulator.recorded(.token).isEmpty, "no code has been shown to anybody")
            #expect(try await login.visit(callback).status == 200)
            _ = try await login.result()
            #expect(login.news.contains { $0.contains("state is not ours") })
            let form = try #require(rig.simulator.recorded(.token).first).text
            #expect(form.contains("grant_type=authorization_code") && form.contains("&code_verifier="))
        }
    }

    @Test("a sign-in that is declined ends at once, on the page and in the terminal, and leaves no file")
    func declined() async throws {
        try await withLogin { rig, login in
            rig.simulator.inject(.signInDeclined, where: RequestFilter(target: "/connect/authorize"))
            let page = try await login.visit(try await login.authorize())
            #expect(page.status == 400 && page.text.contains("declined"))
            await login.expectFailure("the sign-in was declined")
            #expect(!FileManager.default.fileExists(atPath: rig.signIn.path))
        }
    }

    @Test("where the browser cannot come back, the pasted address does; junk and old addresses are said and waited on")
    func pasted() async throws {
        try await withLogin { rig, login in
            let callback = try await login.authorize()
            login.session.pasted("")
            login.session.pasted("hello?")
            login.session.pasted(callback.replacing("state=", with: "state=x"))
            login.session.pasted("  <\(callback)>  ")
            #expect(try await login.result().path == rig.signIn.path)
            #expect(login.news.count == 2, "\(login.news)")
            #expect(try rig.signIn.read().access != nil)
        }
    }

    @Test("a client that the issuer does not believe is told on the page and in the terminal, and nothing is changed")
    func wrongSecret() async throws {
        try await withLogin(flags: ["token.client_secret=wrong"]) { rig, login in
            try rig.signInAgain()
            let before = try rig.signIn.read().refresh
            let page = try await login.visit(try await login.authorize())
            #expect(page.status == 502 && page.text.contains("invalid_client") && !page.text.contains("wrong"))
            await login.expectFailure("check token.client_id and the client's secret")
            #expect(try rig.signIn.read().refresh == before)
        }
    }

    @Test("a public client signs in without a secret")
    func publicClient() async throws {
        try await withLogin(flags: ["token.client_id=demo-browser", "token.client_secret="]) { rig, login in
            #expect(try await login.visit(try await login.authorize()).status == 200)
            _ = try await login.result()
            let request = try #require(rig.simulator.recorded(.token).first)
            #expect(request[header: "Authorization"] == nil && request.text.contains("client_id=demo-browser"))
        }
    }

    @Test("without a discovery document authorize_url is what is used, and asked for where it is missing")
    func noDiscovery() async throws {
        let fault = PlannedFault(.answer(status: 404), where: RequestFilter(target: "/.well-known/"))
        try await withLogin(faults: [fault]) { _, login in
            await login.expectFailure("set token.authorize_url")
        }
        let elsewhere = PlannedFault(
            .redirect(to: "http://127.0.0.1:1/x"), where: RequestFilter(target: "/.well-known/"))
        try await withLogin(flags: ["token.authorize_url=https://login.example.com/a"], faults: [elsewhere]) {
            _, login in
            let url = try await login.url()
            #expect(url.hasPrefix("https://login.example.com/a?response_type=code&"))
        }
    }

    @Test("what can be found out before is: no place for the file, a port that is taken")
    func foundOutBefore() async throws {
        try await withLogin(flags: ["token.state_file=/nowhere/at/all"]) { rig, login in
            await login.expectFailure("/nowhere/at/all")
            #expect(rig.simulator.counters.tokenRequests == 0, "nobody was asked")
        }
        let taken = ScriptedOrigin { _ in }
        try await withLogin(flags: ["token.redirect_port=\(taken.port)"]) { _, login in
            await login.expectFailure("port \(taken.port) of this machine cannot be listened on")
        }
        taken.stop()
    }

    @Test("a redirect port that was agreed on with the issuer is the one that is used")
    func fixedPort() async throws {
        // Below the range from which the system gives ports to everybody else.
        let port = Int.random(in: 20_000..<32_000)
        try await withLogin(flags: ["token.redirect_port=\(port)"]) { _, login in
            let callback = try await login.authorize()
            #expect(callback.hasPrefix("http://localhost:\(port)/signin-callback?"))
            #expect(try await login.visit(callback).status == 200)
            _ = try await login.result()
        }
    }

    @Test("nobody is waited for without end, and giving up is heeded at once")
    func patience() async throws {
        try await withLogin(patience: .milliseconds(50)) { _, login in
            await login.expectFailure("nobody has signed in within")
        }
        try await withLogin { rig, login in
            _ = try await login.url()
            login.cancel()
            await login.expectFailure("given up")
            #expect(!FileManager.default.fileExists(atPath: rig.signIn.path + ".new"))
        }
    }

    @Test("a mode without sign-ins and a missing state file are mistakes of the configuration")
    func configuration() throws {
        for flags in [["token.mode=passthrough"], ["token.client_id=x", "token.client_secret=y"]] {
            let config = try ConfigLoader.load(ConfigSources(flags: flags)).config
            let failure = #expect(throws: LoginFailure.self) { try LoginSession(config, patience: .seconds(1)) }
            #expect(failure?.isConfiguration == true)
        }
    }
}

/// A sign-in under way, and the browser beside it.
private final class Login: Sendable {
    let session: LoginSession
    private let task: Task<Result<LoginResult, LoginFailure>, Never>
    private let heard: Heard

    private final class Heard: Sendable {
        let news = Mutex<[LoginNews]>([])
    }

    init(_ rig: Rig, patience: Duration) throws {
        let session = try LoginSession(rig.config, environment: rig.clock.environment, patience: patience)
        let heard = Heard()
        self.session = session
        self.heard = heard
        task = Task {
            do throws(LoginFailure) {
                return .success(try await session.run { told in heard.news.withLock { $0.append(told) } })
            } catch {
                return .failure(error)
            }
        }
    }

    /// What the person was told beside the address.
    var news: [String] {
        heard.news.withLock { $0 }.compactMap { if case .notIt(let why) = $0 { why } else { nil } }
    }

    /// What the browser has to open.
    func url() async throws -> String {
        var url: String?
        try await eventually("an address to open") {
            for case .open(let told, _) in heard.news.withLock({ $0 }) { url = told }
            return url != nil
        }
        return url ?? ""
    }

    /// Opens it, signs in, and returns where the issuer sends the browser.
    func authorize() async throws -> String {
        let answer = try await visit(try await url())
        #expect(answer.status == 302)
        return try #require(answer["Location"])
    }

    func visit(_ url: String, method: String = "GET") async throws -> RawResponse {
        let client = try RawClient(port: port(of: url))
        defer { client.close() }
        return try await client.exchange("\(method) \(url.path) HTTP/1.1\r\nHost: localhost\r\n\r\n")
    }

    func port(of url: String) -> Int {
        Int(url.dropFirst("http://".count).prefix { $0 != "/" }.split(separator: ":").last ?? "") ?? 0
    }

    func cancel() { task.cancel() }

    func result() async throws -> LoginResult { try await task.value.get() }

    func expectFailure(_ part: String, at location: SourceLocation = #_sourceLocation) async {
        guard case .failure(let failure) = await task.value else {
            Issue.record("signed in", sourceLocation: location)
            return
        }
        #expect(failure.description.contains(part), sourceLocation: location)
    }
}

extension String {
    /// The request target of an absolute URL.
    fileprivate var path: String {
        String(dropFirst("http://".count).drop { $0 != "/" })
    }
}

/// A sign-in beside a proxy that waits for one.
private func withLogin(
    flags: [String] = [], faults: [PlannedFault] = [], patience: Duration = .seconds(60),
    _ body: (Rig, Login) async throws -> Void
) async throws {
    try await withRig { options in
        options.flags = flags
        options.faults = faults
        options.signIn = .missing
    } _: { rig in
        let login = try Login(rig, patience: patience)
        do {
            try await body(rig, login)
        } catch {
            login.cancel()
            throw error
        }
        login.cancel()
        _ = try? await login.result()
    }
}
