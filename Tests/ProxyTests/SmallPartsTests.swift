// Authorities, preferences, correlation ids, dates: small parts with exact rules.

import Edge
import Ground
import HTTPTypes
import Testing

@testable import Proxy

@Suite struct SmallPartsTests {
    @Test("an authority is a host with an optional port, and nothing else")
    func authority() {
        #expect(Authority("LocalHost")?.host == "localhost" && Authority("h:80")?.port == 80)
        #expect(Authority("[::1]:8080") == Authority("[::1]:8080") && Authority("[::1]")?.host == "::1")
        #expect(Authority("h:")?.port == nil && Authority("h:")?.host == "h")
        for bad in [
            "", ":80", "a b", "a/b", "a@b", "a?b", "a,b", "h:x", "h:65536", "h:-1", "[::1", "[]", "[x]", "::1",
            "[::1]x",
            "h:1:2", "é", "a\"b", "<h>", "[::1%25eth0]",
        ] {
            #expect(Authority(bad) == nil, "\(bad)")
        }
    }

    @Test("field values are read as UTF-8, else as ISO 8859-1")
    func fieldText() throws {
        let name = try #require(HTTPField.Name("X-A"))
        let texts = [[0x68], [0x50, 0xFC], [], [0xEF, 0xBF, 0xBD]].map { HTTPField(name: name, value: $0).text }
        #expect(texts == ["h", "Pü", "", "\u{FFFD}"])
    }

    @Test("loopback is what DNS cannot rebind")
    func loopback() {
        for host in ["localhost", "a.localhost", "127.0.0.1", "127.255.0.3", "[::1]"] {
            #expect(Authority(host)?.isLoopback == true, "\(host)")
        }
        for host in [
            "127.0.0.1.evil.example", "localhost.evil.example", "128.0.0.1", "xlocalhost", "[::2]", "0x7f000001",
        ] {
            #expect(Authority(host)?.isLoopback == false, "\(host)")
        }
    }

    @Test("Prefer: wait is understood in its spellings, the shortest counts")
    func preferWait() {
        #expect(Prefer.wait(in: fields(["Prefer": "wait=5"])) == .seconds(5))
        #expect(Prefer.wait(in: fields(["prefer": "return=minimal, WAIT = \"7\""])) == .seconds(7))
        #expect(Prefer.wait(in: fields(["Prefer": "wait=9, wait=0", "prefer": "wait=3"])) == .zero)
        #expect(Prefer.wait(in: fields(["Prefer": "wait=99999999"])) == .seconds(86_400))
        for other in ["wait", "wait=", "wait=-1", "wait=1.5", "waiting=1", "return=wait", ""] {
            #expect(Prefer.wait(in: fields(["Prefer": other])) == nil, "\(other)")
        }
    }

    @Test("taking wait out leaves other preferences as they were")
    func removeWait() {
        func without(_ pairs: KeyValuePairs<String, String>) -> [String] {
            var fields = fields(pairs)
            Prefer.removeWait(from: &fields)
            return fields[values: .prefer]
        }
        #expect(without(["Prefer": "wait=5"]) == [])
        #expect(without(["Prefer": "a,wait=5 , b; x=1"]) == ["a, b; x=1"])
        #expect(without(["Prefer": "a,b", "prefer": "wait=1"]) == ["a,b"])
        #expect(without(["Prefer": "a,  b"]) == ["a,  b"])
        for odd in ["-1", "1e9", "5.5", "abc", "5;x=y", "\"5\"", "", " 5 ; x", "\"a, b\"", "99999999999999999999"] {
            #expect(without(["Prefer": "wait=\(odd), return=minimal"]) == ["return=minimal"], "\(odd)")
        }
        #expect(without(["Prefer": "WAIT"]) == [] && without(["Prefer": "wait;x"]) == [])
        for quoted in ["foo=\"a, wait=0\"", "foo=\"a\\\", wait=0\"", "foo = \"wait=0, \" ; x"] {
            #expect(without(["Prefer": quoted]) == [quoted] && Prefer.wait(in: fields(["Prefer": quoted])) == nil)
            #expect(without(["Prefer": "wait=1,\(quoted)"]) == [quoted])
        }
    }

