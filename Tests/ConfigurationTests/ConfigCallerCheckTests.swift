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

    @Test("where a delete needs an approval, somebody else than who deletes must be able to give it")
    func approvers() {
        func mistakes(_ tables: [(name: String, allow: String)], _ issuer: String = "") -> [String] {
            let callers = tables.enumerated().map { index, table in
                let hash = String(repeating: "\(index)", count: 64)
                return "[[caller]]\nname = \"\(table.name)\"\nkey_sha256 = \"\(hash)\"\nallow = [\(table.allow)]\n"
            }
            return configMistakes("[deletes]\napproval = \"second\"\n" + callers.joined() + issuer)
        }
        let nobody = "2: deletes.approval: \"second\" needs somebody who may approve, and nobody may"
        #expect(mistakes([]).first?.contains(nobody) == true, "everybody is anonymous")
        #expect(mistakes([("a", "\"delete\"")]).first?.contains(nobody) == true)
        let own = "only \"a\" may approve"
        #expect(mistakes([("a", "\"delete\", \"approve\"")]).first?.contains(own) == true)
        #expect(mistakes([("a", "\"delete\", \"approve\""), ("b", "\"read\"")]).first?.contains(own) == true)
        #expect(mistakes([("a", "\"delete\""), ("b", "\"approve\"")]).isEmpty)
        #expect(mistakes([("a", "\"delete\", \"approve\""), ("b", "\"delete\"")]).isEmpty)
        let issuer = "[[issuer]]\nurl = \"https://h\"\naudience = [\"a\"]\n"
        #expect(mistakes([("a", "\"delete\"")], issuer).first?.contains(nobody) == true)
        #expect(mistakes([("a", "\"delete\"")], issuer + "allow = [\"approve\"]\n").isEmpty)
        let claim = "rights_claim = \"g\"\nrights = { \"x\" = [\"approve\"] }\n"
        #expect(mistakes([("a", "\"delete\"")], issuer + claim).isEmpty)
        #expect(mistakes([("a", "\"approve\"")], issuer + "allow = [\"delete\"]\n").isEmpty)
    }

    @Test("an approver's operations are deletes that it may decide about")
    func approversOperations() {
        func caller(_ operation: String) -> [String] {
            configMistakes(
                "[[caller]]\nname = \"a\"\nkey_sha256 = \"\(ConfigCheckTests.hash)\"\nallow = [\"approve\"]\n"
                    + "operations = [\"\(operation)\"]")
        }
        #expect(caller("v2.reports.delete").isEmpty)
        #expect(caller("v2.reports.get").count == 1)
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
