// `clash-proxy audit verify` and `audit keygen`: is the log whole, and is it the one that was signed.

import ArgumentParser
import Audit
import Configuration
import Ground

extension AuditCommand {
    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Checks every hash and the chain; exit code 0 when it is intact, 1 when not.")

        @OptionGroup var folder: AuditFolderOptions
        @Option(help: "A head noted elsewhere (64 hex digits): the log must still hold its record.")
        var head: String?
        @Option(help: "A file with a checkpoint, of whatever age: the log must still begin with what was signed.")
        var checkpoint: String?
        @Option(
            parsing: .upToNextOption,
            help: "Folders of other logs of the fleet: what they saw of this one must still be there.")
        var with: [String] = []
        @Option(help: "The verifier key that `audit keygen` printed, for --checkpoint.")
        var publicKey: String?
        @Flag(name: .customLong("archive"), help: "Looks at every archived file (deletes.archive), too.")
        var looksAtArchive = false
        @OptionGroup var archive: ArchiveOptions

        func validate() throws {
            guard (checkpoint == nil) == (publicKey == nil) else {
                throw ValidationError("--checkpoint and --public-key belong together.")
            }
        }

        func run() async throws {
            let noted = try checkpoint.map(read)
            let reader = try folder.reader()
            let archived = looksAtArchive ? try archive.folder(folder.options) : nil
            let (verification, verdict, isArchived): (AuditVerification, CheckpointVerdict?, Bool)
            do throws(AuditReadFailure) {
                verification = try reader.verify(head: head)
                isArchived = if let archived { try ArchiveVerification.run(reader, archived) } else { true }
                verdict = if let noted { try reader.verify(noted) } else { nil }
            } catch {
                complain(error.description.printable)
                throw ExitCode.failure
            }
            for finding in verification.findings { say(finding.description.printable) }
            for file in verification.setAside { say("set aside after a crash: \(file.printable)") }
            if let retired = verification.retired {
                say("retired by audit.keep: records 1 to \(retired)")
                if verification.findings.contains(where: { if case .cutTail = $0 { true } else { false } }) {
                    say("the head that was given may be that of a record among them")
                }
            }
            if let noted, let verdict { say(Self.words(verdict, noted).printable) }
            let isWitnessed = try held(reader)
            let isIntact = verification.isIntact && (verdict ?? .holds) == .holds && isWitnessed && isArchived
            let word = isIntact ? "intact" : "NOT INTACT"
            say("\(word): \(verification.records) records in \(verification.files) files, head \(verification.head)")
            guard isIntact else { throw ExitCode.failure }
        }

        /// Whether all that other logs saw of this one is there.
        private func held(_ reader: AuditReader) throws -> Bool {
            var isHeld = true
            for other in with {
                do throws(AuditReadFailure) {
                    let own = try reader.identity()
                    let witnesses = try AuditReader(folder: other).witnesses().filter { $0.log == own }
                    let missing = try reader.disproved(by: witnesses)
                    for seen in missing {
                        say(
                            "cut or replaced: record \(seen.seq) with the hash \(seen.hash), which \(other) saw at \(seen.time), is not there"
                                .printable)
                    }
                    if missing.isEmpty {
                        say(
                            "seen by \(other): \(witnesses.count) heads, the newest of record \(witnesses.last?.seq ?? 0)"
                                .printable)
                    }
                    isHeld = isHeld && missing.isEmpty
                } catch {
                    complain(error.description.printable)
                    throw ExitCode.failure
                }
            }
            return isHeld
        }

        /// Complains and ends the command when there is nothing that could be held against the log.
        private func read(_ file: String) throws -> Checkpoint {
            let key: NoteVerifierKey
            do throws(NoteProblem) {
                key = try NoteVerifierKey(parsing: publicKey ?? "")
            } catch {
                complain("--public-key \(error)".printable)
                throw ExitCode.failure
            }
            guard let text = try? TextFile.readWhole(file) else {
                complain("the checkpoint \(file) cannot be read".printable)
                throw ExitCode.failure
            }
            do throws(NoteProblem) {
                return try Checkpoint(parsing: text, key: key)
            } catch {
                complain("the checkpoint \(file) \(error)".printable)
                throw ExitCode.failure
            }
        }

        private static func words(_ verdict: CheckpointVerdict, _ noted: Checkpoint) -> String {
            let signed = "the checkpoint of \(noted.origin) over \(noted.size) records"
            return switch verdict {
            case .holds: "\(signed) holds: the log begins with what was signed"
            case .differs: "other records: \(signed) has another root than the first \(noted.size) records of this log"
            case .tooShort(let records): "cut: \(signed) was signed, and the log has only \(records)"
            case .retired(let last):
                "cannot be told: \(signed) ends before record \(last), up to which audit.keep took records away; "
                    + "a later checkpoint can be verified, or this one together with the files that were taken"
            }
        }
    }

    struct Keygen: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes the key that signs checkpoints; prints the key that verifies them.",
            discussion:
                "The file is made with mode 0600, and never over another. The verifier key is no secret: keep it, and "
                + "checkpoints, where the proxy's machine cannot change them.")

        @Argument(help: "The file to make. Default: audit.signing_key_file of the configuration.")
        var file: String?

        @OptionGroup var options: ConfigOptions
        @Option(help: "The log's folder. Default: audit.path of the configuration.")
        var path: String?

        func run() async throws {
            let config = try options.load(only: ["audit.path", "audit.signing_key_file", "fleet.name"])
            guard let file = file ?? config.audit.signingKeyFile else {
                complain("name the file to make, or set audit.signing_key_file")
                throw ExitStatus.commandLine
            }
            do {
                // A log that exists keeps its name, whatever the host is called by now.
                let fixed = try AuditReader(folder: path ?? config.audit.path).name()
                let own = config.fleet.name.isEmpty ? MachineName.text : config.fleet.name
                let verifier = try SigningKeyFile(path: file).make(for: fixed ?? NoteName.origin(own))
                say("\(verifier)")
            } catch let error as AuditReadFailure {
                complain(error.description.printable)
                throw ExitCode.failure
            } catch let error as SigningKeyFile.Refusal {
                complain(error.description.printable)
                throw ExitCode.failure
            }
        }
    }
}
