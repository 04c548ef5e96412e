// What a configuration that is read while the proxy runs comes to.

import Ground
import RateLimiting
import Testing

@testable import Configuration

@Suite("What a reload decides") struct ConfigReloadTests {
    private static let key = String(repeating: "a", count: 64)
    private static let caller = "[[caller]]\nname = \"a\"\nkey_sha256 = \"\(key)\"\nallow = [\"read\"]\n"

    private func reload(_ former: String?, _ new: String?, flags: [String] = []) throws -> ConfigReload {
        try loadConfig(new, flags: flags).reload(try loadConfig(former, flags: flags).config) { _, _ in nil }
    }

    @Test("the same text again changes nothing")
    func nothing() throws {
        let plan = try reload("[rate]\nmax_queue = 7\n" + Self.caller, "[rate]\nmax_queue = 7\n" + Self.caller)
        #expect(plan.changed == [] && plan.needsRestart == [])
    }

    @Test(
        "limits, lifetimes, log, CORS, public_url, callers, audit policy and timeouts take effect, in the order of the file"
    )
    func applied() throws {
        let plan = try reload(
            nil,
            """
            [listen]
            public_url = "https://clash.example.com"
            max_connections = 5
            cors_origins = ["https://app.example.com"]
            [admin]
            hosts = ["clash"]
            [upstream]
            connect_timeout = "1s"
            first_byte_timeout = "2s"
            stall_timeout = "3s"
            [token]
            client_secret = "other"
            [cache]
            max_bytes = "1MiB"
            ttl_list = "1s"
            [rate]
            windows = ["10/1m"]
            max_wait = "1s"
            [audit]
            require_reason = true
            delete_budget = "2/1h"
            [log]
            level = "debug"
            [shutdown]
            ready_delay = "1s"
            \(Self.caller)
            """)
        #expect(plan.needsRestart == [])
        #expect(
            plan.changed == [
                "listen.public_url", "listen.max_connections", "listen.cors_origins", "admin.hosts",
                "upstream.connect_timeout", "upstream.first_byte_timeout", "upstream.stall_timeout",
                "token.client_secret", "cache.max_bytes", "cache.max_entry_bytes", "cache.ttl_list", "rate.windows",
                "rate.max_wait", "audit.require_reason", "audit.delete_budget", "log.level", "shutdown.ready_delay",
                "caller",
            ])
        #expect(plan.config.rate.windows == [GateWindow(limit: 10, span: .seconds(60))])
    }

    @Test(
        "what holds something that cannot be exchanged under way is named, and stays as it runs",
        arguments: [
            "listen.address=127.0.0.1:1", "listen.h2c=true", "admin.address=127.0.0.1:2",
            "upstream.url=https://other.example.com",
            "upstream.link_prefixes=https://x.example.com", "upstream.allow_prefixes=/x",
            "upstream.max_connections=17", "upstream.http2=true", "upstream.ca_file=/x", "token.state_file=/x",
            "fleet.name=me", "audit.path=/x", "audit.rotate_bytes=1MiB",
        ])
    func restart(flag: String) throws {
        let running = try loadConfig().config
        let plan = try loadConfig(flags: [flag, "rate.max_queue=7"]).reload(running) { _, _ in nil }
        #expect(plan.needsRestart == [String(flag.prefix { $0 != "=" })])
        #expect(plan.changed == ["rate.max_queue"])
        var expected = running
        expected.rate.maxQueue = 7
        #expect(plan.config == expected)
        let again = try loadConfig(flags: [flag, "rate.max_queue=7"]).reload(plan.config) { _, _ in nil }
        #expect(again.changed == [] && again.needsRestart == plan.needsRestart, "until it was started anew")
    }

    @Test("a change of token.mode waits for a restart; so does all of a sign-in, but what `login` reads")
    func token() throws {
        let mode = try loadConfig(flags: ["token.mode=passthrough"]).reload(try loadConfig().config) { _, _ in nil }
        #expect(mode.needsRestart == ["token.mode"] && mode.config.token.mode == .clientCredentials)
        let signIn = ["token.mode=refresh_token", "token.state_file=/x"]
        let plan = try loadConfig(flags: signIn + ["token.scope=a", "token.redirect_port=1"])
            .reload(try loadConfig(flags: signIn).config) { _, _ in nil }
        #expect(plan.needsRestart == ["token.scope"] && plan.changed == ["token.redirect_port"])
        let client = try loadConfig(flags: ["token.scope=a"]).reload(try loadConfig().config) { _, _ in nil }
        #expect(client.changed == ["token.scope"] && client.needsRestart == [])
    }

    @Test("TLS is turned on and off by a restart, and its files are exchanged while it runs")
    func tls() throws {
        let on = ["listen.tls_certificate=/a", "listen.tls_key=/b"]
        let (plain, running) = (try loadConfig(), try loadConfig(flags: on))
        let turnedOn = try running.reload(plain.config) { _, _ in nil }
        #expect(turnedOn.needsRestart == ["listen.tls_certificate", "listen.tls_key"])
        #expect(try plain.reload(running.config) { _, _ in nil }.config == running.config)
        let other = try loadConfig(flags: on + ["listen.tls_certificate=/c"]).reload(running.config) { _, _ in nil }
        #expect(other.changed == ["listen.tls_certificate"] && other.needsRestart == [])
        #expect(other.config.listen.tlsCertificate == "/c")
    }

    @Test("callers may not go while the address that needs them stays: refused, with what stays")
    func mixture() throws {
        let running = try loadConfig("[listen]\naddress = \"0.0.0.0:8080\"\n" + Self.caller).config
        let new = try loadConfig("[listen]\naddress = \"127.0.0.1:8080\"")
        do throws(ConfigMistakes) {
            _ = try new.reload(running) { _, _ in nil }
            Issue.record("an open door")
        } catch {
            #expect(error.all.map(\.key) == ["listen.address"])
            #expect(error.description.contains("anybody may do anything"))
            #expect(error.description.contains("until a restart: listen.address"))
        }
        let kept = try loadConfig("[listen]\naddress = \"127.0.0.1:8080\"\n" + Self.caller).reload(running) { _, _ in
            nil
        }
        #expect(kept.needsRestart == ["listen.address"] && kept.config == running)
    }

    @Test("more places than the connections that stay is a mistake, though the file alone would be right")
    func places() throws {
        let running = try loadConfig().config
        let new = try loadConfig("[upstream]\nmax_connections = 64\n[rate]\nmax_in_flight = 64")
        do throws(ConfigMistakes) {
            _ = try new.reload(running) { _, _ in nil }
            Issue.record("it was taken")
        } catch {
            #expect(error.all.map(\.key) == ["rate.max_in_flight"])
        }
    }
}
