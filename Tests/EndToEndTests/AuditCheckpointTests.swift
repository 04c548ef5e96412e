// Checkpoints as a witness sees them: the files of a running proxy, its own command, and a verifier that has none of its code.

import FoundationEssentials
import Glibc
import Proxy
import Simulator
import TestSupport
import Testing

@Suite(.enabled(if: Program.isBuilt)) struct AuditCheckpointTests {
    private static let script =
        "/" + #filePath.split(separator: "/").dropLast().joined(separator: "/") + "/Fixtures/verify_checkpoint.py"
    private static let hasVerifier: Bool = {
        guard let pipe = popen("python3 -c 'import cryptography' 2>&1", "r") else { return false }
        return pclose(pipe) == 0
    }()

    /// A proxy that signs every checkpoint with a key that `keygen` has made, after so many deletes.
    private func withSigned(
        _ flags: [String] = [], _ body: @escaping (Rig, _ verifierKey: String) async throws -> Void
    ) async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let made = try await AuditProgram.run(
            ["audit", "keygen", "\(folder.path)/key", "--path", "\(folder.path)/none", "--config", "/dev/null"])
        #expect(made.status == 0 && made.lines.count == 1, "\(made.errors)")
        try await withRig { options in
            options.flags =
                ["audit.signing_key_file=\(folder.path)/key", "audit.checkpoint_every=30s", "audit.rotate_bytes=64KiB"]
                + flags
        } _: { rig async throws in
            let why = ("X-Audit-Reason", String(repeating: "because ", count: 3_500))
            for (index, report) in rig.simulator.reportIDs(iTwin: rig.iTwin).prefix(3).enumerated() {
                #expect(try await rig.deleteRun(report, id: "c-\(index)", [why]).status == 204)
            }
            rig.clock.advance(by: .seconds(31))
            _ = try await rig.deleteRun("none", id: "last")
            try await body(rig, made.lines.first ?? "")
        }
    }

    private func text(_ path: String) throws -> String {
        String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self)
    }

    private func change(_ path: String, _ body: (inout Data) -> Void) throws {
        var data = try Data(contentsOf: URL(filePath: path))
        body(&data)
        try data.write(to: URL(filePath: path))
    }

    private func size(_ checkpoint: String) -> Int {
        Int(checkpoint.split(separator: "\n").dropFirst().first ?? "") ?? 0
    }

    @Test(
        "an independent verifier accepts a checkpoint, and refuses it after one byte of log or note was changed",
        .enabled(if: hasVerifier, "python3 has no module `cryptography`"))
    func independent() async throws {
        try await withSigned { rig, key async throws in
            let (log, note) = (rig.auditFolder, rig.auditFolder + "/checkpoint")
            func verify() async throws -> String {
                try await Shell.run("python3 '\(Self.script)' '\(note)' '\(key)' '\(log)' 2>&1; echo $?")
            }
            #expect(try size(text(note)) >= 7)
            #expect(try text(note).hasPrefix("clash-proxy/"))
            #expect(try await verify().hasSuffix("\n0\n"))
            let first = try FileManager.default.contentsOfDirectory(atPath: log).filter {
                $0.hasPrefix("audit-") && $0.hasSuffix(".jsonl")
            }
            .sorted()[0]
            try change("\(log)/\(first)") { $0[100] ^= 1 }
            #expect(try await verify() == "other records\n1\n")
            try change("\(log)/\(first)") { $0[100] ^= 1 }
            try change(note) { $0[$0.count - 8] ^= 1 }
            #expect(try await verify() == "wrong signature\n1\n")
        }
    }

    @Test("audit verify --checkpoint: 0 for every note of the log's life; 1 with clear words for any other")
    func verify() async throws {
        try await withSigned { rig, key async throws in
            let (log, folder) = (rig.auditFolder, try TemporaryFolder())
            defer { folder.remove() }
            let old = folder.path + "/old"
            try text(log + "/checkpoint").write(toFile: old, atomically: false, encoding: .utf8)
            func verify(_ note: String, key: String, log: String = rig.auditFolder) async throws -> AuditProgram.Result
            {
                try await AuditProgram.run(
                    ["audit", "verify", "--path", log, "--checkpoint", note, "--public-key", key])
            }
            #expect(permissions(of: log + "/checkpoint") == 0o600)
            for _ in 0..<60 { _ = try await rig.deleteRun("none", id: "more") }
            let new = try text(log + "/checkpoint")
            #expect(try size(new) >= size(text(old)) + 100, "every hundred records")
            for note in [old, log + "/checkpoint"] {
                let held = try await verify(note, key: key)
                #expect(held.status == 0 && held.output.contains(" holds"), "\(held.output)\(held.errors)")
            }
            // C2SP signed-note wants each line to end.
            try String(text(old).dropLast()).write(toFile: folder.path + "/open", atomically: false, encoding: .utf8)
            let open = try await verify(folder.path + "/open", key: key)
            #expect(open.status == 1 && open.errors.contains("is no signed note"), "\(open.output)\(open.errors)")
            let stranger = try await AuditProgram.run([
                "audit", "keygen", folder.path + "/other", "--config", "/dev/null",
            ])
            let foreign = try await verify(old, key: stranger.lines.first ?? "")
            #expect(foreign.status == 1 && foreign.errors.contains("is not signed by"), "\(foreign.errors)")
            #expect(try await verify(old, key: "nonsense").status == 1)
            #expect(try await AuditProgram.run(["audit", "verify", "--path", log, "--checkpoint", old]).status == 64)

            let signed = try text(old)
            try signed.replacing("\n\(size(signed))\n", with: "\n\(size(signed) + 1)\n").write(
                toFile: folder.path + "/forged", atomically: false, encoding: .utf8)
            let forged = try await verify(folder.path + "/forged", key: key)
            #expect(forged.status == 1 && forged.errors.contains("wrong signature"), "\(forged.errors)")

            try FileManager.default.copyItem(atPath: log, toPath: folder.path + "/cut")
            let files = try FileManager.default.contentsOfDirectory(atPath: log).filter {
                $0.hasPrefix("audit-") && $0.hasSuffix(".jsonl")
            }
            .sorted()
            try FileManager.default.removeItem(atPath: "\(folder.path)/cut/\(files[files.count - 1])")
            let cut = try await verify(log + "/checkpoint", key: key, log: folder.path + "/cut")
            #expect(cut.status == 1 && cut.output.contains("cut: "), "\(cut.output)")
        }
    }

    @Test("the head for witnesses stands in the metrics, and changes when checkpoint_every is over")
    func headInfo() async throws {
        try await withRig { options in
            options.clock = ShiftedClock(isFrozen: true)
        } _: { rig async throws in
            func heads() async throws -> [Substring] {
                try await rig.admin("/metrics").text.split(separator: "\n").filter {
                    $0.hasPrefix("clash_proxy_audit_head_info")
                }
            }
            func head(_ hash: String) -> [Substring] { ["clash_proxy_audit_head_info{hash=\"\(hash)\"} 1"] }
            let opened = try #require(try AuditLogFile.lines(rig.auditFolder).first).line.hash
            _ = try await rig.deleteRun("none", id: "c-1")
            #expect(try await heads() == head(opened), "not before its time")
            rig.clock.advance(by: .seconds(61))
            let noted = try #require(try AuditLogFile.lines(rig.auditFolder).last).line.hash
            _ = try await rig.deleteRun("none", id: "c-2")
            #expect(try await heads() == head(noted))
        }
    }

    @Test("a checkpoint that cannot be written is an alert and a word of /readyz, until it can again")
    func unwritable() async throws {
        let receiver = AlertReceiver()
        defer { receiver.stop() }
        try await withSigned([receiver.flag]) { rig, _ async throws in
            let place = rig.auditFolder + "/checkpoint"
            try FileManager.default.removeItem(atPath: place)
            try FileManager.default.createDirectory(atPath: place + "/x", withIntermediateDirectories: true)
            rig.clock.advance(by: .seconds(31))
            _ = try await rig.deleteRun("none", id: "without")
            let alert = try await receiver.alert("audit")
            #expect(alert.text.contains("checkpoint") && alert.state == "begun")
            let ready = try await rig.admin("/readyz")
            #expect(ready.status == 200 && ready.text.contains("degraded"), "\(ready.text)")
            #expect(ready.text.contains("the checkpoint of the audit log cannot be written"), "\(ready.text)")
            try FileManager.default.removeItem(atPath: place)
            rig.clock.advance(by: .seconds(31))
            _ = try await rig.deleteRun("none", id: "with")
            _ = try await receiver.alert("audit", "over")
            #expect(try await rig.admin("/readyz").text == "{\"status\":\"ready\"}\n")
        }
    }

    @Test("a log that contradicts its checkpoint is an alert, and degraded for as long as the checkpoint is kept there")
    func disputed() async throws {
        let receiver = AlertReceiver()
        defer { receiver.stop() }
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let made = try await AuditProgram.run(
            ["audit", "keygen", "\(folder.path)/key", "--path", "\(folder.path)/none", "--config", "/dev/null"])
        #expect(made.status == 0)
        let flags = ["audit.path=\(folder.path)/audit", "audit.signing_key_file=\(folder.path)/key"]
        func run(_ flags: [String], _ body: @escaping (Rig) async throws -> Void) async throws {
            try await withRig({ $0.flags = flags }) { rig async throws in
                _ = try await rig.deleteRun("none", id: "one")
                try await body(rig)
                _ = await rig.drain()
            }
        }
        try await run(flags) { _ in }
        for name in try FileManager.default.contentsOfDirectory(atPath: folder.path + "/audit")
        where name.hasSuffix(".jsonl") {
            try FileManager.default.removeItem(atPath: "\(folder.path)/audit/\(name)")
        }
        try await run([flags[0]]) { _ in }
        for _ in 0..<2 {
            try await run(flags + [receiver.flag]) { rig in
                let ready = try await rig.admin("/readyz").text
                #expect(ready.contains("degraded") && ready.contains("checkpoint.disputed-1"), "\(ready)")
            }
        }
        let alert = try await receiver.alert("audit")
        #expect(alert.severity == "critical" && alert.details["files"] == "checkpoint.disputed-1")
    }

    @Test("audit.keep takes whole files away while the proxy runs, tells it, and leaves a log that verifies")
    func keep() async throws {
        try await withSigned(["audit.keep=1h"]) { rig, key async throws in
            let files = {
                try FileManager.default.contentsOfDirectory(atPath: rig.auditFolder).filter {
                    $0.hasPrefix("audit-") && $0.hasSuffix(".jsonl")
                }
            }
            let before = try files().count
            #expect(before > 1)
            rig.clock.advance(by: .seconds(2 * 3_600))
            try await eventually("it is told") {
                rig.applicationLog.text.contains("files of the audit log are retired")
            }
            #expect(try files().count < before)
            #expect(try AuditLogFile.lines(rig.auditFolder).contains { $0.line.event == "retired" })
            rig.clock.advance(by: .seconds(31))
            _ = try await rig.deleteRun("none", id: "after")
            let verified = try await AuditProgram.run(
                ["audit", "verify", "--path", rig.auditFolder, "--public-key", key]
                    + ["--checkpoint", rig.auditFolder + "/checkpoint"])
            #expect(verified.status == 0 && verified.output.contains("retired by audit.keep: records 1 to "))
            #expect(verified.output.contains(" holds"), "\(verified.output)\(verified.errors)")
        }
    }

    @Test("a key file that is none, or is missing, is a mistake of the configuration")
    func mistakes() async throws {
        for (file, part) in [("/etc/hostname", "holds no signing key"), ("/nowhere/key", "there is no such file")] {
            let checked = try await AuditProgram.run(
                ["check", "--config", "/dev/null", "--set", "token.client_id=a", "--set", "token.client_secret=b"]
                    + ["--set", "audit.signing_key_file=\(file)"])
            #expect(checked.status == 78 && checked.errors.contains(part), "\(checked.errors)\(checked.output)")
            #expect(checked.errors.contains("audit keygen"))
        }
    }
}
