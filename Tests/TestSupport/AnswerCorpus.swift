// Answers of an HTTP/1.1 server that is broken or hostile, and some that only look so, with what each must come to.
// Read by whatever faces upstream: after each of them the process lives and the next call is good.

/// One answer, byte for byte; the server closes its side behind it.
public struct AnswerCase: Sendable, CustomStringConvertible {
    /// What an answer must come to.
    public enum Outcome: Sendable, Equatable {
        /// Not taken: it breaks HTTP, or its meaning is doubtful.
        case invalid
        /// It ended before its head did.
        case broke
        /// Its head was good; its body ended before its end.
        case cut
        /// Taken, with this body.
        case answer(String)
    }

    /// What is wrong with it, or not.
    public let name: String
    /// What the server sends.
    public let bytes: [UInt8]
    /// What must come of it.
    public let outcome: Outcome

    init(_ name: String, _ outcome: Outcome, _ text: String) {
        self.init(name, outcome, Array(text.utf8))
    }

    init(_ name: String, _ outcome: Outcome, _ bytes: [UInt8]) {
        self.name = name
        self.bytes = bytes
        self.outcome = outcome
    }

    /// Its name.
    public var description: String { name }
}

extension AnswerCase {
    /// All of them.
    public static let all = folded + blanks + odd + lengths + codings + huge + statusLines + lines + ends

    /// A whole answer, chunked and with a trailer, no prefix of which is one.
    public static let chunked = Array(
        "HTTP/1.1 200 OK\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-B: c\r\n\r\n".utf8)

    /// A whole answer with a length, no prefix of which is one.
    public static let measured = Array("HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 4\r\n\r\ngood".utf8)

    private static let head = "HTTP/1.1 200 OK\r\n"
    private static let good = "Content-Length: 4\r\n\r\ngood"
    private static let trailed = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n"

    private static let folded: [AnswerCase] = [
        .init("first field line begins with a blank", .invalid, "\(head) \(good)"),
        .init("first field line begins with a tab", .invalid, "\(head)\t\(good)"),
        .init("first field line is a blank", .invalid, "\(head) \r\n\(good)"),
        .init("first field line is a tab", .invalid, "\(head)\t\r\n\(good)"),
        .init("first field line is a blank before a bare LF", .invalid, "\(head) \n\(good)"),
        .init("first field line is a blank and a colon", .invalid, "\(head) : \r\n\(good)"),
        .init("only folded lines", .invalid, head + String(repeating: " x\r\n", count: 50) + "\r\n"),
        .init(
            "first field line is folded and long", .invalid,
            "\(head) \(String(repeating: "x", count: 60000))\r\n\(good)"),
        .init("a field folded with a blank", .invalid, "\(head)X-A: 1\r\n 2\r\n\(good)"),
        .init("a field folded with a tab", .invalid, "\(head)X-A: 1\r\n\t2\r\n\(good)"),
        .init("a field folded into a long one", .invalid, head + "X-A: 1\r\n" + foldedLong + good),
        .init("a folded length", .invalid, "\(head)Content-Length:\r\n 4\r\n\r\ngood"),
        .init(
            "an interim answer that begins folded", .invalid, "HTTP/1.1 103 Early Hints\r\n X: 1\r\n\r\n\(head)\(good)"),
        .init(
            "folded after an interim answer", .invalid,
            "HTTP/1.1 103 Early Hints\r\nX-A: 1\r\n\r\n\(head) X-B: 2\r\n\(good)"),
        .init("a trailer that begins folded", .cut, "\(trailed) X-B: 1\r\n\r\n"),
        .init("a folded trailer", .cut, "\(trailed)X-B: 1\r\n 2\r\n\r\n"),
    ]

    private static let foldedLong = String(repeating: " \(String(repeating: "y", count: 500))\r\n", count: 100)

