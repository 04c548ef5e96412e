// One response as it came over the wire: header lines in their order and case, the body without its framing, and
// whether the framing was brought to its end.

import Glibc
import Synchronization

/// A response as a raw client received it.
public struct RawResponse: Sendable {
    /// How the response ended.
    public enum Ending: Sendable, Equatable {
        /// The framing says that it is whole: Content-Length reached, last chunk seen, or no body.
        case complete
        /// No framing: the end of the connection is the end of the body.
        case closed
        /// The connection ended before the framing did.
        case cut
    }

    /// One header line.
    public struct Header: Sendable, Equatable {
        /// The name, in the case it was sent in.
        public let name: String
        /// The value without surrounding blanks.
        public let value: String
    }

    /// Lines of interim (1xx) responses that came before.
    public internal(set) var interim: [String] = []
    /// `HTTP/1.1 200 OK`
    public let statusLine: String
    /// All header lines in their order.
    public let headers: [Header]
    /// The body without chunk framing.
    public internal(set) var body: [UInt8] = []
    /// The sizes of its chunks; empty when it was not chunked.
    public internal(set) var chunks: [Int] = []
    /// How it ended.
    public internal(set) var ending = Ending.complete

    /// The status code; 0 when the status line has none.
    public var status: Int { statusLine.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0 }

    /// The body as text.
    public var text: String { String(decoding: body, as: UTF8.self) }

    /// The first value of a header, whatever its case.
    public subscript(name: String) -> String? { values(name).first }

    /// All values of a header, whatever its case, in their order.
    public func values(_ name: String) -> [String] {
        headers.filter { $0.name.lowercased() == name.lowercased() }.map(\.value)
    }

    init?(head: String) {
        let lines = head.split(separator: "\r\n", omittingEmptySubsequences: true)
        guard let first = lines.first else { return nil }
        statusLine = String(first)
        headers = lines.dropFirst().map { line in
            let colon = line.firstIndex(of: ":") ?? line.endIndex
            let value = line[colon...].dropFirst().drop { $0 == " " }
            return Header(name: String(line[..<colon]), value: String(value))
        }
    }
}

extension RawClient {
    /// Reads one response; `method` is that of the request, because an answer to HEAD has no body.
    public func response(to method: String = "GET") async throws -> RawResponse {
        try await onThread { try self.readResponse(to: method) }
    }

    /// Sends bytes and reads one response.
    public func exchange(_ request: String, method: String? = nil) async throws -> RawResponse {
        let method = method ?? String(request.prefix { $0 != " " })
        return try await onThread {
            try self.sendBlocking(Array(request.utf8))
            return try self.readResponse(to: method)
        }
    }

    /// Reads the head of a response and leaves its body where it is.
    public func responseHead() async throws -> RawResponse {
        try await onThread { try self.readHead() }
    }

    /// Reads the head of an interim response and returns its status line.
    public func interimResponse() async throws -> String {
        try await onThread {
            guard let head = try self.take(through: "\r\n\r\n") else {
                throw Trouble(description: "no interim response")
            }
            return String(decoding: head, as: UTF8.self).split(separator: "\r\n").first.map(String.init) ?? ""
        }
    }

    /// Reads and drops bytes until the end of the stream, so that memory does not grow; returns how many there were.
    public func drainToEnd() async throws -> Int {
        try await onThread {
            var count = 0
            while try self.receiveMore() {
                self.inbox.withLock { inbox in
                    count += inbox.bytes.count
                    inbox.bytes = []
                    inbox.taken = 0
                }
            }
            return count
        }
    }

    // MARK: Parsing

    private func readResponse(to method: String) throws -> RawResponse {
        var response = try readHead()
        let codings = response.values("Transfer-Encoding").joined(separator: ",").lowercased()
        if method == "HEAD" || response.status == 204 || response.status == 304 { return response }
        if codings.contains("chunked") {
            try readChunks(into: &response)
        } else if let length = response["Content-Length"].flatMap({ Int($0) }) {
            response.body = try take(length) ?? takeRest()
            if response.body.count < length { response.ending = .cut }
        } else {
            while try receiveMore() {}
            response.body = takeRest()
            response.ending = .closed
        }
        return response
    }

    private func readHead() throws -> RawResponse {
        var interim: [String] = []
        while true {
            guard let bytes = try take(through: "\r\n\r\n") else {
                throw Trouble(description: "no response head, only: \(receivedText.suffix(400))")
            }
            guard var response = RawResponse(head: String(decoding: bytes, as: UTF8.self)) else {
                throw Trouble(description: "an empty response head")
            }
            if response.status / 100 == 1, response.status != 101 {
                interim.append(response.statusLine)
            } else {
                response.interim = interim
                return response
            }
        }
    }

    private func readChunks(into response: inout RawResponse) throws {
        while true {
            guard let line = try take(through: "\r\n") else { break }
            let digits = String(decoding: line.dropLast(2).prefix { $0 != UInt8(ascii: ";") }, as: UTF8.self)
            guard let size = Int(digits, radix: 16) else { throw Trouble(description: "bad chunk size '\(digits)'") }
            guard size > 0 else {
                if try take(through: "\r\n") == nil { break }
                return
            }
            guard let bytes = try take(size) else {
                response.body += takeRest()
                break
            }
            response.chunks.append(size)
            response.body += bytes
            guard try take(through: "\r\n")?.count == 2 else { break }
        }
        response.ending = .cut
    }

    private func take(through mark: String) throws -> [UInt8]? {
        let mark = Array(mark.utf8)
        var from = 0
        while true {
            let found = inbox.withLock { inbox -> [UInt8]? in
                let open = inbox.bytes[inbox.taken...]
                var index = open.startIndex + from
                while index + mark.count <= open.endIndex {
                    if open[index] == mark[0], open[index..<index + mark.count].elementsEqual(mark) {
                        inbox.taken = index + mark.count
                        return Array(open[..<inbox.taken])
                    }
                    index += 1
                }
                from = max(0, open.count - mark.count)
                return nil
            }
            if let found { return found }
            guard try receiveMore() else { return nil }
        }
    }

    private func take(_ count: Int) throws -> [UInt8]? {
        while true {
            let found = inbox.withLock { inbox -> [UInt8]? in
                guard inbox.bytes.count - inbox.taken >= count else { return nil }
                defer { inbox.taken += count }
                return Array(inbox.bytes[inbox.taken..<inbox.taken + count])
            }
            if let found { return found }
            guard try receiveMore() else { return nil }
        }
    }

    private func takeRest() -> [UInt8] {
        inbox.withLock { inbox in
            defer { inbox.taken = inbox.bytes.count }
            return Array(inbox.bytes[inbox.taken...])
        }
    }
}
