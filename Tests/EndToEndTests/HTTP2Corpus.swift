// What an HTTP/2 client may not send, and what it may although it looks odd: RFC 9113 and RFC 7541, section by section. Each
// case is sent on a connection of its own, behind preface and SETTINGS; `/nowhere` is answered 404 by the proxy alone, so
// that 404 means: taken for a request.

import TestSupport

/// One case: bytes, and what becomes of the stream or the connection.
struct FrameCase: Sendable, CustomStringConvertible {
    let name: String
    /// One of these, as `StreamEnd` says it.
    let outcomes: [String]
    let bytes: [UInt8]
    /// Whose end is looked at; 0: the connection's alone.
    let stream: UInt32
    /// Not sent in front of it.
    let isBare: Bool

    var description: String { name }

    init(_ name: String, _ outcomes: String, on stream: UInt32 = 1, isBare: Bool = false, _ bytes: [UInt8]) {
        (self.name, self.bytes, self.stream, self.isBare) = (name, bytes, stream, isBare)
        self.outcomes = Self.list(outcomes)
    }

    /// Frames one behind the other.
    init(_ name: String, _ outcomes: String, on stream: UInt32 = 1, frames: RawFrame...) {
        (self.name, self.stream, isBare) = (name, stream, false)
        self.outcomes = Self.list(outcomes)
        bytes = frames.flatMap { $0.bytes() }
    }

    /// One HEADERS with these fields.
    init(_ name: String, _ outcomes: String, head: [(String, String)]) {
        (self.name, stream, isBare) = (name, 1, false)
        self.outcomes = Self.list(outcomes)
        bytes = Self.headers(RawFrame.block(head)).bytes()
    }

    private static func list(_ text: String) -> [String] {
        text.split(separator: " | ").map(String.init)
    }

    // MARK: Pieces

    static let get = HTTP2Client.head("GET", "/nowhere")
    static let post = HTTP2Client.head("POST", "/clashdetection/tests", [("content-type", "application/json")])
    static let good = headers(RawFrame.block(get))
    static let whole = RawFrame.endHeaders | RawFrame.endStream

    static func with(_ fields: (String, String)...) -> [(String, String)] { get + fields }

    /// The good head with one pseudo-header field changed; nil: left out.
    static func changed(_ name: String, _ value: String?) -> [(String, String)] {
        get.compactMap { $0.0 == name ? value.map { (name, $0) } : $0 }
    }

    static func headers(_ block: [UInt8], flags: UInt8 = whole, stream: UInt32 = 1) -> RawFrame {
        RawFrame(RawFrame.headers, flags: flags, stream: stream, block)
    }

    static func data(_ text: String, flags: UInt8 = 0, stream: UInt32 = 1) -> RawFrame {
        RawFrame(RawFrame.data, flags: flags, stream: stream, Array(text.utf8))
    }

    static func continuation(_ block: [UInt8], flags: UInt8 = RawFrame.endHeaders, stream: UInt32 = 1) -> RawFrame {
        RawFrame(RawFrame.continuation, flags: flags, stream: stream, block)
    }

    static func open(_ fields: [(String, String)] = post, stream: UInt32 = 1) -> RawFrame {
        headers(RawFrame.block(fields), flags: RawFrame.endHeaders, stream: stream)
    }

    static func windowUpdate(_ increment: UInt32, stream: UInt32 = 0) -> RawFrame {
        RawFrame(RawFrame.windowUpdate, stream: stream, RawFrame.big(increment))
    }

    static let ping = RawFrame(RawFrame.ping, Array("12345678".utf8))
}

// MARK: Connections and frames: RFC 9113 sections 3 to 5

