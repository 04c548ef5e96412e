import HTTPTypes
import Testing

@testable import ClashAPI

@Suite("Canonical targets")
struct CanonicalTargetTests {
    private func canonical(_ target: String) -> String {
        var out: [UInt8] = []
        ClashAPI.match(method: .get, target: target).appendCanonicalTarget(to: &out)
        return String(decoding: out, as: UTF8.self)
    }

    @Test(
        "different spellings of one resource are one",
        arguments: [
            ("/clash-detection/itwins/A/reports?$top=5", "/Clash-Detection/ITWINS/A/Reports?%24top=5"),
            (
                "/clash-detection/itwins/A/reports?$continuationToken=Mg==",
                "/clash-detection/itwins/A/reports?%24continuationToken=Mg%3D%3d"
            ),
            ("/clash-detection/itwins/A/reports?b=2&a=1", "/clash-detection/itwins/A/reports?a=1&b=2"),
            ("/clash-detection/itwins/A/reports?a=1", "/clash-detection/itwins/%41/%72eports?&a=1&"),
            ("/clashdetection/suppressionrules?projectId=p", "/clashDetection/suppressionRules?projectId=p"),
            ("/clashdetection/tests?name=a%2fb%C3%A9", "/clashdetection/tests?name=a/b%c3%a9"),
        ])
    func same(one: String, other: String) {
        #expect(canonical(one) == canonical(other))
    }

    @Test(
        "what may differ upstream stays apart",
        arguments: [
            ("/clash-detection/itwins/a/reports", "/clash-detection/itwins/A/reports"),
            ("/clashdetection/tests/aB", "/clashdetection/tests/AB"),
            ("/clash-detection/itwins/a/reports", "/clash-detection/itwins/a/reports/"),
            ("/clash-detection/itwins/a/reports", "/clash-detection/itwins/a//reports"),
            ("/clash-detection/itwins/a/reports", "/clash-detection/itwins/a/reports;x"),
            ("/clash-detection/itwins/a/reports;x", "/clash-detection/itwins/a/reports;X"),
            ("/clash-detection/news", "/clash-detection/News"),
            ("/clashdetection/tests?a=1&a=2", "/clashdetection/tests?a=2&a=1"),
            ("/clashdetection/tests?a=x+y", "/clashdetection/tests?a=x%2By"),
            ("/clashdetection/tests?a=x+y", "/clashdetection/tests?a=x%20y"),
            ("/clashdetection/tests?a", "/clashdetection/tests?a="),
            ("/clashdetection/tests?a=b%26c=d", "/clashdetection/tests?a=b&c=d"),
            ("/clashdetection/tests?a%3Db=c", "/clashdetection/tests?a=b=c"),
            ("/clashdetection/tests?a=%25zz", "/clashdetection/tests?a=%zz"),
            ("/clashdetection/tests?A=1", "/clashdetection/tests?a=1"),
            ("/clashdetection/tests?a=B", "/clashdetection/tests?a=b"),
        ])
    func apart(one: String, other: String) {
        #expect(canonical(one) != canonical(other))
    }
}
