// Scripted origins as these tests need them: read whole requests, answer with exact bytes.

import Synchronization
import TestSupport

/// A request as an origin received it.
struct ReceivedRequest: Sendable {
    /// Request line and header lines, byte for byte, without the blank line.
    let lines: [String]
    let body: [UInt8]

    var requestLine: String { lines.first ?? "" }
    var headers: [String] { Array(lines.dropFirst()) }
    var text: String { String(decoding: body, as: UTF8.self) }

    func values(_ name: String) -> [String] {
        headers.filter { $0.lowercased().hasPrefix(name.lowercased() + ":") }
            .map { String($0.drop { $0 != ":" }.dropFirst().drop { $0 == " " }) }
    }
}

/// What an origin has been asked so far.
final class Received: Sendable {
    private let requests = Mutex([ReceivedRequest]())
    var all: [ReceivedRequest] { requests.withLock { $0 } }
    var count: Int { all.count }
    /// The number of this request, from 1.
    func add(_ request: ReceivedRequest) -> Int {
        requests.withLock {
            $0.append(request)
            return $0.count
        }
    }
}

extension ScriptedConnection {
    /// Reads one request with its body.
    func readRequest() throws -> ReceivedRequest {
        let head = try readHead()
        let lines = head.split(separator: "\r\n").map(String.init)
        let probe = ReceivedRequest(lines: lines, body: [])
        var body: [UInt8] = []
        if !probe.values("Transfer-Encoding").isEmpty {
            while true {
                let size = String(decoding: try read(until: Array("\r\n".utf8)).dropLast(2), as: UTF8.self)
                let count = Int(size, radix: 16) ?? 0
                body += try read(exactly: count)
                try read(exactly: 2)
                if count == 0 { break }
            }
        } else if let length = probe.values("Content-Length").first.flatMap({ Int($0) }) {
            body = try read(exactly: length)
        }
        return ReceivedRequest(lines: lines, body: body)
    }
}

/// An origin that answers each request with the bytes that `answer` makes of its number (from 1, over all
/// connections) and keeps what it received.
func origin(
    _ received: Received = Received(), _ answer: @escaping @Sendable (Int, ReceivedRequest) -> String
) -> ScriptedOrigin {
    ScriptedOrigin { connection in
        while true {
            let request = try connection.readRequest()
            try connection.send(answer(received.add(request), request))
        }
    }
}

/// An origin that answers everything with the same bytes.
func origin(_ received: Received = Received(), always answer: String) -> ScriptedOrigin {
    origin(received) { _, _ in answer }
}

let ok = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"

/// A JSON answer with its length.
func json(_ body: String, status: String = "200 OK", headers: String = "") -> String {
    "HTTP/1.1 \(status)\r\nContent-Type: application/json\r\n\(headers)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
}
