// `clash-proxy simulate token`: asks a running simulator for a token of its issuer.

import ArgumentParser
import Configuration
import Ground
import Proxy
import Simulator

struct SimulateTokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Prints a JWT of a running simulator's issuer.",
        discussion: """
            For instance
              clash-proxy simulate token --issuer http://127.0.0.1:9001 --sub alice --audience clash \\
                --claim email=alice@example.com --claim 'groups=["clash-admins"]'
            """)

    @Option(help: "Whose it is (sub).")
    var sub: String

    @Option(help: "The issuer's URL, as `simulate` and `demo` print it.")
    var issuer: String

    @Option(help: "For whom it is (aud). Repeatable.")
    var audience: [String] = []

    @Option(help: "The client that it was given to (client_id).")
    var client: String?

    @Option(help: "A claim as NAME=TEXT, or NAME=JSON for a list, an object, a number, true or false. Repeatable.")
    var claim: [ClaimArgument] = []

    @Option(help: "How long it lives, such as 15m.")
    var life: DurationArgument = "1h"

    @Option(help: "RS256 or ES256.")
    var alg: SigningAlgorithm = .rs256

    @Option(help: "Another kid than that of the key that signs.")
    var kid: String?

    func run() async throws {
        guard let origin = Origin(url: issuer), origin.scheme == .http, origin.isLoopback else {
            complain("--issuer \(issuer.printable) is no http:// URL of this machine: use what `simulate` prints")
            throw ExitStatus.commandLine
        }
        let answer: AdminClient.Answer
        do throws(AdminClient.Unreachable) {
            answer = try await AdminClient.ask(
                "GET", target, at: .tcp(host: origin.host, port: origin.port), certificate: nil, key: nil)
        } catch {
            complain("no simulator answers at \(origin.url)")
            throw ExitCode.failure
        }
        guard answer.status == 200 else {
            complain("the simulator gives no token (\(answer.status)): \(answer.body.printable)")
            throw ExitCode.failure
        }
        say(answer.body.filter { $0 != "\n" })
    }

    private var target: String {
        var parameters = [("sub", sub), ("alg", alg.rawValue), ("life", String(life.value.components.seconds))]
        if !audience.isEmpty { parameters.append(("aud", audience.joined(separator: " "))) }
        if let client { parameters.append(("client_id", client)) }
        if let kid { parameters.append(("kid", kid)) }
        if !claim.isEmpty { parameters.append(("claims", "{" + claim.map(\.member).joined(separator: ",") + "}")) }
        return "/simulator/token?"
            + parameters.map { "\($0)=\(Self.encoded($1))" }.joined(separator: "&")
    }

    private static func encoded(_ text: String) -> String {
        var out = ""
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: out.unicodeScalars.append(.init(byte))
            default: out += "%" + Hex.text([byte])
            }
        }
        return out
    }
}

/// `NAME=VALUE`, as the member of a JSON object.
struct ClaimArgument: ExpressibleByArgument {
    let member: String

    init?(argument: String) {
        guard let mark = argument.firstIndex(of: "="), mark > argument.startIndex else { return nil }
        let value = String(argument[argument.index(after: mark)...])
        let isJSON: Bool
        switch JSON(Array(value.utf8)) {
        case .array, .object, .number, .bool: isJSON = true
        case .null, .string, nil: isJSON = false
        }
        member = JSONText.quoted(String(argument[..<mark])) + ":" + (isJSON ? value : JSONText.quoted(value))
    }
}

extension SigningAlgorithm: ExpressibleByArgument {}
