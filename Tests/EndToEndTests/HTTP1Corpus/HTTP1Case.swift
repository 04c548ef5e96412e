// One row of the table of HTTP/1.1 requests, and the ways to write one.

/// Bytes as a tool might send them, and what must come of them.
struct HTTP1Case: Sendable {
    /// What must come of it.
    enum Outcome: Sendable {
        /// Forwarded as this request line and body, answered by upstream; the connection goes on.
        case served(_ line: String, body: String = "")
        /// The same, and the connection ends.
        case servedLast(_ line: String, body: String = "")
        /// Answered here with this status and code, and nothing is forwarded; the connection ends.
        case refused(Int, String)
        /// The same, and the connection goes on.
        case declined(Int, String)
        /// `OPTIONS *`: answered here; the connection goes on.
        case ownOptions
        /// The connection ends without an answer, or with 400: what came breaks off. The tool sends no more.
        case cut
    }

    /// The section of RFC 9112 (or another) that says so, and what it is about.
    let name: String
    let bytes: [UInt8]
    let outcome: Outcome

    init(_ name: String, _ text: String, _ outcome: Outcome) {
        self.init(name, Array(text.utf8), outcome)
    }

    init(_ name: String, _ bytes: [UInt8], _ outcome: Outcome) {
        (self.name, self.bytes, self.outcome) = (name, bytes, outcome)
    }
}

/// The whole table.
enum HTTP1Corpus {
    static let all = startLines + targets + hosts + fields + lengths + codings + chunks + trailers + connections

    /// A path that is forwarded.
    static let path = "/clashdetection/tests"
    static let getLine = "GET \(path) HTTP/1.1"
    static let postLine = "POST \(path) HTTP/1.1"
    static let invalid = HTTP1Case.Outcome.refused(400, "InvalidRequest")
    static let declined = HTTP1Case.Outcome.declined(400, "InvalidRequest")
    static let got = HTTP1Case.Outcome.served(getLine)

    static func posted(_ body: String) -> HTTP1Case.Outcome { .served(postLine, body: body) }

    /// A head with Host: its line and more fields.
    static func head(_ line: String, _ fields: String...) -> String {
        ([line, "Host: localhost"] + fields).joined(separator: "\r\n") + "\r\n\r\n"
    }

    /// A GET with these fields besides Host.
    static func get(_ fields: String...) -> String {
        ([getLine, "Host: localhost"] + fields).joined(separator: "\r\n") + "\r\n\r\n"
    }

    /// A POST with these fields besides Host, and what follows them.
    static func post(_ fields: String..., body: String = "") -> String {
        ([postLine, "Host: localhost"] + fields).joined(separator: "\r\n") + "\r\n\r\n" + body
    }

    static func chunked(_ body: String) -> String { post("Transfer-Encoding: chunked", body: body) }

    /// Bytes that are no text among others that are.
    static func bytes(_ before: String, _ middle: UInt8..., after: String) -> [UInt8] {
        Array(before.utf8) + middle + Array(after.utf8)
    }

    static func hex(_ byte: UInt8) -> String { "0x" + (byte < 16 ? "0" : "") + String(byte, radix: 16) }
}
