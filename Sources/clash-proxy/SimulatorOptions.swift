// The simulator's flags.

import ArgumentParser
import Configuration
import Simulator

struct SimulatorOptions: ParsableArguments {
    @Option(help: "Port of the API; 0 picks a free one.")
    var port = 0

    @Option(help: "Port of the token endpoint; 0 picks a free one.")
    var tokenPort = 0

    @Option(help: "Seed of all ids and names.")
    var seed: UInt64 = 1

    @Option(help: "iTwins (v1: projects).")
    var itwins = 2

    @Option(help: "Reports in each iTwin.")
    var reports = 25

    @Option(help: "Tests in each iTwin.")
    var tests = 12

    @Option(help: "Wait before each answer, such as 250ms.")
    var latency: DurationArgument = "0s"

    @Option(help: "Up to so much more wait.")
    var jitter: DurationArgument = "0s"

    @Option(help: "Rate limit of a client as CALLS/SPAN, such as 500/1m. Repeatable; default none.")
    var rate: [WindowArgument] = []

    @Option(help: "Rate limit for starting runs.")
    var runRate: WindowArgument = "6/1s"

    @Flag(help: "A call before an announced Retry-After is over starts the wait again.")
    var trap = false

    @Option(help: "Life of an access token.")
    var tokenLife: DurationArgument = "1h"

    @Option(help: "How long a started run stays in progress.")
    var runTime: DurationArgument = "3s"

    @Flag(help: "Compress answers to clients that accept gzip.")
    var gzip = false

    @Flag(help: "Weak entity tags on answers.")
    var etags = false

    @Option(help: "A fault; see below. Repeatable.")
    var fault: [FaultArgument] = []

    func validate() throws {
        try PortOption.check(port, "--port")
        try PortOption.check(tokenPort, "--token-port")
    }

    /// The same as the simulator wants it.
    func configuration() throws -> SimulatorConfiguration {
        var made = SimulatorConfiguration()
        made.apiPort = port
        made.tokenPort = tokenPort
        made.seed = seed
        made.iTwins = itwins
        made.reportsPerITwin = reports
        made.testsPerITwin = tests
        made.latency = latency.value
        made.latencyJitter = jitter.value
        made.rateWindows = rate.map(\.value)
        made.runWindows = [runRate.value]
        made.trapMode = trap
        made.tokenLifetime = tokenLife.value
        made.runDuration = runTime.value
        made.gzip = gzip
        made.weakETags = etags
        made.faults = fault.map(\.value)
        made.recordLimit = 0
        return made
    }
}

enum PortOption {
    /// Blames the option by its own name.
    static func check(_ port: Int, _ name: String) throws {
        guard (0...65_535).contains(port) else {
            throw ValidationError("\(name) is \(port), and a port is a number from 0 to 65535.")
        }
    }
}

/// `250ms`, `30s`, `5m`, `1h`.
struct DurationArgument: ExpressibleByArgument, ExpressibleByStringLiteral, CustomStringConvertible {
    let value: Duration
    let description: String

    init?(argument: String) {
        let digits = argument.prefix { $0.isNumber }
        guard let number = Int64(digits), number <= 1_000_000_000 else { return nil }
        switch argument.dropFirst(digits.count) {
        case "ms": value = .milliseconds(number)
        case "s": value = .seconds(number)
        case "m": value = .seconds(number * 60)
        case "h": value = .seconds(number * 3_600)
        default: return nil
        }
        description = argument
    }

    init(stringLiteral text: String) {
        guard let made = DurationArgument(argument: text) else { preconditionFailure("not a duration: \(text)") }
        self = made
    }
}

/// `500/1m`.
struct WindowArgument: ExpressibleByArgument, ExpressibleByStringLiteral, CustomStringConvertible {
    let value: RateWindow
    let description: String

    init?(argument: String) {
        let parts = argument.split(separator: "/")
        guard parts.count == 2, let limit = Int(parts[0]), limit > 0,
            let span = DurationArgument(argument: String(parts[1])), span.value > .zero
        else { return nil }
        value = RateWindow(limit: limit, per: span.value)
        description = argument
    }

    init(stringLiteral text: String) {
        guard let made = WindowArgument(argument: text) else { preconditionFailure("not a window: \(text)") }
        self = made
    }
}

/// `NAME[@TARGET][xTIMES][%PERCENT]`.
struct FaultArgument: ExpressibleByArgument {
    let value: PlannedFault

    init?(argument: String) {
        var rest = Substring(argument)
        var probability = 1.0
        var times: Int?
        if let mark = rest.lastIndex(of: "%"), let percent = Double(rest[rest.index(after: mark)...]) {
            probability = percent / 100
            rest = rest[..<mark]
        }
        if let mark = rest.lastIndex(of: "x"), let count = Int(rest[rest.index(after: mark)...]) {
            times = count
            rest = rest[..<mark]
        }
        let parts = rest.split(separator: "@", maxSplits: 1)
        guard let name = parts.first, let fault = Fault(named: String(name)), (0...1).contains(probability) else {
            return nil
        }
        let filter = parts.count == 2 ? RequestFilter(target: String(parts[1])) : RequestFilter.any
        value = PlannedFault(fault, where: filter, times: times, probability: probability)
    }
}
