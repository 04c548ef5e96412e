// A tool's connection without a socket: bytes of answers are collected, and the test hears when the request is over.

import NIOCore

@testable import Edge
@testable import Proxy

/// What a tool got.
struct Reply: Sendable {
    let status: Int
    /// By lower-cased name; repeated ones joined.
    let fields: [String: String]
    let body: String
    /// Whether another request may follow on the connection.
    let isReusable: Bool

    subscript(_ name: String) -> String? { fields[name.lowercased()] }
    var cacheStatus: String { self["Cache-Status"] ?? "-" }
}

/// Confined to its event loop.
final class FakeEdge: ExchangeConnection {
    private var bytes = ByteBuffer()
    private let over: EventLoopPromise<Reply>
    let isWritable = true
    var framed: (any FramedAnswers)? { nil }

    init(_ over: EventLoopPromise<Reply>) { self.over = over }

    func waits(for wait: ConnectionState.Wait) {}

    func waitEnded() {}

    func send(_ bytes: ByteBuffer, flush: Bool) {
        self.bytes.writeImmutableBuffer(bytes)
    }

    func exchangeFinished(_ exchange: Exchange, isReusable: Bool) { close(isReusable: isReusable) }

    /// Whatever has come by now is the answer.
    func close(isReusable: Bool) { over.succeed(Self.reply(String(buffer: bytes), isReusable: isReusable)) }

    private static func reply(_ text: String, isReusable: Bool) -> Reply {
        let end = text.range(of: "\r\n\r\n")
        let lines = text[..<(end?.lowerBound ?? text.endIndex)].split(separator: "\r\n")
        var fields: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            let (name, value) = (parts[0].lowercased(), parts.last?.drop { $0 == " " } ?? "")
            fields[name] = fields[name].map { "\($0), \(value)" } ?? String(value)
        }
        return Reply(
            status: lines.first.flatMap { Int($0.split(separator: " ")[1]) } ?? 0, fields: fields,
            body: String(end.map { text[$0.upperBound...] } ?? ""), isReusable: isReusable)
    }
}

extension String {
    /// Where a text stands first.
    fileprivate func range(of text: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
            start = index(after: start)
        }
        return nil
    }
}
