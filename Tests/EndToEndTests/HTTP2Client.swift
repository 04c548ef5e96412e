// A client for HTTP/2 that does no more than it is told: frames out, and what became of a stream.

import NIOCore
import NIOHPACK
import TestSupport

/// What became of a stream, or of its connection.
enum StreamEnd: Equatable, CustomStringConvertible {
    case answer(Int)
    case reset(UInt32)
    case goAway(UInt32)
    case closed
    /// Not HTTP/2: the status of an HTTP/1.x answer.
    case http1(Int)

    var description: String {
        switch self {
        case .answer(let status): "\(status)"
        case .reset(let code): "reset \(code)"
        case .goAway(let code): "goaway \(code)"
        case .closed: "closed"
        case .http1(let status): "http/1 \(status)"
        }
    }
}

/// An answer on a stream.
struct StreamAnswer {
    var status = 0
    /// By their names; repeated ones joined.
    var fields: [String: String] = [:]
    var body: [UInt8] = []
    /// The code that broke it off.
    var reset: UInt32?
    var text: String { String(decoding: body, as: UTF8.self) }
    subscript(_ name: String) -> String? { fields[name] }

    /// What a frame of its stream brings.
    fileprivate mutating func take(_ frame: RawFrame, _ block: [(name: String, value: String)]) {
        switch frame.type {
        case RawFrame.headers:
            for (name, value) in block {
                if name == ":status" {
                    status = Int(value) ?? 0
                } else {
                    fields[name] = fields[name].map { "\($0), \(value)" } ?? value
                }
            }
        case RawFrame.data: body += frame.payload
        case RawFrame.reset: reset = frame.code
        default: break
        }
    }
}

/// One connection. Calls are made one after the other.
final class HTTP2Client {
    let wire: RawClient
    private var decoder = HPACKDecoder(allocator: ByteBufferAllocator())
    private var lastStream: UInt32 = 1

    /// - Parameter settings: ours; nil: nothing is sent yet.
    init(_ wire: RawClient, settings: [(UInt16, UInt32)]? = []) async throws {
        self.wire = wire
        // Who allows us a larger table takes it as well.
        decoder.maxDynamicTableLength = Int(UInt32.max)
        guard let settings else { return }
        // All streams together may send as much as they like; each has its own window.
        let window = RawFrame(RawFrame.windowUpdate, RawFrame.big(1 << 30))
        try await wire.send(RawFrame.preface + RawFrame.settings(settings).bytes() + window.bytes())
    }

    deinit { wire.close() }

    static func head(_ method: String, _ path: String, _ fields: [(String, String)] = []) -> [(String, String)] {
        [(":method", method), (":scheme", "http"), (":authority", "localhost"), (":path", path)] + fields
    }

    func send(_ frames: RawFrame...) async throws { try await wire.send(frames.flatMap { $0.bytes() }) }

    /// Begins a request on the next stream and returns that. `body` nil: the head is its last frame.
    func begin(
        _ method: String, _ path: String, _ fields: [(String, String)] = [], body: [UInt8]? = nil, ends: Bool = true
    ) async throws -> UInt32 {
        let stream = lastStream
        lastStream += 2
        let isLast = body == nil && ends
        let block = RawFrame.block(Self.head(method, path, fields))
        try await send(
            RawFrame(
                RawFrame.headers, flags: RawFrame.endHeaders | (isLast ? RawFrame.endStream : 0), stream: stream, block)
        )
        if let body {
            try await send(RawFrame(RawFrame.data, flags: ends ? RawFrame.endStream : 0, stream: stream, body))
        }
        return stream
    }

    func get(_ path: String, _ fields: [(String, String)] = []) async throws -> StreamAnswer {
        try await answer(on: begin("GET", path, fields))
    }

    /// Reads until the answer on a stream is whole or broken off; what comes on others is lost.
    func answer(on stream: UInt32) async throws -> StreamAnswer {
        try await answers(on: [stream])[stream] ?? StreamAnswer()
    }

    /// The same for several streams, in whatever order their frames come.
    func answers(on streams: [UInt32]) async throws -> [UInt32: StreamAnswer] {
        var open = Set(streams)
        var answers: [UInt32: StreamAnswer] = [:]
        while !open.isEmpty {
            guard let frame = try await wire.frame() else {
                throw RawClient.Trouble(description: "the connection ended before the streams \(open.sorted()) did")
            }
            let fields = try fields(frame)
            guard open.contains(frame.stream) else { continue }
            answers[frame.stream, default: StreamAnswer()].take(frame, fields)
            if frame.endsStream || frame.type == RawFrame.reset { open.remove(frame.stream) }
        }
        return answers
    }

    /// Of `end(of:)`: that any stream is reset.
    static let anyReset = UInt32.max

    /// Whatever is decided first: about a stream (0: none), or about the connection.
    func end(of stream: UInt32) async throws -> StreamEnd {
        while let frame = try await wire.frame() {
            if wire.receivedText.hasPrefix("HTTP/1.") { break }
            let fields = try fields(frame)
            switch frame.type {
            case RawFrame.goAway where frame.code != 0: return .goAway(frame.code)
            case RawFrame.reset where frame.stream == stream || stream == Self.anyReset: return .reset(frame.code)
            case RawFrame.headers where frame.stream == stream && stream > 0:
                let status = fields.first { $0.name == ":status" }
                return .answer(status.flatMap { Int($0.value) } ?? 0)
            default: break
            }
        }
        let text = wire.receivedText
        return text.hasPrefix("HTTP/1.") ? .http1(Int(text.dropFirst(9).prefix(3)) ?? 0) : .closed
    }

    /// Every block must be decoded, or the next one cannot be.
    private func fields(_ frame: RawFrame) throws -> [(name: String, value: String)] {
        guard frame.type == RawFrame.headers else { return [] }
        var block = ByteBuffer(bytes: frame.payload)
        return try decoder.decodeHeaders(from: &block).map { ($0.name, $0.value) }
    }
}

extension Rig {
    func connect2(settings: [(UInt16, UInt32)] = []) async throws -> HTTP2Client {
        try await HTTP2Client(connect(), settings: settings)
    }
}

/// A rig that speaks HTTP/2 with prior knowledge.
func withHTTP2Rig(_ flags: [String] = [], _ body: (Rig) async throws -> Void) async throws {
    try await withRig {
        $0.flags = ["listen.h2c=true"] + flags
    } _: { rig in
        try await body(rig)
    }
}
