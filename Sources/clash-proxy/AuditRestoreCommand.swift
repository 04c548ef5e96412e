// `clash-proxy audit restore` and the part of `audit verify` that looks at archived files.

import ArgumentParser
import Audit
import Configuration
import Glibc
import Proxy

/// Where the archive is.
struct ArchiveOptions: ParsableArguments {
    @Option(help: "The folder of archived reports. Default: deletes.archive_path of the configuration.")
    var archivePath: String?

    func folder(_ options: ConfigOptions) throws -> ArchiveFolder {
        ArchiveFolder(path: try archivePath ?? options.load(only: ["deletes.archive_path"]).deletes.archivePath)
    }
}

extension AuditCommand {
    struct Restore: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Writes out what was archived before a delete (deletes.archive).",
            discussion: """
                ID is the correlation id of the delete: the ID of its row in `audit list`. What comes out is the answer that
                Bentley gave to a read of the whole report (v2), or of the result of the run (v1), byte for byte; its hash is
                checked before the first byte. Bentley has no way to take it back in.
                """)

        @Argument(help: "The correlation id of the delete.") var id: String
        @Option(help: "The file to make, never over another. Default: standard output.") var output: String?
        @Option(help: "Of several, the one whose hash begins so.") var sha256: String?
        @OptionGroup var folder: AuditFolderOptions
        @OptionGroup var archive: ArchiveOptions

        func run() async throws {
            let file = try chosen()
            let archive = try archive.folder(folder.options)
            do throws(ArchiveTrouble) {
                // First all of it is looked at: what is not what it should be is not written out.
                let found = try archive.read(file.path)
                guard found.sha256 == file.sha256, found.bytes == file.bytes else {
                    throw ArchiveTrouble.notAsRecorded(file.path)
                }
            } catch {
                try fail(error.description)
            }
            let descriptor = try opened()
            var isWritten = true
            do throws(ArchiveTrouble) {
                try archive.read(file.path) { bytes in
                    isWritten = Self.write(bytes, to: descriptor)
                    return isWritten
                }
            } catch {
                isWritten = false
                complain(error.description.printable)
            }
            if let output {
                isWritten = isWritten && fsync(descriptor) == 0
                close(descriptor)
                if !isWritten { unlink(output) }
            }
            guard isWritten else { try fail("it could not be written to \(output ?? "standard output")") }
            complain("restored \(file.bytes) bytes, sha256 \(file.sha256)")
        }

        private func chosen() throws -> ArchivedFile {
            let reader = try folder.reader()
            let entries: [AuditArchived]
            do throws(AuditReadFailure) {
                entries = try reader.archived(of: id)
            } catch {
                try fail(error.description)
            }
            let files = entries.compactMap(\.file).filter { $0.sha256.hasPrefix(sha256?.lowercased() ?? "") }
            if files.count == 1 { return files[0] }
            if files.isEmpty {
                for case .missing(let why) in entries { complain("not archived: \(why)".printable) }
                try fail(
                    entries.isEmpty
                        ? "no delete with the id '\(id)' has anything archived: look for it with `audit list`"
                        : "nothing fits")
            }
            for file in files { complain("\(file.sha256)  \(file.bytes) bytes") }
            try fail("the delete had several objects: choose one with --sha256")
        }

        private func opened() throws -> CInt {
            guard let output else { return STDOUT_FILENO }
            let descriptor = open(output, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else { try fail("cannot make \(output): \(String(cString: strerror(errno)))") }
            return descriptor
        }

        private static func write(_ bytes: [UInt8], to descriptor: CInt) -> Bool {
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
                if count > 0 { rest = rest.dropFirst(count) } else if errno != EINTR { return false }
            }
            return true
        }

        private func fail(_ why: String) throws -> Never {
            complain(why.printable)
            throw ExitCode.failure
        }
    }
}

/// Holds the archive against the log.
enum ArchiveVerification {
    /// Says what is wrong, and at the end how many files there are. False if something was.
    static func run(_ reader: AuditReader, _ folder: ArchiveFolder) throws(AuditReadFailure) -> Bool {
        let named = try reader.archived()
        var isIntact = true
        for (path, record) in named.sorted(by: { $0.key < $1.key }) {
            do throws(ArchiveTrouble) {
                let found = try folder.read(path)
                if found.sha256 != record.file.sha256 || found.bytes != record.file.bytes {
                    throw ArchiveTrouble.notAsRecorded(path)
                }
            } catch {
                isIntact = false
                say("archive: \(error.description)".printable)
            }
        }
        say("archive: \(named.count) files named by the log\(isIntact ? ", each as it was recorded" : "")")
        return isIntact
    }
}

extension ArchiveTrouble {
    fileprivate static func notAsRecorded(_ path: String) -> ArchiveTrouble {
        ArchiveTrouble("\(path) is not what was archived: its bytes have another hash than the log has")
    }
}
