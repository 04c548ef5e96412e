// `clash-proxy login`: signs a person in through a browser and keeps what comes of it in `token.state_file`.
//
// Whatever can fail without the person is tried before the person is asked. The browser's way back is a listener on
// loopback, or the address pasted by hand; whichever brings the right code first is taken. Code, state and tokens are
// printed nowhere.

import Configuration
import CurlTransport
import Tokens

/// What a sign-in tells the person at the terminal.
package enum LoginNews: Sendable, Equatable {
    /// The browser has to open `url`, and comes back to `redirectURI`.
    case open(url: String, redirectURI: String)
    /// Something came back that was not it; the sign-in goes on.
    case notIt(String)
}

/// Somebody is signed in.
package struct LoginResult: Sendable, Equatable {
    /// Where the sign-in is kept.
    package let path: String
    /// What was granted, separated by spaces.
    package let scope: String
}

/// Why nobody is signed in. One sentence for a person, without a secret and without a full stop.
package struct LoginFailure: Error, Sendable, Equatable, CustomStringConvertible {
    /// The sentence.
    package let description: String
    /// Whether the configuration has to be changed first.
    package let isConfiguration: Bool

    init(_ description: String, isConfiguration: Bool = false) {
        self.description = description
        self.isConfiguration = isConfiguration
    }
}

