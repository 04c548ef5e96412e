// What the service manager hears, through real sockets.

import Ground
import TestSupport
import Testing

@testable import Proxy

@Suite struct ServiceManagerTests {
    @Test("news reach a socket by its path and one in the abstract namespace", arguments: [true, false])
    func sockets(isAbstract: Bool) async throws {
        let folder = try TemporaryFolder()
        defer { folder.remove() }
        let name = isAbstract ? "@clash-proxy-test-\(UInt64.random(in: 0 ... .max))" : folder.path + "/notify"
        let socket = try DatagramSocket(name)
        let manager = try #require(ServiceManager(["NOTIFY_SOCKET": name]))
        manager.tell(.ready, .status("listening\non two lines"))
        #expect(try await socket.receive() == "READY=1\nSTATUS=listening on two lines")
        manager.tell(.stopping)
        #expect(try await socket.receive() == "STOPPING=1")
        manager.beat()
        #expect(try await socket.receive() == "WATCHDOG=1")
        manager.tell(.reloading)
        let reloading = try await socket.receive().split(separator: "\n")
        #expect(reloading.first == "RELOADING=1")
        #expect(
            reloading.last?.hasPrefix("MONOTONIC_USEC=") == true && Int64(reloading.last?.dropFirst(15) ?? "") ?? 0 > 0)
    }

    @Test("where it does not keep up, beats are left out, and what it would wait for in vain waits for it")
    func full() async throws {
        let name = "@clash-proxy-test-\(UInt64.random(in: 0 ... .max))"
        let socket = try DatagramSocket(name)
        let manager = try #require(ServiceManager(["NOTIFY_SOCKET": name]))
        // More than any queue of datagrams holds.
        for _ in 0..<100_000 { manager.beat() }
        async let told: Void = OffThread.run { manager.tell(.stopping) }
        var beats = 0
        while try await socket.receive() == "WATCHDOG=1" { beats += 1 }
        await told
        #expect(beats > 0 && beats < 100_000)
    }

    @Test("nobody there, or gone, stops nothing")
    func gone() throws {
        let manager = try #require(ServiceManager(["NOTIFY_SOCKET": "/nowhere/at-all"]))
        manager.tell(.ready)
    }

    @Test(
        "what is no address of a unix socket is none",
        arguments: ["", "/", "@", "relative", "vsock:2:1", "/" + String(repeating: "x", count: 108)])
    func unusable(name: String) { #expect(ServiceManager(["NOTIFY_SOCKET": name]) == nil) }

    @Test(
        "the watchdog is for the process that it names, or for whoever is started",
        arguments: [
            (["WATCHDOG_USEC": "3000000"], 3), (["WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "7"], 3),
            (["WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "8"], nil), ([:], nil), (["WATCHDOG_USEC": "0"], nil),
            (["WATCHDOG_USEC": "-1"], nil), (["WATCHDOG_USEC": "soon"], nil),
        ] as [([String: String], Int?)])
    func watchdog(variables: [String: String], seconds: Int?) throws {
        let all = variables.merging(["NOTIFY_SOCKET": "/run/x"]) { first, _ in first }
        let manager = try #require(ServiceManager(all, process: 7))
        #expect(manager.watchdog == seconds.map { .seconds($0) })
    }
}
