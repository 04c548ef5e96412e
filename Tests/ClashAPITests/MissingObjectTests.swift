// Which answers say that an object is gone, and which only that something on the way to it is.

import Testing

@testable import ClashAPI

@Suite struct MissingObjectTests {
    private func error(_ code: String, details: [String] = []) -> String {
        let more = details.map { #"{"code":"\#($0)","message":"m"}"# }.joined(separator: ",")
        return #"{"error":{"code":"\#(code)","message":"m"\#(details.isEmpty ? "" : #","details":[\#(more)]"#)}}"#
    }

    private func isMeant(_ text: String, _ kind: ObjectKind) -> Bool {
        MissingObject.isMeant(by: Array(text.utf8), kind: kind)
    }

    @Test(
        "a code that names the object proves that it is gone",
        arguments: [
            ("ClashDetectionTestNotFound", ObjectKind.test), ("ClashDetectionRunNotFound", .run),
            ("ClashDetectionSuppressionRuleNotFound", .rule), ("SuppressionRuleNotFound", .rule),
            ("ClashReportIdNotFound", .report), ("ClashDetectionResultNotFound", .result), ("ResourceNotFound", .test),
        ])
    func object(code: String, kind: ObjectKind) {
        #expect(isMeant(error(code), kind))
    }

    @Test(
        "a code about anything else proves nothing",
        arguments: [
            ("iTwinNotFound", ObjectKind.report), ("ProjectNotFound", .test), ("iModelNotFound", .run),
            ("repositoryIdNotFound", .report), ("ClashDetectionTestNotFound", .run),
            ("SuppressionRuleTemplateNotFound", .rule), ("OperationNotFound", .test), ("InvalidTest", .test),
            ("HeaderNotFound", .rule),
        ])
    func anythingElse(code: String, kind: ObjectKind) {
        #expect(!isMeant(error(code), kind))
    }

    @Test("a general code is about what its details name")
    func details() {
        #expect(isMeant(error("ResourceNotFound", details: ["ClashReportIdNotFound"]), .report))
        #expect(!isMeant(error("ResourceNotFound", details: ["iTwinNotFound"]), .report))
        #expect(!isMeant(error("ResourceNotFound", details: ["iTwinNotFound", "ClashReportIdNotFound"]), .report))
    }

    @Test("nothing, or no error at all, is about what was asked for; a gateway's own words are not")
    func shapes() {
        #expect(isMeant("", .test) && isMeant("{}", .test))
        for text in [
            #"{"statusCode":404,"message":"Resource not found"}"#, "404 page not found", "[]", #"{"error":"x"}"#,
            #"{"error":{}}"#, "{",
        ] { #expect(!isMeant(text, .test), "\(text)") }
    }
}
