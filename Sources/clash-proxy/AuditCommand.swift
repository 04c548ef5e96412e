// `clash-proxy audit …`: reads the log of a running or stopped proxy.

import ArgumentParser
import Audit
import Configuration
import Glibc
import Proxy

struct AuditCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "Who deleted it? Reads the audit log, also while a proxy writes it.",
        subcommands: [List.self, Show.self, Verify.self, Export.self, Restore.self, Keygen.self])
}

/// Where the log is.
struct AuditFolderOptions: ParsableArguments {
    @OptionGroup var options: ConfigOptions

    @Option(help: "The log's folder. Default: audit.path of the configuration.")
    var path: String?

    /// A reader of the log. Exits with 1 when there is no such folder.
    func reader() throws -> AuditReader {
        let folder = try path ?? options.load(only: ["audit.path"]).audit.path
        guard access(folder, F_OK) == 0 || errno != ENOENT else {
            complain(
                "there is no audit log at \(ProcessEnvironment.absolute(folder).printable): name its folder with --path, "
                    + "or the proxy's own file with --config")
            throw ExitCode.failure
        }
        return AuditReader(folder: folder)
    }
}

/// Which rows.
struct AuditFilterOptions: ParsableArguments {
    @Option(help: "Asked for at this time or later: RFC 3339, or so long ago (30m, 2h, 7d).")
    var since: AuditMoment?

    @Option(help: "Asked for before this time.")
    var until: AuditMoment?

    @Option(help: "The caller's name.")
    var caller: String?

    @Option(help: "The id of a report, run, test or rule.")
    var object: String?

    @Option(help: "The iTwin's (v1: project's) id.")
    var itwin: String?

    @Option(
        help:
            "deleted, not_found, failed, refused_upstream, unknown, not_sent, started, done, denied, approval_asked, approved, approval_denied or open."
    )
    var result: AuditResultArgument?

    var filter: AuditFilter {
        var filter = AuditFilter()
        filter.since = since?.time
        filter.until = until?.time
        filter.caller = caller
        filter.object = object
        filter.itwin = itwin
        filter.result = result?.rawValue
        return filter
    }
}

/// What `--result` takes: an outcome's result, `denied`, what became of an approval, or `open`.
struct AuditResultArgument: RawRepresentable, ExpressibleByArgument {
    let rawValue: String

    init?(rawValue: String) {
        let others = ["denied", "approval_asked", "approved", "approval_denied", "open"]
        guard others.contains(rawValue) || AuditResult(rawValue: rawValue) != nil else { return nil }
        self.rawValue = rawValue
    }
}

/// `2026-01-31T12:00:00Z`, or a time that long before now.
struct AuditMoment: ExpressibleByArgument {
    let time: AuditTime

    init?(argument: String) {
        if let time = AuditTime(argument) {
            self.time = time
            return
        }
        var text = argument
        if text.hasSuffix("d"), let days = Int(text.dropLast()), days < 1_000_000 { text = "\(days * 24)h" }
        guard let ago = DurationArgument(argument: text) else { return nil }
        let now = AuditOptions.systemWallTime()
        time = AuditTime(microseconds: now.microseconds - ago.value.components.seconds * 1_000_000)
    }
}

extension AuditFormat: ExpressibleByArgument {}

extension AuditCommand {
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "One row per recorded call, with what came of it.")

        @OptionGroup var folder: AuditFolderOptions
        @OptionGroup var filters: AuditFilterOptions
        @Option(help: "table, json or csv.")
        var format = AuditFormat.table

        func run() async throws { try AuditOutput.rows(folder.reader(), filters.filter, format) }
    }

    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "The same rows for other programs.")

        @OptionGroup var folder: AuditFolderOptions
        @OptionGroup var filters: AuditFilterOptions
        @Option(help: "json or csv.")
        var format = AuditFormat.json

        func run() async throws { try AuditOutput.rows(folder.reader(), filters.filter, format) }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The records of one call as they stand in the log.",
            discussion: "Characters that a terminal would obey or reorder are escaped, as JSON can.")

        @Argument(help: "A correlation id, or the number of a record.")
        var id: String

        @OptionGroup var folder: AuditFolderOptions
        @Option(help: "Accepted for symmetry: records are always shown as the JSON they are.")
        var format = AuditFormat.json

        func run() async throws {
            guard !id.isEmpty else { throw ValidationError("Give a correlation id or the number of a record.") }
            var found = false
            let reader = try folder.reader()
            do throws(AuditReadFailure) {
                try reader.show(id) { line in
                    found = true
                    say(PrintableText.json(line))
                }
            } catch {
                complain(error.description.printable)
                throw ExitCode.failure
            }
            guard found else {
                complain("no record has the id or number '\(id.printable)'")
                throw ExitCode.failure
            }
        }
    }
}

extension String {
    /// Without what a terminal would obey or reorder.
    var printable: String { PrintableText.plain(self) }
}

private enum AuditOutput {
    /// Streams rows to standard output.
    static func rows(_ reader: AuditReader, _ filter: AuditFilter, _ format: AuditFormat) throws {
        var printer = AuditPrinter(format)
        var pending = printer.header
        do throws(AuditReadFailure) {
            try reader.rows(filter) { row in
                pending += printer.text(row)
                guard pending.utf8.count > 64 << 10 else { return true }
                defer { pending = "" }
                return put(pending)
            }
        } catch {
            complain(error.description.printable)
            throw ExitCode.failure
        }
        _ = put(pending + printer.footer)
    }
}
