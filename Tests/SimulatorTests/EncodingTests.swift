// The small encodings, against vectors from their specifications or from the API's documentation.

import Foundation
import NIOCore
import Testing

@testable import Simulator

@Suite("Encodings")
struct EncodingTests {
    @Test("a documented v1 id decodes to its documented project and encodes back")
    func legacyID() throws {
        let id = try #require(LegacyID("ZuO3OCC8sUuVcgeXz1Ih_TGCT5rBByBBqcycpQKmKtY", parts: 2))
        #expect(id.parts[0].text == "38b7e366-bc20-4bb1-9572-0797cf5221fd")
        #expect(id.text == "ZuO3OCC8sUuVcgeXz1Ih_TGCT5rBByBBqcycpQKmKtY")
    }

    @Test("the documented result id ends in the entity of its documented run")
    func resultID() throws {
        let run = try #require(LegacyID("1cKcvg7Ky0e66uT-2u8vpSTBs9cXiSlMrE8Zym2jD0Y", parts: 2))
        let text = "1cKcvg7Ky0e66uT-2u8vpU1fL3jpQOxEs7jYnNkoTYgkwbPXF4kpTKxPGcptow9G"
        let result = try #require(LegacyID(text, parts: 3))
        #expect(result.parts[2] == run.parts[1])
        #expect(result.parts[0] == run.parts[0])
    }

    @Test(
        "malformed v1 ids are refused",
        arguments: [
            "", "abc", "ZuO3OCC8sUuVcgeXz1Ih_TGCT5rBByBBqcycpQKmKt", "ZuO3OCC8sUuVcgeXz1Ih/TGCT5rBByBBqcycpQKmKtY",
            "ZuO3OCC8sUuVcgeXz1Ih_TGCT5rBByBBqcycpQKmKtZ",
        ])
    func badLegacyID(text: String) {
        #expect(LegacyID(text, parts: 2) == nil)
    }

    @Test(
        "dates are right across leap years",
        arguments: zip(
            [0, 784_111_777, 951_782_400, 1_735_689_599],
            [
                "Thu, 01 Jan 1970 00:00:00 GMT", "Sun, 06 Nov 1994 08:49:37 GMT", "Tue, 29 Feb 2000 00:00:00 GMT",
                "Tue, 31 Dec 2024 23:59:59 GMT",
            ]))
    func httpDates(seconds: Int, text: String) {
        #expect(Timestamps.httpDate(.seconds(seconds)) == text)
    }

    @Test("ISO dates carry milliseconds")
    func iso() {
        #expect(Timestamps.iso8601(.milliseconds(1_687_013_147_660)) == "2023-06-17T14:45:47.660Z")
    }

    @Test(
        "base64 follows the vectors of RFC 4648",
        arguments: [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy"), ("2", "Mg=="),
        ])
    func base64(plain: String, coded: String) {
        #expect(Base64.encode(plain.utf8, alphabet: .standard) == coded)
        #expect(Base64.decode(coded, alphabet: .standard) == Array(plain.utf8))
    }

    @Test("the PKCE check agrees with the example of RFC 7636")
    func pkce() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
        #expect(PKCE.verify(verifier, against: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"))
        #expect(!PKCE.verify(verifier + "x", against: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"))
        #expect(!PKCE.verify("short", against: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"))
    }

    @Test("what the JSON writer writes, Foundation reads")
    func jsonWriter() throws {
        let text = "q\"b\\n\n\u{1}\u{1F600}é/"
        let value: JSON = ["a": .string(text), "n": .number("-1.5e3"), "list": [.null, true, [:]], "i": 7]
        let read = try JSONSerialization.jsonObject(with: Data(value.bytes)) as? [String: Any]
        #expect(read?["a"] as? String == text)
        #expect(read?["n"] as? Double == -1500)
        #expect((read?["list"] as? [Any])?.count == 3)
    }

    @Test("the JSON reader reads escapes, surrogate pairs and nesting")
    func jsonReader() throws {
        let source = #" { "a" : "\ud83d\ude00\n\/é" , "b":[1,-2.5e1,{"c":null}], "d":false } "#
        let value = try #require(JSONParser.parse(Array(source.utf8)))
        #expect(value["a"]?.text == "😀\n/é")
        #expect(value["b"]?.elements?[1] == .number("-2.5e1"))
        #expect(value["b"]?.elements?[2]["c"] == .null)
    }

    @Test(
        "what is no JSON is refused",
        arguments: [
            "", "{", "[1,]", "{\"a\":1,}", "nul", "\"\\ud800\"", "\"\\x\"", "1 2", "+1", ".5", "{a:1}", "\"\u{1}\"",
            String(repeating: "[", count: 100_000),
        ])
    func jsonRefused(source: String) {
        #expect(JSONParser.parse(Array(source.utf8)) == nil)
    }

    @Test("forms decode plus signs, percent signs and repeats")
    func forms() {
        let form = FormValues("a=1+2&b=%2B%2f%3D&%24top=5&a=3&c&d=%zz")
        #expect(form["a"] == "1 2")
        #expect(form["b"] == "+/=")
        #expect(form["$top"] == "5")
        #expect(form["c"]?.isEmpty == true)
        #expect(form["d"] == "%zz")
        #expect(form.repeatedName == "a")
    }

    @Test("gzip itself accepts the gzip writer's bytes, in several pieces and across block sizes")
    func gzip() throws {
        let plain = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        var writer = GzipWriter()
        var out = ByteBuffer()
        writer.write(ByteBuffer(bytes: plain[..<70_000]), into: &out)
        writer.write(ByteBuffer(bytes: plain[70_000...]), into: &out)
        writer.finish(into: &out)
        #expect(try gunzip(Array(out.readableBytesView)) == plain)
    }
}

/// Decodes with the system's gzip, which checks length and CRC.
func gunzip(_ bytes: [UInt8]) throws -> [UInt8] {
    let file = FileManager.default.temporaryDirectory.appending(path: "\(UUID().uuidString).gz")
    try Data(bytes).write(to: file)
    defer { try? FileManager.default.removeItem(at: file) }
    let process = Process()
    process.executableURL = URL(filePath: "/bin/gzip")
    process.arguments = ["-dc", file.path()]
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let plain = try pipe.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return process.terminationStatus == 0 ? Array(plain) : []
}