    private static let blanks: [AnswerCase] = [
        .init("a blank line first", .invalid, "\r\n\(head)\(good)"),
        .init("a bare LF first", .invalid, "\n\(head)\(good)"),
        .init("nothing but blank lines", .invalid, "\r\n\r\n\r\n\r\n"),
        .init("a status line without fields", .answer("rest"), "\(head)\r\nrest"),
        .init("a blank before the status line", .invalid, " \(head)\(good)"),
        .init("a tab before the status line", .invalid, "\t\(head)\(good)"),
        .init("tabs in the status line", .invalid, "HTTP/1.1\t200\tOK\r\n\(good)"),
        .init("a tab before a value", .answer("good"), "\(head)X-A:\t1\r\n\(good)"),
        .init("tabs around a length", .answer("good"), "\(head)Content-Length:\t4\t\r\n\r\ngood"),
        .init("a tab in a value", .answer("good"), "\(head)X-A: 1\t2\r\n\(good)"),
        .init("a blank before the colon", .invalid, "\(head)X-A : 1\r\n\(good)"),
        .init("a tab before the colon", .invalid, "\(head)X-A\t: 1\r\n\(good)"),
        .init("a blank in a name", .invalid, "\(head)X A: 1\r\n\(good)"),
        .init("a blank before the colon of a length", .invalid, "\(head)Content-Length : 4\r\n\r\ngood"),
    ]

    private static let odd: [AnswerCase] = [
        .init("NUL in the status line", .invalid, "HTTP/1.1 200 O\0K\r\n\(good)"),
        .init("NUL first", .invalid, "\0\(head)\(good)"),
        .init("NUL in a name", .invalid, "\(head)X\0A: 1\r\n\(good)"),
        .init("NUL in a value", .invalid, "\(head)X-A: 1\0002\r\n\(good)"),
        .init("NUL at the start of a line", .broke, "\(head)\0X-A: 1\r\n\(good)"),
        .init("a line of NUL", .broke, "\(head)\0\r\n\(good)"),
        .init("NUL behind a length", .invalid, "\(head)Content-Length: 4\0\r\n\r\ngood"),
        .init("NUL in a trailer", .cut, "\(trailed)X-B: \0\r\n\r\n"),
        .init("ESC in a value", .invalid, "\(head)X-A: \u{1B}[2J\r\n\(good)"),
        .init("DEL in a value", .invalid, "\(head)X-A: \u{7F}\r\n\(good)"),
        .init(
            "8 bit in the reason", .answer("good"),
            Array("HTTP/1.1 200 ".utf8) + [0xFC, 0xFF] + crlf + Array(good.utf8)),
        .init(
            "8 bit in a value", .answer("good"), Array("\(head)X-A: ".utf8) + [0xFC, 0xFF] + crlf + Array(good.utf8)),
        .init("8 bit in a name", .invalid, Array("\(head)X-".utf8) + [0xFC] + Array(": 1\r\n\(good)".utf8)),
        .init(
            "8 bit in a length", .invalid,
            Array("\(head)Content-Length: 4".utf8) + [0xA0] + crlf + crlf + Array("good".utf8)),
        .init("NO-BREAK SPACE before the status line", .invalid, [0xC2, 0xA0] + Array("\(head)\(good)".utf8)),
        .init("a byte order mark first", .invalid, [0xEF, 0xBB, 0xBF] + Array("\(head)\(good)".utf8)),
    ]

    private static let crlf: [UInt8] = [0x0D, 0x0A]

    private static let lengths: [AnswerCase] = [
        .init("the same length twice", .answer("good"), "\(head)Content-Length: 4\r\n\(good)"),
        .init("two lengths", .invalid, "\(head)Content-Length: 5\r\n\(good)"),
        .init("two lengths, one in another case", .invalid, "\(head)CONTENT-LENGTH: 0\r\n\(good)"),
        .init("a list of equal lengths", .invalid, "\(head)Content-Length: 4, 4\r\n\r\ngood"),
        .init("a list of lengths", .invalid, "\(head)Content-Length: 4, 5\r\n\r\ngood"),
        .init("a negative length", .invalid, "\(head)Content-Length: -4\r\n\r\ngood"),
        .init("a signed length", .invalid, "\(head)Content-Length: +4\r\n\r\ngood"),
        .init("a hexadecimal length", .invalid, "\(head)Content-Length: 0x4\r\n\r\ngood"),
        .init("a length with a fraction", .invalid, "\(head)Content-Length: 4.0\r\n\r\ngood"),
        .init("a length with junk", .invalid, "\(head)Content-Length: 4 4\r\n\r\ngood"),
        .init("an empty length", .invalid, "\(head)Content-Length:\r\n\r\ngood"),
        .init("a length beyond 64 bits", .invalid, "\(head)Content-Length: 99999999999999999999999\r\n\r\ngood"),
        .init("the largest length", .invalid, "\(head)Content-Length: 9223372036854775807\r\n\r\ngood"),
        .init("a length with a leading zero", .answer("good"), "\(head)Content-Length: 04\r\n\r\ngood"),
        .init("a length of 10 GB and four bytes", .cut, "\(head)Content-Length: 10000000000\r\n\r\ngood"),
    ]

