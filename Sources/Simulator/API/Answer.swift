// What an operation answers, and how it refuses. Answers are values; how their bytes reach the socket, and what
// a fault makes of them, is the server's business.

/// A response before framing.
struct Answer: Sendable {
    enum Body: Sendable {
        case none
        case bytes([UInt8])
        /// Rows made while they are sent; length unknown.
        case clashes(ClashStream)
    }

    var status: Int
    var headers: [HeaderField] = []
    var body: Body = .none

    static func json(_ status: Int, _ value: JSON, headers: [HeaderField] = []) -> Answer {
        let type = HeaderField("Content-Type", "application/json")
        return Answer(status: status, headers: [type] + headers, body: .bytes(value.bytes))
    }

    static func empty(_ status: Int) -> Answer { Answer(status: status) }

    /// The documented answer to an accepted job: 202 and an empty object.
    static let accepted = Answer.json(202, [:])
}

/// A documented error; becomes `{"error":{code,message,target?,details?}}`.
struct Refusal: Error, Sendable {
    struct Detail: Sendable {
        var code: String
        var message: String
        var target: String?
    }

    var status: Int
    var code: String
    var message: String
    var target: String?
    var details: [Detail] = []

    var answer: Answer {
        .json(status, ["error": Refusal.object(code, message, target, details)])
    }

    private static func object(_ code: String, _ message: String, _ target: String?, _ details: [Detail]) -> JSON {
        var error: JSON = ["code": .string(code), "message": .string(message)]
        if let target { error = error.with("target", .string(target)) }
        if !details.isEmpty {
            error = error.with("details", .array(details.map { object($0.code, $0.message, $0.target, []) }))
        }
        return error
    }
}

extension Refusal {
    static let iTwinNotFound = Refusal(
        status: 404, code: "iTwinNotFound", message: "Requested iTwin is not available.")
    static let projectNotFound = Refusal(
        status: 404, code: "ProjectNotFound", message: "Requested project is not available.")
    static let iModelNotFound = Refusal(
        status: 404, code: "iModelNotFound", message: "Requested iModel is not available.")
    static let testNotFound = Refusal(
        status: 404, code: "ClashDetectionTestNotFound", message: "Requested test is not available.")
    static let runNotFound = Refusal(
        status: 404, code: "ClashDetectionRunNotFound", message: "Requested run is not available.")
    static let resultNotFound = Refusal(
        status: 404, code: "ClashDetectionResultNotFound", message: "Requested result is not available.")
    static let ruleNotFound = Refusal(
        status: 404, code: "ClashDetectionSuppressionRuleNotFound",
        message: "Requested suppression rule is not available.")
    /// The v2 delete has its own spelling of the same thing.
    static let ruleToDeleteNotFound = Refusal(
        status: 404, code: "SuppressionRuleNotFound", message: "Requested suppression rule is not available.")
    static let reportNotFound = resourceNotFound(
        "ClashReportIdNotFound", "Requested clash report is not available.", target: "clash-report-id")

    static func resourceNotFound(_ code: String, _ message: String, target: String) -> Refusal {
        Refusal(
            status: 404, code: "ResourceNotFound", message: "Requested resource is not available.",
            details: [Detail(code: code, message: message, target: target)])
    }

    static func invalid(_ status: Int, _ code: String, _ message: String, _ details: [Detail] = []) -> Refusal {
        Refusal(status: status, code: code, message: message, details: details)
    }

    /// 422 of most operations.
    static func unprocessable(_ details: Detail...) -> Refusal {
        invalid(422, "InvalidClashDetectionRequest", "Invalid clash detection request.", details)
    }
}