extension FrameCase {
    static let connections: [FrameCase] = [
        .init("a plain request", "404", frames: good),
        .init(
            "no HTTP/2 behind the preface's first line", "http/1 505 | http/1 400", isBare: true,
            Array("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".utf8)),
        .init("PING in the place of SETTINGS", "goaway 1", on: 0, isBare: true, RawFrame.preface + ping.bytes()),
        .init("a request in the place of SETTINGS", "goaway 1", on: 0, isBare: true, RawFrame.preface + good.bytes()),
        .init(
            "an acknowledgement in the place of SETTINGS", "goaway 1", on: 0, isBare: true,
            RawFrame.preface + RawFrame.settings(flags: 1).bytes() + good.bytes()),
        .init(
            "noise behind the preface", "goaway 1 | goaway 6", on: 0, isBare: true,
            RawFrame.preface + Array(repeating: 0x41, count: 64)),
        .init(
            "SETTINGS with values, and a request behind it", "404", isBare: true,
            RawFrame.preface + RawFrame.settings([(3, 100), (4, 65_535)]).bytes() + good.bytes()),
        .init("an unknown frame type", "404", frames: RawFrame(0xEF, [1, 2, 3]), good),
        .init("an unknown frame type on a stream", "404", frames: RawFrame(0xEF, stream: 9, [1]), good),
        .init(
            "an unknown frame type inside a header block", "goaway 1",
            frames: headers(RawFrame.block(get), flags: 1), RawFrame(0xEF), continuation([])),
        .init(
            "flags without meaning", "404", frames: RawFrame(RawFrame.ping, flags: 0xFE, Array("12345678".utf8)), good),
        .init(
            "the reserved bit of the stream", "404",
            frames: RawFrame(RawFrame.headers, flags: whole, stream: 0x8000_0001, RawFrame.block(get))),
        .init(
            "DATA over the largest frame", "goaway 6 | reset 6", on: 0,
            open().bytes() + data(String(repeating: "x", count: 16_385)).bytes()),
        .init(
            "HEADERS over the largest frame", "goaway 6", on: 0,
            RawFrame(RawFrame.headers, flags: whole, stream: 1).bytes(length: 16_385)),
        .init("SETTINGS over the largest frame", "goaway 6", on: 0, RawFrame(RawFrame.settings).bytes(length: 16_386)),
        .init("an unknown frame over the largest frame", "goaway 6", on: 0, RawFrame(0xEF).bytes(length: 16_385)),
        .init("streams may be left out", "404", on: 7, frames: headers(RawFrame.block(get), stream: 7)),
        .init("an even stream", "goaway 1", on: 2, frames: headers(RawFrame.block(get), stream: 2)),
        .init(
            "a stream below one that was used", "goaway 1 | goaway 5", on: 3,
            frames: headers(RawFrame.block(get), stream: 5), headers(RawFrame.block(get), stream: 3)),
        .init(
            "HEADERS behind the end of a stream", "goaway 1 | goaway 5 | reset 5 | reset 1", on: HTTP2Client.anyReset,
            frames: good, good),
        .init(
            "DATA behind the end of a stream", "goaway 5 | goaway 1 | reset 5", on: HTTP2Client.anyReset, frames: good,
            data("x")),
        .init("DATA on an idle stream", "goaway 1", on: 0, frames: data("x", stream: 3)),
        .init(
            "RST_STREAM on an idle stream", "goaway 1", on: 0,
            frames: RawFrame(RawFrame.reset, stream: 3, RawFrame.big(8))),
        .init("WINDOW_UPDATE on an idle stream", "goaway 1", on: 0, frames: windowUpdate(1, stream: 3)),
        .init("CONTINUATION on an idle stream", "goaway 1", on: 0, frames: continuation(RawFrame.block(get))),
        .init(
            "PRIORITY on an idle stream", "404", frames: RawFrame(RawFrame.priority, stream: 9, [0, 0, 0, 0, 1]), good),
        .init(
            "WINDOW_UPDATE on a stream that is over", "404", on: 3,
            frames: good, windowUpdate(1, stream: 1), headers(RawFrame.block(get), stream: 3)),
        .init(
            "RST_STREAM on a stream that is over", "404", on: 3,
            frames: good, RawFrame(RawFrame.reset, stream: 1, RawFrame.big(8)), headers(RawFrame.block(get), stream: 3)),
        .init(
            "PRIORITY on a stream that is over", "404", on: 3,
            frames: good, RawFrame(RawFrame.priority, stream: 1, [0, 0, 0, 0, 1]),
            headers(RawFrame.block(get), stream: 3)),
    ]
}

// MARK: Frames: RFC 9113 section 6