/// One sign-in. `run` once; `pasted` from any thread.
package final class LoginSession: Sendable {
    private enum Event: Sendable {
        case visit(BrowserVisit)
        case pasted(String)
        case patienceEnds
    }

    /// What brought the code, and is to be answered.
    private typealias Arrival = (code: SignInAttempt.Code, visit: BrowserVisit?)

    private let token: Config.Token
    private let upstream: Config.Upstream
    private let file: SignInFile
    private let patience: Duration
    private let environment: Environment
    private let events: AsyncStream<Event>
    private let arrived: AsyncStream<Event>.Continuation

    /// A sign-in for the client in `config`, which waits for the person for `patience`.
    package init(
        _ config: Config, environment: Environment = .system, patience: Duration
    ) throws(LoginFailure) {
        guard config.token.mode != .passthrough else {
            throw LoginFailure(
                "token.mode is passthrough, where tools bring their own tokens and nobody signs in",
                isConfiguration: true)
        }
        guard let path = config.token.stateFile else {
            throw LoginFailure(
                "token.state_file is empty, so there is no place for the sign-in: name a file in a folder of your own",
                isConfiguration: true)
        }
        token = config.token
        upstream = config.upstream
        file = SignInFile(path: path)
        self.patience = patience
        self.environment = environment
        // A flood of visits is no reason to keep them all.
        (events, arrived) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(64))
    }

    /// The person has pasted or typed a line.
    package func pasted(_ line: String) { arrived.yield(.pasted(line)) }

    /// Signs the person in. Cancelling it gives up.
    package func run(tell: @Sendable (LoginNews) -> Void) async throws(LoginFailure) -> LoginResult {
        let transport: CurlTransport
        do throws(CurlSetupFailure) {
            transport = try CurlTransport(CurlTransport.Configuration(upstream, maxConnections: 2))
        } catch {
            throw LoginFailure(error.description)
        }
        let result: Result<LoginResult, LoginFailure>
        do throws(LoginFailure) {
            result = .success(try await signIn(transport, tell))
        } catch {
            result = .failure(Task.isCancelled ? LoginFailure("the sign-in was given up") : error)
        }
        arrived.finish()
        await transport.shutdown(grace: .zero)
        return try result.get()
    }

    private func signIn(
        _ transport: CurlTransport, _ tell: @Sendable (LoginNews) -> Void
    ) async throws(LoginFailure) -> LoginResult {
        try await orFail { () async throws(SignInFailure) in try await file.checkWritable(time: environment.time) }
        let endpoints = try await endpoints(transport)
        let listener = try await RedirectListener.start(port: token.redirectPort) { [arrived] in
            arrived.yield(.visit($0))
        }
        let attempt = SignInAttempt(
            TokenSource.Configuration(token), at: endpoints, redirectURI: listener.redirectURI)
        let result: Result<LoginResult, LoginFailure>
        do throws(LoginFailure) {
            tell(.open(url: attempt.url, redirectURI: listener.redirectURI))
            let (code, visit) = try await code(for: attempt, tell)
            result = .success(try await keep(code, attempt, endpoints, transport, visit))
        } catch {
            result = .failure(error)
        }
        await listener.close()
        return try result.get()
    }

    private func endpoints(_ transport: CurlTransport) async throws(LoginFailure) -> SignInEndpoints {
        let tokenURL = token.tokenURL.description
        let discovery = SignInEndpoints.discoveryURL(tokenURL: tokenURL)
        let document = await discovery.flatMap { CurlTokenEndpoint(transport: transport, url: $0) }?.document()
        return try await orFail { () throws(SignInFailure) in
            try SignInEndpoints.choose(
                document: document, tokenURL: tokenURL, authorizeURL: token.authorizeURL?.description)
        }
    }

    // MARK: Waiting for the person

    private func code(
        for attempt: SignInAttempt, _ tell: @Sendable (LoginNews) -> Void
    ) async throws(LoginFailure) -> Arrival {
        let deadline = environment.now() + patience
        let timer = Task { [environment, arrived] in
            if (try? await environment.sleep(deadline)) != nil { arrived.yield(.patienceEnds) }
        }
        defer { timer.cancel() }
        for await event in events {
            let text: String
            var visit: BrowserVisit?
            switch event {
            case .patienceEnds:
                throw LoginFailure("nobody has signed in within \(patience.components.seconds) seconds")
            case .pasted(let line): text = line
            case .visit(let made): (text, visit) = (made.target, made)
            }
            if text.allSatisfy(\.isWhitespace) { continue }
            do throws(SignInFailure) {
                return (try attempt.code(in: text), visit)
            } catch {
                await visit?.answer(Self.status(of: error), SignInPage.failure(error))
                guard error.mayStillCome else { throw LoginFailure(error.message) }
                // Browsers ask for icons by themselves.
                if visit == nil || error.reason != .notOurs { tell(.notIt(error.message)) }
            }
        }
        throw LoginFailure("the sign-in was given up")
    }

    private static func status(of failure: SignInFailure) -> Int {
        switch failure.reason {
        case .notOurs: 404
        case .noToken, .noRefreshToken, .notSaved, .noEndpoints: 502
        case .malformed, .wrongState, .declined, .refused: 400
        }
    }

    // MARK: The end

    /// Exchanges the code and makes what it brings durable, before the browser is told that it worked.
    private func keep(
        _ code: SignInAttempt.Code, _ attempt: SignInAttempt, _ endpoints: SignInEndpoints,
        _ transport: CurlTransport, _ visit: BrowserVisit?
    ) async throws(LoginFailure) -> LoginResult {
        guard let endpoint = CurlTokenEndpoint(transport: transport, url: endpoints.tokenURL) else {
            throw LoginFailure("the token endpoint's address is not usable")
        }
        do throws(SignInFailure) {
            let signIn = try await attempt.signIn(with: code, endpoint: endpoint, time: environment.time)
            try await file.store(signIn, time: environment.time)
            await visit?.answer(200, SignInPage.success)
            return LoginResult(path: file.path, scope: signIn.scope)
        } catch {
            await visit?.answer(Self.status(of: error), SignInPage.failure(error))
            throw LoginFailure(error.message)
        }
    }

    private func orFail<Value>(
        _ body: () async throws(SignInFailure) -> Value
    ) async throws(LoginFailure) -> Value {
        do throws(SignInFailure) { return try await body() } catch { throw LoginFailure(error.message) }
    }
}
