// Caller keys: their form, their hash, and the table that is pasted into proxy.conf.

import ClashAPI
import Testing

@testable import Configuration

@Suite("Caller keys")
struct KeyGeneratorTests {
    @Test("the printed table makes the key's caller, whatever its name")
    func tableLoads() throws {
        for name in ["dashboard", "Jürgen's \"viewer\" \\ ${HOME}"] {
            let made = try KeyGenerator.make(name: name, allow: "read, delete")
            let caller = try #require(try loadConfig(made.table).config.callers.first)
            #expect(caller.name == name)
            #expect(caller.credential == .key(made.hash))
            #expect(caller.allow == [.read, .delete])
            #expect(made.key.withValue { KeyHash(hashing: $0) } == made.hash)
        }
    }

    @Test("iTwins and operations come into the table as they will be compared, and a wrong one is told")
    func scope() throws {
        let id = "0A1B2C3D-4E5F-4A6B-8C7D-9E0F1A2B3C4D"
        let made = try KeyGenerator.make(
            name: "x", itwins: "{\(id)}, \(id.replacing("-", with: ""))", operations: "v2.reports.*,v1.runs.get")
        #expect(made.table.contains("itwins = [\"\(id.lowercased())\", \"\(id.lowercased())\"]"))
        let caller = try #require(try loadConfig(made.table).config.callers.first)
        #expect(caller.itwins.map(\.text) == [id.lowercased(), id.lowercased()])
        #expect(caller.operations == ["v2.reports.*", "v1.runs.get"])
        #expect(!(try KeyGenerator.make(name: "x").table.contains("itwins")))
        for (itwins, operations, told) in [
            ("a", nil, "--itwins: \"a\" is no GUID"),
            (nil, "v2.report.*", "--operations: \"v2.report.*\" names no operation"),
            (nil, "v2.unknown", "--operations: \"v2.unknown\" names no operation"),
            (nil, "v2.reports.delete", "--operations: \"v2.reports.delete\" needs \"delete\", so it can match nothing"),
            (",", nil, "--itwins: \",\" is empty"), ("", nil, "--itwins: \"\" is empty"),
            (" , ", nil, "--itwins: \" , \" is empty"), ("[]", nil, "--itwins: \"[]\" is empty"),
            (nil, ",", "--operations: \",\" is empty"), (nil, "", "--operations: \"\" is empty"),
        ] as [(String?, String?, String)] {
            let mistakes = #expect(throws: ConfigMistakes.self) {
                try KeyGenerator.make(name: "x", itwins: itwins, operations: operations)
            }
            #expect(mistakes?.description.contains(told) == true, "\(String(describing: mistakes))")
        }
    }

    @Test("a name with a character that cannot be seen is a mistake, in a file as on the command line")
    func unseen() throws {
        for name in [
            "a\u{7}", "a\u{1B}[2J", "a\u{202E}b", "a\u{200B}b", "a\u{2028}b", "a\u{2029}b", "a\u{34F}b", "\u{85}",
        ] {
            let made = #expect(throws: ConfigMistakes.self) { try KeyGenerator.make(name: name) }
            #expect(made?.all.count == 1 && made?.description.contains("cannot be seen (U+") == true)
            let text = "[[caller]]\nname = \(TOMLNode.quoted(name))\nkey_sha256 = \"\(KeyHash(hashing: "k").hex)\"\n"
            let told = configMistakes(text)
            #expect(told.count == 1 && told[0].hasPrefix("proxy.conf:2: caller[1].name: "), "\(told)")
            #expect(
                told.allSatisfy {
                    !$0.unicodeScalars.contains { [.control, .format].contains($0.properties.generalCategory) }
                })
        }
        for name in ["Ünal 漢字", "العربية", "deploy ❤\u{FE0F} 🚀"] {
            #expect(try loadConfig(KeyGenerator.make(name: name).table).config.callers.count == 1)
        }
    }

    @Test("a key is the prefix and 32 bytes in base64url")
    func form() throws {
        for (first, digits) in [
            (0, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"),
            (224, "4OHi4-Tl5ufo6err7O3u7_Dx8vP09fb3-Pn6-_z9_v8"),
        ] {
            var numbers = CountingNumbers(nextNumber: UInt64(first))
            let key = try KeyGenerator.make(name: "x", allow: "read", using: &numbers).key.withValue { $0 }
            #expect(key == "cpk_" + digits)
        }
        let random = try KeyGenerator.make(name: "x").key
        #expect(random.withValue { $0.count } == 4 + 43)
        #expect(random != (try KeyGenerator.make(name: "x").key))
    }

    @Test("the hash is SHA-256 of the key's text")
    func knownHash() {
        // FIPS 180-2 appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        #expect(KeyHash(hashing: "abc").hex == expected)
    }

    @Test("a wrong name and a wrong permission are both told")
    func wrongInput() throws {
        let error = #expect(throws: ConfigMistakes.self) { try KeyGenerator.make(name: "", allow: "read,fly") }
        #expect(error?.all.compactMap(\.key) == ["NAME", "--allow"])
        #expect(throws: ConfigMistakes.self) { try KeyGenerator.make(name: "x", allow: "") }
    }

    @Test("the key shows in nothing but its value")
    func hidden() throws {
        let made = try KeyGenerator.make(name: "x")
        var output = "\(made)" + made.table
        dump(made, to: &output)
        #expect(!output.contains(made.key.withValue { $0.dropFirst(4) }))
    }
}

private struct CountingNumbers: RandomNumberGenerator {
    var nextNumber: UInt64

    mutating func next() -> UInt64 {
        defer { nextNumber += 1 }
        return nextNumber
    }
}