    @Test(
        "a list of preferences that cannot be read says no wait, and passes none on",
        arguments: [
            ("foo=\"unterminated, wait=0", "foo=\"unterminated"), ("foo=\"\\\", wait=0", "foo=\"\\\""),
            ("a\"b, wait=0, c\"d", "a\"b, c\"d"), ("foo=\"a\"b, wait=0", "foo=\"a\"b"),
            ("foo=\"x, wait=0, bar=\"y", "foo=\"x, bar=\"y"), ("\", wait=0", "\""), ("wait=\"5", nil),
        ])
    func unreadable(text: String, rest: String?) {
        var fields = fields(["Prefer": text])
        #expect(Prefer.wait(in: fields) == nil)
        Prefer.removeWait(from: &fields)
        #expect(fields[values: .prefer] == [rest].compactMap { $0 })
    }

    @Test("a whole number of seconds counts however its preference is written, any other wait says nothing")
    func oddWait() {
        for (text, seconds) in [("wait=5;x=y", 5), ("wait = 05", 5), ("wait=\"5\"; x", 5), ("a=\"wait=1\", wait=2", 2)]
        {
            #expect(Prefer.wait(in: fields(["Prefer": text])) == .seconds(seconds), "\(text)")
        }
        for text in ["wait=1e9", "wait=+5", "wait=5s", "wait=0x5", "wait=\"5", "wait;x=5", "waits=5", "x;wait=5"] {
            #expect(Prefer.wait(in: fields(["Prefer": text])) == nil, "\(text)")
        }
    }

    @Test("a usable correlation id is kept, anything else becomes a version 4 UUID")
    func correlationID() {
        let environment = Environment.test(bits: (0x0123_4567_89AB_CDEF, 0xFEDC_BA98_7654_3210))
        for good in ["a", "A-z_0.9", String(repeating: "x", count: 128)] {
            #expect(CorrelationID.choose(good, environment) == good)
        }
        let taken: HTTPFields = [.authorization: "Bearer 0123456789abcdef"]
        for bad in ["cpk_0123", "x.CPK_0123", "0123456789abcdef"] {
            #expect(
                CorrelationID.choose(bad, environment, not: taken) == "01234567-89ab-4def-bedc-ba9876543210", "\(bad)")
        }
        #expect(CorrelationID.choose("0123", environment, not: taken) == "0123")
        for bad in [nil, "", " ", "a b", "a,b", "é", "a\n", String(repeating: "x", count: 129)] {
            #expect(CorrelationID.choose(bad, environment) == "01234567-89ab-4def-bedc-ba9876543210")
        }
    }

    @Test(
        "dates are right across eras, leap days and ends of years",
        arguments: [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"), (1_078_012_799, "Sat, 28 Feb 2004 23:59:59 GMT"),
            (1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT"), (1_798_761_599, "Thu, 31 Dec 2026 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"), (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
            (-86_400 * 365, "Wed, 01 Jan 1969 00:00:00 GMT"),
        ] as [(Int64, String)])
    func dates(seconds: Int64, text: String) {
        #expect(HTTPDate.text(seconds) == text)
    }

    @Test("log times have milliseconds, rounded down")
    func rfc3339() {
        #expect(
            RFC3339.text(WallTime(seconds: 1_769_903_999, nanoseconds: 999_999_999), digits: 3)
                == "2026-01-31T23:59:59.999Z"
        )
        #expect(RFC3339.text(WallTime(seconds: 0, nanoseconds: 1_000_000), digits: 3) == "1970-01-01T00:00:00.001Z")
    }

    @Test("waits are told in whole seconds, rounded up and never zero")
    func wholeSeconds() {
        #expect(Duration.zero.wholeSecondsUp == 1 && Duration.milliseconds(1).wholeSecondsUp == 1)
        #expect(Duration.seconds(2).wholeSecondsUp == 2 && Duration.milliseconds(2_001).wholeSecondsUp == 3)
        #expect(Duration.milliseconds(1_249).tenths == "1249.0" && Duration.microseconds(150).tenths == "0.1")
    }
}