    private static let codings: [AnswerCase] = [
        .init("chunked in capitals", .answer("ok"), "\(head)Transfer-Encoding: CHUNKED\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        .init(
            "chunked twice", .invalid,
            "\(head)Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        .init("chunked, chunked", .invalid, "\(head)Transfer-Encoding: chunked, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        .init("gzip, chunked", .invalid, "\(head)Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        .init("identity as transfer coding", .invalid, "\(head)Transfer-Encoding: identity\r\n\(good)"),
        .init("a transfer coding of another name", .invalid, "\(head)Transfer-Encoding: xchunked\r\n\(good)"),
        .init("an empty transfer coding", .invalid, "\(head)Transfer-Encoding:\r\n\(good)"),
        .init("chunked with a vertical tab", .invalid, "\(head)Transfer-Encoding: \u{B}chunked\r\n\(good)"),
        .init(
            "a length before chunked", .answer("ok"),
            "\(head)Content-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        .init(
            "a length behind chunked", .answer("ok"),
            "\(head)Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        .init("a chunk without a size", .cut, "\(head)Transfer-Encoding: chunked\r\n\r\n\r\nok\r\n0\r\n\r\n"),
        .init("a chunk of negative size", .cut, "\(head)Transfer-Encoding: chunked\r\n\r\n-2\r\nok\r\n0\r\n\r\n"),
        .init("a chunk beyond 64 bits", .cut, "\(head)Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nok\r\n"),
        .init("a chunk longer than its size", .cut, "\(head)Transfer-Encoding: chunked\r\n\r\n2\r\nokay\r\n0\r\n\r\n"),
        .init("a trailer without a colon", .cut, "\(trailed)X-B\r\n\r\n"),
    ]

    private static let huge: [AnswerCase] = [
        .init("a value of 300 kB", .invalid, "\(head)X-A: \(String(repeating: "a", count: 300_000))\r\n\(good)"),
        .init("a value of 110 kB", .invalid, "\(head)X-A: \(String(repeating: "a", count: 110_000))\r\n\(good)"),
        .init("a value of 90 kB", .answer("good"), "\(head)X-A: \(String(repeating: "a", count: 90000))\r\n\(good)"),
        .init("a name of 300 kB", .invalid, "\(head)\(String(repeating: "a", count: 300_000)): 1\r\n\(good)"),
        .init("a reason of 300 kB", .invalid, "HTTP/1.1 200 \(String(repeating: "a", count: 300_000))\r\n\(good)"),
        .init("300 kB without a line end", .invalid, head + String(repeating: "a", count: 300_000)),
        .init("300 kB that are no HTTP", .invalid, String(repeating: "a", count: 300_000)),
        .init("300 kB of head in lines", .invalid, head + String(repeating: longLine, count: 300) + good),
        .init("2000 fields", .invalid, head + String(repeating: "a:\r\n", count: 2000) + good),
        .init("900 fields", .answer("good"), head + String(repeating: "a: b\r\n", count: 900) + good),
        .init("300 names", .answer("good"), head + (0..<300).map { "X-\($0): b\r\n" }.joined() + good),
        .init("2000 trailers", .cut, trailed + String(repeating: "a:\r\n", count: 2000) + "\r\n"),
        .init("5000 interim answers", .invalid, String(repeating: interim, count: 5000) + head + good),
    ]

    private static let longLine = "X-A: \(String(repeating: "a", count: 1000))\r\n"
    private static let interim = "HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n"

    private static let statusLines: [AnswerCase] = [
        .init("no reason", .answer("good"), "HTTP/1.1 200\r\n\(good)"),
        .init("an empty reason", .answer("good"), "HTTP/1.1 200 \r\n\(good)"),
        .init("no blank before the reason", .invalid, "HTTP/1.1 200OK\r\n\(good)"),
        .init("two blanks before the status", .invalid, "HTTP/1.1  200 OK\r\n\(good)"),
        .init("a status of four digits", .invalid, "HTTP/1.1 2000 OK\r\n\(good)"),
        .init("a status of two digits", .invalid, "HTTP/1.1 20 OK\r\n\(good)"),
        .init("a status in letters", .invalid, "HTTP/1.1 abc OK\r\n\(good)"),
        .init("status 000", .invalid, "HTTP/1.1 000 OK\r\n\(good)"),
        .init("status 099", .invalid, "HTTP/1.1 099 OK\r\n\(good)"),
        .init("a negative status", .invalid, "HTTP/1.1 -20 OK\r\n\(good)"),
        .init("no status", .invalid, "HTTP/1.1\r\n\(good)"),
        .init("a blank for a status", .invalid, "HTTP/1.1 \r\n\(good)"),
        .init("no version", .invalid, "HTTP/ 200 OK\r\n\(good)"),
        .init("the name in small letters", .invalid, "http/1.1 200 OK\r\n\(good)"),
        .init("another protocol", .invalid, "RTSP/1.0 200 OK\r\n\(good)"),
        .init("a letter before HTTP", .invalid, "xHTTP/1.1 200 OK\r\n\(good)"),
        .init("HTTP/2 in text", .invalid, "HTTP/2 200 OK\r\n\(good)"),
        .init("HTTP/3 in text", .invalid, "HTTP/3 200 OK\r\n\(good)"),
        .init("HTTP/0.9", .invalid, "HTTP/0.9 200 OK\r\n\(good)"),
        .init("HTTP/1.10", .invalid, "HTTP/1.10 200 OK\r\n\(good)"),
        .init("HTTP/11", .invalid, "HTTP/11 200 OK\r\n\(good)"),
        .init("HTTP/1,1", .invalid, "HTTP/1,1 200 OK\r\n\(good)"),
        .init("HTTP/1.0", .answer("good"), "HTTP/1.0 200 OK\r\n\(good)"),
        .init("a page without a head", .invalid, "<html>good</html>"),
        .init("a banner", .invalid, "SSH-2.0-OpenSSH_9.2\r\n"),
        .init("a TLS alert", .invalid, [0x15, 3, 1, 0, 2, 2, 0x46]),
        .init("HTTP/2 frames", .invalid, [0, 0, 0, 4, 0, 0, 0, 0, 0]),
        .init("switching protocols", .invalid, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"),
        .init("an interim answer and no more", .broke, "HTTP/1.1 100 Continue\r\n\r\n"),
    ]

    private static let lines: [AnswerCase] = [
        .init("a bare CR in the status line", .invalid, "HTTP/1.1 200 OK\rX-A: 1\r\n\(good)"),
        .init("a bare CR in a value", .invalid, "\(head)X-A: 1\rX-B: 2\r\n\(good)"),
        .init("CR CR LF", .invalid, "\(head)X-A: 1\r\r\n\(good)"),
        .init("a bare CR in a name", .invalid, "\(head)X\rA: 1\r\n\(good)"),
        .init("a bare CR behind a length", .invalid, "\(head)Content-Length: 4\rX: 1\r\n\r\ngood"),
        .init("bare LFs", .answer("good"), "HTTP/1.1 200 OK\nContent-Length: 4\n\ngood"),
        .init("bare LFs among CRLFs", .answer("good"), "HTTP/1.1 200 OK\nX-A: 1\r\nContent-Length: 4\n\r\ngood"),
        .init("bare CRs for line ends", .broke, "HTTP/1.1 200 OK\rContent-Length: 4\r\rgood"),
        .init("LF CR for line ends", .invalid, "HTTP/1.1 200 OK\n\rContent-Length: 4\n\r\n\rgood"),
        .init("a line without a colon", .invalid, "\(head)X-A\r\n\(good)"),
        .init("a line with = for a colon", .invalid, "\(head)X-A=1\r\n\(good)"),
        .init("an empty name", .invalid, "\(head): 1\r\n\(good)"),
        .init("only a colon", .invalid, "\(head):\r\n\(good)"),
        .init("separators in a name", .invalid, "\(head)X(A)@b: 1\r\n\(good)"),
        .init("a second status line", .invalid, "\(head)\(head)\(good)"),
        .init("an empty value", .answer("good"), "\(head)X-A:\r\n\(good)"),
    ]

    private static let ends: [AnswerCase] = [
        .init("nothing", .broke, ""),
        .init("more than its length", .answer("good"), "\(head)\(good)JUNK"),
        .init("another answer behind it", .answer("good"), "\(head)\(good)\(head)\(good)"),
        .init("junk behind the last chunk", .answer("good"), "\(trailed)\r\nJUNK"),
        .init("a body behind 204", .answer(""), "HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\ngood"),
        .init("a body behind 304", .answer(""), "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\ngood"),
        .init("less than its length", .cut, "\(head)Content-Length: 5\r\n\r\ngood"),
        .init("a body that ends with the connection", .answer("good"), "\(head)\r\ngood"),
    ]
}
