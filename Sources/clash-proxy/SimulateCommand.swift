import ArgumentParser
import Simulator

struct SimulateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "A fake api.bentley.com, token endpoint and issuer on loopback, to try the proxy and tools with.",
        discussion: """
            Faults are given as NAME[@TARGET][xTIMES][%PERCENT], for instance
              --fault 429@/reports --fault reset%5 --fault execute-then-close@/runs/x1
            Names: \(Fault.names.joined(separator: ", ")).

            The token endpoint knows three grants: client_credentials, authorization_code with PKCE (S256; it signs
            everybody in at once) and refresh_token, which rotates: a refresh token is good once, and using it again
            revokes the whole sign-in. Its faults are those with @/connect/, for instance
              --fault execute-then-close@/connect/tokenx1    rotates, then drops the connection: the new token is lost
              --fault token-invalid-grant@/connect/token     refuses every refresh and code
              --fault hang@/connect/token                    never answers; 503@/connect/token is down
              --fault sign-in-declined@/connect/authorize    the person says no

            The same address is an issuer for [[issuer]]: `clash-proxy simulate token` prints tokens of it. Its faults:
              --fault 503@/.well-known/                      it is down; slow-head@/.well-known/ is slow
            """, subcommands: [SimulateTokenCommand.self])

    @OptionGroup var options: SimulatorOptions

    func run() async throws {
        let simulator = Simulator(try options.configuration())
        let addresses: SimulatorAddresses
        do {
            addresses = try await simulator.start()
        } catch {
            complain("the simulator cannot start: \(error)")
            throw ExitCode.failure
        }
        say("api        \(addresses.apiURL)")
        say("token      \(addresses.tokenURL)")
        say("issuer     \(addresses.issuerURL)")
        say("client     demo, secret demo-secret (or demo-browser, a public client without one)")
        say("iTwins     \(simulator.iTwinIDs.joined(separator: " "))")
        try await Supervisor.waitForSignal()
        let counters = simulator.counters
        say(
            "calls      \(counters.apiCalls), executed \(counters.executed), 429s \(counters.rateLimited), "
                + "before a told wait was over \(counters.trapViolations)")
        await simulator.stop()
    }
}
