// Who may call: what callers and issuers of a configuration must be.

import Testing

@testable import Configuration

@Suite("Checks of callers and issuers")
struct ConfigCallerCheckTests {
    @Test("an issuer guards an address that others can reach, as callers do")
    func issuerGuards() throws {
        let text = "[listen]\naddress = \"0.0.0.0:80\"\n[[issuer]]\nurl = \"https://h\"\naudience = [\"a\"]"
        #expect(configMistakes(text).isEmpty)
        #expect(try loadConfig(text).refusals.isEmpty)
    }

    @Test("an issuer's url is kept letter for letter, and where it leads has no slash at its end")
    func issuerURL() throws {
        let texts = ["https://h", "https://h/", "https://Login.Example/T/", "https://h:443/t"]
        let tables = texts.map { "[[issuer]]\nurl = \"\($0)\"\naudience = [\"a\"]\n" }
        let issuers = try loadConfig(tables.joined()).config.issuers
        #expect(issuers.map { $0.url?.description } == texts)
        #expect(
            issuers.map { $0.url?.location.description }
                == ["https://h", "https://h", "https://login.example/T", "https://h/t"])
    }

    @Test("an operation of an issuer may be let through by what its claim grants")
    func grantedOperation() {
        let text =
            "[[issuer]]\nurl = \"https://h\"\naudience = [\"a\"]\noperations = [\"v1.runs.start\"]\n"
            + "rights_claim = \"g\"\nrights = { \"a\" = [\"run\"] }"
        #expect(configMistakes(text).isEmpty)
    }

    @Test("callers must differ in name and in key")
    func callersDiffer() {
        let other = String(repeating: "AB", count: 32)
        let text = """
            [[caller]]
            name = "x"
            key_sha256 = "\(ConfigCheckTests.hash)"
            [[caller]]
            name = "x"
            key_sha256 = "\(other)"
            """
        #expect(
            configMistakes(text) == [
                "proxy.conf:5: caller[2].name: \"x\" is also the name of caller[1]; name it apart",
                "proxy.conf:6: caller[2].key_sha256: is also that of caller[1]; give each caller its own",
            ])
    }
}
