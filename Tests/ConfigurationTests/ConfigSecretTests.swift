// No secret in anything that is printed, whichever way it got in and whatever else is wrong.

import Testing

@testable import Configuration

@Suite("Configuration secrets")
struct ConfigSecretTests {
    static let marker = "S3CR3TMARKER"
    static let hash = String(repeating: "cd", count: 32)

    /// Everything that can be printed about these sources, loaded or not.
    static func everyOutput(_ text: String?, _ environment: [String: String], _ flags: [String]) -> String {
        var output = ""
        let sources = ConfigSources(
            file: text.map { .init(name: "proxy.conf", text: $0) }, environment: environment, flags: flags)
        dump(sources, to: &output)
        output += "\(sources) \(String(reflecting: sources))"
        do throws(ConfigMistakes) {
            let loaded = try ConfigLoader.load(sources) { _, _ in nil }
            output += loaded.effectiveTOML() + "\(loaded.refusals)\(loaded.warnings)\(loaded)\(loaded.config)"
            output += String(reflecting: loaded) + "\(loaded.config.changes(to: Config()))"
            dump(loaded, to: &output)
            dump(Mirror(reflecting: loaded.config.token).children.map(\.value), to: &output)
        } catch {
            output += "\(error)" + String(reflecting: error)
            dump(error, to: &output)
        }
        return output
    }

    @Test(
        "a secret is in no output when all is well",
        arguments: [
            ("[token]\nclient_secret = \"\(marker)\"", [:], []),
            (nil, ["CLASH_CLIENT_SECRET": marker], []),
            (nil, ["CLASH_PROXY_TOKEN_CLIENT_SECRET": marker], []),
            (nil, ["CLASH_PROXY_TOKEN_CLIENT_SECRET": "${\(marker)}"], []),
            (nil, [:], ["token.client_secret=\(marker)"]),
            ("[token]\nclient_secret = \"${OTHER}\"", ["OTHER": marker], []),
            ("[token]\nclient_secret = \"x${OTHER}\(marker)\"", ["OTHER": marker], []),
        ] as [(String?, [String: String], [String])])
    func valid(text: String?, environment: [String: String], flags: [String]) throws {
        let environment = ["CLASH_CLIENT_ID": "id"].merging(environment) { $1 }
        let output = Self.everyOutput(text, environment, flags)
        #expect(output.contains("[listen]"), "the configuration should have loaded: \(output)")
        #expect(!output.contains(Self.marker))
        #expect(output.contains(Secret.placeholder))
    }

    @Test(
        "a secret is in no message when something is wrong with it",
        arguments: [
            "[token]\nclient_secret = [\"\(marker)\"]",
            "[token]\nclient_secret = { \(marker) = \"\(marker)\" }",
            "[token]\nclient_secret = \(marker)",
            "[token]\nclient_secret = \"\(marker)",
            "[token]\nclient_secret = '\(marker)\n'",
            "[token]\nclient_secret = \"x\" \(marker)",
            "[token]\nclient_secret = \"\\\(marker)\"",
            "[token]\nclient_secret = \"\(marker)\"\nclient_secret = \"\(marker)\"",
            "[token]\nclient_secret = \"\(marker)\\u0000\"",
            "[token]\nclient_secret = \"a${\(marker)}\"",
            "[token]\nclient_secret = \"a${\(marker)\"",
            "[token]\nclient_secret = \"\(marker)\"\nclient_secret_file = \"f\"",
            "[token]\nclient_secert = \"\(marker)\"",
            "[tokne]\nclient_secret = \"\(marker)\"",
            "client_secret = \"\(marker)\"",
            "[[caller]]\nname = \"x\"\nkey_sha256 = \"cpk_\(marker)\"",
            "[[caller]]\nname = \"x\"\nkey = \"cpk_\(marker)\"",
            "[caller]\nname = \"x\"\nkey_sha256 = \"cpk_\(marker)\"",
            "[upstream]\nurl = \"https://user:\(marker)@api.example.com\"",
            "[upstream]\nurl = \"https://api.example.com?key=\(marker)\"",
            "[upstream]\nlink_prefixes = [\"https://user:\(marker)@api.example.com\"]",
            "[listen]\ncors_origins = [\"https://user:\(marker)@api.example.com\"]",
        ])
    func invalid(text: String) {
        let output = Self.everyOutput(text, testCredentials, [])
        #expect(output.contains("proxy.conf:"), "a mistake was expected: \(output)")
        #expect(!output.contains(Self.marker), "\(output)")
    }

    @Test(
        "a number or a flag that may be a secret is not repeated",
        arguments: [
            ("[token]\nclient_secret = 31415926535897932384626433832795", []),
            ("[token]\nclient_secret = 31415926535", []),
            ("", ["31415926535"]), ("", ["token.client_secret 31415926535"]),
            ("", ["token.client_secrett=31415926535"]),
            ("", ["caller=[{name=\"x\", key_sha256=\"31415926535\"}]"]), ("", ["caller=31415926535 x"]),
        ] as [(String, [String])])
    func numbers(text: String, flags: [String]) {
        let output = Self.everyOutput(text, testCredentials, flags)
        #expect(!output.contains("31415926535"), "\(output)")
    }

    @Test("the effective configuration shows no key hash and cannot be taken for a working file")
    func hiddenPlaceholder() throws {
        let text = "[token]\nclient_secret = \"x\"\n[[caller]]\nname = \"c\"\nkey_sha256 = \"\(Self.hash)\""
        let printed = try loadConfig(text).effectiveTOML()
        #expect(!printed.contains(Self.hash))
        #expect(configMistakes(printed).count == 2)
    }

    @Test("secrets compare by value and show only the placeholder")
    func secretType() {
        let secret = Secret(Self.marker)
        #expect(secret == Secret(Self.marker))
        #expect(secret != Secret(Self.marker + "x"))
        #expect(secret != Secret("T3CR3TMARKER"))
        #expect(secret.withValue { $0 } == Self.marker)
        var dumped = ""
        dump([secret as Secret?], to: &dumped)
        #expect(!(dumped + "\(secret)" + String(reflecting: secret)).contains(Self.marker))
    }
}
