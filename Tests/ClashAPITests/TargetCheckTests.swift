import HTTPTypes
import TestSupport
import Testing

@testable import ClashAPI

@Suite("Target check")
struct TargetCheckTests {
    @Test(
        "targets that two readers could understand differently are refused",
        arguments: [
            ("", TargetDefect.notOriginForm),
            ("*", .notOriginForm),
            ("clash-detection", .notOriginForm),
            ("http://api.bentley.com/clash-detection", .notOriginForm),
            ("/clash-detection/../clashdetection", .dotSegment),
            ("/clash-detection/./itwins", .dotSegment),
            ("/clash-detection/..", .dotSegment),
            ("/clash-detection/.?x=1", .dotSegment),
            ("/clash-detection/%2e%2e/x", .dotSegment),
            ("/clash-detection/%2E./x", .dotSegment),
            ("/clash-detection/.%2e", .dotSegment),
            ("/clash-detection/..;x=1/y", .dotSegment),
            ("/clash-detection/..%3Bx/y", .dotSegment),
            ("/clash-detection/itwins%2Fx", .encodedSlash),
            ("/clash-detection/itwins%2fx", .encodedSlash),
            ("/clash-detection/itwins%5Cx", .backslash),
            (#"/clash-detection\itwins"#, .backslash),
            ("/clash-detection/%00", .controlByte),
            ("/clash-detection/%0d%0a", .controlByte),
            ("/clash-detection/%7F", .controlByte),
            ("/clash-detection/a\u{0}b", .controlByte),
            ("/clash-detection/a b", .controlByte),
            ("/clash-detection?x=a\nb", .controlByte),
            ("/clash-detection/ü", .nonASCII),
            ("/clash-detection?x=ü", .nonASCII),
            ("/clash-detection/%", .badEscape),
            ("/clash-detection/%2", .badEscape),
            ("/clash-detection/%2?x", .badEscape),
            ("/clash-detection/%zz", .badEscape),
            ("/clash-detection/%C0%AF", .badEscape),
            ("/clash-detection/%E0%80%AF", .badEscape),
            ("/clash-detection/%F0%80%80%AF", .badEscape),
            ("/clash-detection#x", .fragment),
            ("/clash-detection?a#b", .fragment),
        ])
    func refused(target: String, defect: TargetDefect) {
        #expect(ClashAPI.checkTarget(target) == defect)
    }

    @Test(
        "everything a client may rightly send passes",
        arguments: [
            "/", "/clash-detection/itwins/x/reports?$top=10&$continuationToken=Mg==",
            "/clash-detection/itwins/x/tests?name=a%2Fb%5C%00&x=../..&y=%", "/clash-detection/%E2%82%AC",
            "/clash-detection/itwins/...", "/clash-detection/a..b", "/clash-detection/itwins/.hidden",
            "/clash-detection//itwins/;x/", "/clashdetection/%2D%7e%41",
        ])
    func accepted(target: String) {
        #expect(ClashAPI.checkTarget(target) == nil)
    }

    static let prefixes = ["/clash-detection", "/clashdetection/"]

    @Test(
        "below an allowed prefix",
        arguments: [
            "/clash-detection", "/clash-detection/", "/clash-detection?x", "/clash-detection/itwins",
            "/CLASH-Detection/x",
            "/%63lash%2Ddetection/x", "/clashdetection", "/ClashDetection/tests", "/clash-detection//x",
        ])
    func allowed(target: String) {
        #expect(ClashAPI.isAllowed(target, prefixes: Self.prefixes))
    }

    @Test(
        "not below an allowed prefix",
        arguments: [
            "", "/", "/imodels", "/clash-detections", "/clash-detection2/x", "//clash-detection/x", "/clash-detectio",
            "/x/clash-detection", "/clash-detection;x/y", "/clash-detection%2Fx", "/clash", "clash-detection",
            "/?/clash-detection", "/clash-detection.evil/x", "/clash-detection%", "/clash?-detection",
        ])
    func notAllowed(target: String) {
        #expect(!ClashAPI.isAllowed(target, prefixes: Self.prefixes))
    }

    @Test("the prefix / allows everything, an empty list nothing")
    func extremes() {
        #expect(ClashAPI.isAllowed("/anything", prefixes: ["/"]))
        #expect(!ClashAPI.isAllowed("/clash-detection", prefixes: []))
    }

    @Test("no bytes make the check or the match trap", arguments: 0..<4)
    func fuzz(round: Int) {
        var random = SeededGenerator(seed: UInt64(3000 + round))
        let pieces = [
            "/", "//", ";", ".", "..", "%", "%2", "%2e", "%2F", "%00", "%C3", "?", "#", "=", "&", "+",
            "clash-detection",
            "clashdetection", "itwins", "reports", "jobs", "deletion", "projectId", "é", "\u{0}", "\\", "a",
        ]
        for _ in 0..<2000 {
            var target = random.chance(80) ? "/" : ""
            for _ in 0..<Int.random(in: 0...14, using: &random) { target += random.pick(pieces) }
            let route = ClashAPI.match(method: random.pick([.get, .post, .delete]), target: target)
            let match = route.resolve()
            _ = (match.tags(), match.invalidation(), match.itwin, match.objectIDs)
            var canonical: [UInt8] = []
            route.appendCanonicalTarget(to: &canonical)
            // A canonical target is its own canonical form.
            guard ClashAPI.checkTarget(target) == nil else { continue }
            let text = String(decoding: canonical, as: UTF8.self)
            var again: [UInt8] = []
            ClashAPI.match(method: .get, target: text).appendCanonicalTarget(to: &again)
            if route.verb == .get { #expect(again == canonical, "\(target)") }
        }
    }
}
