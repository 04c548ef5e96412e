// A response as it stood on the wire, read by rules of its own (RFC 9112), so that the simulator's framing is
// checked by somebody else.

import Foundation

/// One parsed response.
struct RawResponse: Sendable {
    var status: Int
    var headers: [(name: String, value: String)]
    var body: [UInt8]

    func header(_ name: String) -> String? { headers.first { $0.name.lowercased() == name.lowercased() }?.value }
    func all(_ name: String) -> [String] { headers.filter { $0.name.lowercased() == name.lowercased() }.map(\.value) }
    var text: String { String(decoding: body, as: UTF8.self) }

    /// The body as Foundation reads it.
    var json: [String: Any] {
        (try? JSONSerialization.jsonObject(with: Data(body))) as? [String: Any] ?? [:]
    }

    /// `error.code` of the platform's shape.
    var errorCode: String? { (json["error"] as? [String: Any])?["code"] as? String }

    static func parse(_ bytes: [UInt8], isHead: Bool, ended: Bool) -> (RawResponse, used: Int)? {
        guard let headEnd = bytes.firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
        let lines = String(decoding: bytes[..<headEnd.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
        let parts = lines[0].split(separator: " ", maxSplits: 2)
        guard parts.count >= 2, parts[0] == "HTTP/1.1", let status = Int(parts[1]) else { return nil }
        let headers = lines.dropFirst().map { line -> (name: String, value: String) in
            let halves = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            return (String(halves[0]), halves.count > 1 ? halves[1].trimmingCharacters(in: .whitespaces) : "")
        }
        var response = RawResponse(status: status, headers: headers, body: [])
        let start = headEnd.upperBound
        if isHead || status < 200 || status == 204 || status == 304 { return (response, start) }
        if response.header("Transfer-Encoding") == "chunked" {
            guard let (body, used) = chunks(bytes, from: start) else { return nil }
            response.body = body
            return (response, used)
        }
        if let length = response.header("Content-Length").flatMap({ Int($0) }) {
            guard bytes.count >= start + length else { return nil }
            response.body = Array(bytes[start..<(start + length)])
            return (response, start + length)
        }
        guard ended else { return nil }
        response.body = Array(bytes[start...])
        return (response, bytes.count)
    }

    private static func chunks(_ bytes: [UInt8], from start: Int) -> ([UInt8], used: Int)? {
        var body: [UInt8] = []
        var at = start
        while true {
            guard let line = bytes[at...].firstRange(of: Array("\r\n".utf8)),
                let size = Int(String(decoding: bytes[at..<line.lowerBound], as: UTF8.self), radix: 16)
            else { return nil }
            at = line.upperBound
            guard bytes.count >= at + size + 2 else { return nil }
            body += bytes[at..<(at + size)]
            at += size + 2
            if size == 0 { return (body, at) }
        }
    }
}
