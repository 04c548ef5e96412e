// `clash-proxy approvals …`: which deletes wait for a decision, and deciding. As a caller, through the main listener.

import ArgumentParser
import Audit
import Configuration
import Ground
import Proxy

struct ApprovalsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "approvals",
        abstract: "Deletes that wait for your approval (deletes.approval).",
        discussion: """
            Asks a running proxy as the caller whose key is in CLASH_KEY, or in the file of --key-file. It needs the right
            'approve', and nobody decides about deletes of one's own.
            """,
        subcommands: [List.self, Approve.self, Deny.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "What waits, with the body that will be sent.")

        @OptionGroup var proxy: ToolOptions
        @Flag(help: "The whole document, for scripts.") var json = false

        func run() async throws {
            let answer = try await proxy.ask("/_proxy/approvals")
            if json { return say(PrintableText.json(answer.oneLine)) }
            let waiting = JSON(Array(answer.utf8))?["approvals"]?.array ?? []
            if waiting.isEmpty { return say("nothing waits") }
            for approval in waiting { for line in ApprovalText.lines(approval) { say(line) } }
        }
    }

    struct Approve: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lets a delete through: the very same call, once, within ten minutes.")

        @Argument(help: "The approval's id.") var id: String
        @Option(help: "Why; stands in the audit log.") var reason: String?
        @OptionGroup var proxy: ToolOptions

        func run() async throws { try await proxy.decide(id, "approve", reason) }
    }

    struct Deny: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Refuses a delete for ten minutes.")

        @Argument(help: "The approval's id.") var id: String
        @Option(help: "Why; who asked is told, and it stands in the audit log.") var reason: String?
        @OptionGroup var proxy: ToolOptions

        func run() async throws { try await proxy.decide(id, "deny", reason) }
    }
}

/// How commands of callers reach a proxy.
struct ToolOptions: ParsableArguments {
    @Option(help: "The proxy, as tools call it.")
    var url = "http://127.0.0.1:8080"

    @Option(help: "A file with the caller's key. Default: the environment variable CLASH_KEY.")
    var keyFile: String?

    @Option(help: "A PEM file of certificates to trust besides the system's.")
    var caFile: String?

    /// The body of a 200. Complains and ends the command when there is another answer, or none.
    ///
    /// - Parameter body: of a POST; nil: a GET is sent.
    func ask(_ target: String, body: [UInt8]? = nil) async throws -> String {
        let answer: ToolClient.Answer
        do throws(ToolClient.Unreachable) {
            answer = try await ToolClient.ask(target, body: body, at: url, key: try key(), caFile: caFile)
        } catch {
            complain(error.description.printable)
            throw ExitCode.failure
        }
        let text = String(decoding: answer.body, as: UTF8.self)
        guard answer.status == 200 else {
            let message = JSON(answer.body)?["error"]?["message"]?.string
            complain(message.map(PrintableText.escaped) ?? PrintableText.json("\(answer.status) \(text.oneLine)"))
            throw ExitCode.failure
        }
        return text
    }

    func decide(_ id: String, _ decision: String, _ reason: String?) async throws {
        guard !id.isEmpty, id.utf8.allSatisfy({ $0 &- 0x30 < 10 || $0 | 0x20 &- 0x61 < 6 }) else {
            complain("'\(id)' is no id of an approval: those have hexadecimal digits only".printable)
            throw ExitStatus.commandLine
        }
        var body = JSONObject()
        body.add("decision", decision)
        if let reason { body.add("reason", reason) }
        let answer = try await ask("/_proxy/approvals/\(id)", body: Array(body.text.utf8))
        guard let approval = JSON(Array(answer.utf8))?["approval"] else {
            return say(PrintableText.json(answer.oneLine))
        }
        let until = approval["expires"]?.string ?? ""
        say("\(approval["state"]?.string ?? decision) until \(until):".printable)
        for line in ApprovalText.lines(approval) { say(line) }
    }

    private func key() throws(ToolClient.Unreachable) -> String {
        if let keyFile {
            guard let text = try? TextFile.read(keyFile) else {
                throw ToolClient.Unreachable(description: "the key file \(keyFile) cannot be read")
            }
            return text
        }
        guard let key = ProcessEnvironment.variables()["CLASH_KEY"], !key.isEmpty else {
            throw ToolClient.Unreachable(
                description: "there is no key: set CLASH_KEY, or name its file with --key-file")
        }
        return key
    }
}

/// A delete that waits, for people. All of it comes from tools, and is escaped.
enum ApprovalText {
    static func lines(_ approval: JSON) -> [String] {
        func text(_ name: String) -> String { approval[name]?.string ?? "" }
        let caller = approval["caller"]?["name"]?.string ?? ""
        let objects = (approval["objects"]?.array ?? []).compactMap(\.string).joined(separator: " ")
        let wait = text("state") == "waiting" ? ", to be decided until \(text("expires"))" : ""
        var lines = [
            text("id"),
            "  asked    \(text("asked")) by \(caller)\(wait)",
            "  delete   \(text("operation")) \(objects)" + (text("itwin").isEmpty ? "" : " in iTwin \(text("itwin"))"),
        ]
        if !text("reason").isEmpty { lines.append("  reason   \(text("reason"))") }
        lines.append("  sends    \(text("method")) \(text("target"))")
        let body = approval["body"]?.string ?? text("bodyBase64")
        if !body.isEmpty { lines.append("           \(body)") }
        return lines.map(PrintableText.escaped)
    }
}
