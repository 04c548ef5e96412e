import ArgumentParser
import Simulator

struct SimulateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "A fake api.bentley.com and token endpoint on loopback, to try the proxy and test tools with.",
        discussion: """
            Faults are given as NAME[@TARGET][xTIMES][%PERCENT], for instance
              --fault 429@/reports --fault reset%5 --fault execute-then-close@/runs/x1
            Names: \(Fault.names.joined(separator: ", ")).
            """)

    @OptionGroup var options: SimulatorOptions

    func run() async throws {
        let simulator = Simulator(try options.configuration())
        let addresses: SimulatorAddresses
        do {
            addresses = try await simulator.start()
        } catch {
            complain("the simulator can not start: \(error)")
            throw ExitCode.failure
        }
        say("api        \(addresses.apiURL)")
        say("token      \(addresses.tokenURL)")
        say("client     demo, secret demo-secret")
        say("iTwins     \(simulator.iTwinIDs.joined(separator: " "))")
        try await Supervisor.waitForSignal()
        let counters = simulator.counters
        say(
            "calls      \(counters.apiCalls), executed \(counters.executed), 429s \(counters.rateLimited), "
                + "before a told wait was over \(counters.trapViolations)")
        await simulator.stop()
    }
}