extension FrameCase {
    static let frames: [FrameCase] = [
        .init("DATA on stream 0", "goaway 1", on: 0, frames: data("x", stream: 0)),
        .init(
            "DATA with padding", "400",
            frames: open(post + [("content-length", "9")]),
            RawFrame(RawFrame.data, flags: RawFrame.padded | 1, stream: 1, [3] + Array("{}".utf8) + [0, 0, 0])),
        .init(
            "DATA with more padding than frame", "goaway 1", on: 0,
            frames: open(), RawFrame(RawFrame.data, flags: RawFrame.padded, stream: 1, [9, 1, 2])),
        .init(
            "DATA without room for its padding's length", "goaway 1 | goaway 6", on: 0,
            frames: open(), RawFrame(RawFrame.data, flags: RawFrame.padded, stream: 1)),
        .init("HEADERS on stream 0", "goaway 1", on: 0, frames: headers(RawFrame.block(get), stream: 0)),
        .init(
            "HEADERS with padding", "404",
            frames: headers([2] + RawFrame.block(get) + [0, 0], flags: whole | RawFrame.padded)),
        .init(
            "HEADERS with more padding than frame", "goaway 1", on: 0,
            frames: headers([200] + RawFrame.block(get), flags: whole | RawFrame.padded)),
        .init(
            "HEADERS with priority", "404",
            frames: headers([0, 0, 0, 0, 15] + RawFrame.block(get), flags: whole | RawFrame.prioritised)),
        .init(
            "HEADERS with padding and priority", "404",
            frames: headers(
                [1, 0, 0, 0, 0, 15] + RawFrame.block(get) + [0], flags: whole | RawFrame.prioritised | RawFrame.padded)),
        .init(
            "HEADERS too short for their priority", "goaway 6 | goaway 1", on: 0,
            frames: headers([0, 0], flags: whole | RawFrame.prioritised)),
        .init(
            "HEADERS that depend on themselves", "goaway 1 | reset 1 | 404",
            frames: headers([0, 0, 0, 1, 15] + RawFrame.block(get), flags: whole | RawFrame.prioritised)),
        .init("PRIORITY on stream 0", "goaway 1", on: 0, frames: RawFrame(RawFrame.priority, [0, 0, 0, 1, 0])),
        .init(
            "PRIORITY of four bytes", "goaway 6 | reset 6", on: 3,
            frames: RawFrame(RawFrame.priority, stream: 3, [0, 0, 0, 0])),
        .init("RST_STREAM on stream 0", "goaway 1", on: 0, frames: RawFrame(RawFrame.reset, RawFrame.big(8))),
        .init(
            "RST_STREAM of three bytes", "goaway 6", on: 0,
            frames: open(), RawFrame(RawFrame.reset, stream: 1, [0, 0, 8])),
        .init(
            "RST_STREAM of five bytes", "goaway 6", on: 0,
            frames: open(), RawFrame(RawFrame.reset, stream: 1, [0, 0, 0, 0, 8])),
        .init(
            "RST_STREAM with an unknown code", "404", on: 3,
            frames: open(), RawFrame(RawFrame.reset, stream: 1, RawFrame.big(0xDEAD)),
            headers(RawFrame.block(get), stream: 3)),
        .init(
            "SETTINGS on a stream", "goaway 1", on: 0,
            frames: RawFrame(RawFrame.settings, stream: 1, RawFrame.settings([(3, 1)]).payload)),
        .init("SETTINGS of five bytes", "goaway 6", on: 0, frames: RawFrame(RawFrame.settings, [0, 3, 0, 0, 0])),
        .init(
            "SETTINGS of seven bytes", "goaway 6", on: 0, frames: RawFrame(RawFrame.settings, [0, 3, 0, 0, 0, 1, 0])),
        .init("an acknowledgement with values", "goaway 6", on: 0, frames: .settings([(3, 1)], flags: 1)),
        .init("two acknowledgements", "404 | goaway 1", frames: .settings(flags: 1), .settings(flags: 1), good),
        .init("an unknown setting", "404", frames: .settings([(0xABCD, 7)]), good),
        .init("push neither on nor off", "goaway 1", on: 0, frames: .settings([(2, 2)])),
        .init("push on, which clients may say", "404", frames: .settings([(2, 1)]), good),
        .init("push off", "404", frames: .settings([(2, 0)]), good),
        .init("a window of 2^31", "goaway 3", on: 0, frames: .settings([(4, 0x8000_0000)])),
        .init("a window of 2^31-1", "404", frames: .settings([(4, 0x7FFF_FFFF)]), good),
        .init("a largest frame of 16,383", "goaway 1", on: 0, frames: .settings([(5, 16_383)])),
        .init("a largest frame of 2^24", "goaway 1", on: 0, frames: .settings([(5, 0x0100_0000)])),
        .init("a largest frame of 2^24-1", "404", frames: .settings([(5, 0xFF_FFFF)]), good),
        .init("no table for field lines", "404", frames: .settings([(1, 0)]), good),
        .init("a table of 4 GiB", "404", frames: .settings([(1, .max)]), good),
        .init("no streams of ours", "404", frames: .settings([(3, 0)]), good),
        .init("a header list of no length", "404", frames: .settings([(6, 0)]), good),
        .init(
            "the same setting many times", "404",
            frames: .settings((0..<100).map { (4, 65_535 + $0) }), good),
        .init(
            "PUSH_PROMISE", "goaway 1", on: 0,
            frames: open(),
            RawFrame(RawFrame.push, flags: RawFrame.endHeaders, stream: 1, RawFrame.big(2) + RawFrame.block(get))),
        .init(
            "PING on a stream", "goaway 1", on: 0, frames: RawFrame(RawFrame.ping, stream: 1, Array("12345678".utf8))),
        .init("PING of seven bytes", "goaway 6", on: 0, frames: RawFrame(RawFrame.ping, Array("1234567".utf8))),
        .init("PING of nine bytes", "goaway 6", on: 0, frames: RawFrame(RawFrame.ping, Array("123456789".utf8))),
        .init("an answer to no PING", "404", frames: RawFrame(RawFrame.ping, flags: 1, Array("12345678".utf8)), good),
        .init(
            "GOAWAY on a stream", "goaway 1", on: 0,
            frames: RawFrame(RawFrame.goAway, stream: 1, RawFrame.big(0) + RawFrame.big(0))),
        .init(
            "GOAWAY of seven bytes", "goaway 6", on: 0, frames: RawFrame(RawFrame.goAway, Array(repeating: 0, count: 7))
        ),
        .init(
            "GOAWAY behind a request", "404", on: 1,
            frames: good, RawFrame(RawFrame.goAway, RawFrame.big(0) + RawFrame.big(0))),
        .init("WINDOW_UPDATE of nothing for the connection", "goaway 1", on: 0, frames: windowUpdate(0)),
        .init(
            "WINDOW_UPDATE of nothing for a stream", "reset 1 | goaway 1",
            frames: open(), windowUpdate(0, stream: 1)),
        .init("WINDOW_UPDATE of three bytes", "goaway 6", on: 0, frames: RawFrame(RawFrame.windowUpdate, [0, 0, 1])),
        .init("a window for the connection that overflows", "goaway 3", on: 0, frames: windowUpdate(0x7FFF_FFFF)),
        .init("a window for a stream that overflows", "reset 3", frames: open(), windowUpdate(0x7FFF_FFFF, stream: 1)),
        .init("the reserved bit of an increment", "404", frames: windowUpdate(0x8000_0001), good),
        .init(
            "a window that overflows by SETTINGS", "goaway 3", on: 0,
            frames: open(), windowUpdate(0x7FFF_0000, stream: 1), .settings([(4, 0x7FFF_FFFF)])),
        .init("CONTINUATION on stream 0", "goaway 1", on: 0, frames: continuation(RawFrame.block(get), stream: 0)),
        .init("CONTINUATION behind a complete block", "goaway 1", on: 0, frames: open(), continuation([])),
        .init(
            "CONTINUATION on another stream", "goaway 1", on: 0,
            frames: headers(RawFrame.block(get), flags: 1), continuation([], stream: 3)),
        .init(
            "PING inside a header block", "goaway 1", on: 0,
            frames: headers(RawFrame.block(get), flags: 1), ping, continuation([])),
        .init(
            "DATA inside a header block", "goaway 1", on: 0,
            frames: headers(RawFrame.block(get), flags: 0), data("x"), continuation([])),
        .init(
            "another request inside a header block", "goaway 1", on: 0,
            frames: headers(RawFrame.block(get), flags: 1), headers(RawFrame.block(get), stream: 3)),
        .init(
            "a header block in two pieces", "404",
            frames: headers(Array(RawFrame.block(get).prefix(20)), flags: 1),
            continuation(Array(RawFrame.block(get).dropFirst(20)))),
        .init(
            "a header block byte by byte", "404",
            (headers([], flags: 1).bytes()
                + RawFrame.block(Array(get.dropLast()) + [(":path", "/n")]).prefix(50).flatMap {
                    continuation([$0], flags: 0).bytes()
                })
                + continuation(Array(RawFrame.block(Array(get.dropLast()) + [(":path", "/n")]).dropFirst(50))).bytes()),
        .init(
            "a header block in a hundred pieces", "goaway 11", on: 0,
            headers(RawFrame.block(get), flags: 1).bytes()
                + (0..<100).flatMap { _ in continuation(RawFrame.block([("a", "b")]), flags: 0).bytes() }),
    ]
}
