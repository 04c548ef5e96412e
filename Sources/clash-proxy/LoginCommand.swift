// `clash-proxy login`: a person signs in with a browser, for `token.mode = "refresh_token"`.

import ArgumentParser
import Configuration
import Glibc
import Ground
import Proxy
import UnixSignals

struct LoginCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "login",
        abstract: "Signs you in with your browser, for token.mode = \"refresh_token\".",
        discussion: """
            Prints an address to open. When the browser comes back to this machine, all is done. Where it cannot come
            back, such as over SSH, paste the address of the page that it could not load.
            The sign-in is kept in token.state_file. A proxy that is running with it finds it within seconds.
            """)

    @Option(help: "How long to wait for you, such as 10m.")
    var timeout: DurationArgument = "10m"

    @OptionGroup var options: ConfigOptions

    func run() async throws {
        let config = try options.load().config
        do throws(LoginFailure) {
            let session = try LoginSession(config, patience: timeout.value)
            PastedLines.read { session.pasted($0) }
            let result = try await untilSignal { () async throws(LoginFailure) in
                try await session.run { Self.tell($0) }
            }
            say("Signed in. The sign-in is kept in \(result.path) (scope: \(result.scope)).")
        } catch {
            complain("not signed in: \(error)")
            throw error.isConfiguration ? ExitStatus.configuration : ExitCode.failure
        }
        if config.token.mode != .refreshToken {
            complain("token.mode is \(config.token.mode.rawValue): set it to refresh_token to use the sign-in")
        }
    }

    private static func tell(_ news: LoginNews) {
        switch news {
        case .open(let url, let redirectURI):
            say(
                """
                Open this address in a browser and sign in:

                \(url)

                Afterwards the browser goes to \(redirectURI).
                If it runs on another machine, that page cannot load there: copy its whole address out of the
                browser, paste it here and press Enter.
                """)
        case .notIt(let why): complain("That was not it: \(why). Still waiting.")
        }
    }

    /// Runs `body`, and cancels it on Ctrl-C or SIGTERM.
    private func untilSignal<Value: Sendable>(
        _ body: @escaping @Sendable () async throws(LoginFailure) -> Value
    ) async throws(LoginFailure) -> Value {
        let work = Task { () -> Result<Value, LoginFailure> in
            do throws(LoginFailure) { return .success(try await body()) } catch { return .failure(error) }
        }
        let signals = Task {
            for await _ in await UnixSignalsSequence(trapping: .sigterm, .sigint) { work.cancel() }
        }
        defer { signals.cancel() }
        return try await work.value.get()
    }
}

/// The lines of standard input, read on a thread of its own that ends with the process.
private enum PastedLines {
    /// In the background of a shell there are none: the process must not be stopped for asking.
    static func read(_ take: @escaping @Sendable (String) -> Void) {
        signal(SIGTTIN, SIG_IGN)
        // Without a thread there is still the browser.
        try? NamedThread().start("paste") {
            while let line = readLine() { take(line) }
        }
    }
}
