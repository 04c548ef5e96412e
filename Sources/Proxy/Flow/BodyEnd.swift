// Whether an answer that is passed on as it comes is whole, beyond its framing: a gateway that cuts a body often frames
// what is left of it correctly. Bytes that are no whole body must not look like one, so the end of such an answer is not
// passed on.

import ClashAPI
import CurlTransport
import HTTPTypes

/// Reads along in the body of one answer.
struct BodyEnd {
    private final class Coded {
        var reading = CodedReading()
    }

    private var json: JSONEnd?
    private let coded: Coded?

    /// Coded bytes that are read at once, so that the event loop is not held for long.
    private static let slice = 16 << 10

    /// Answers of unknown operations are taken as they come, and so are upstream's errors and a coding that we cannot read.
    init(_ response: UpstreamResponse, _ match: OperationMatch) {
        let coding = ContentCoding(response.fields)
        let isLooked = Self.concerns(response, match)
        coded = isLooked && coding.isGzip ? Coded() : nil
        json = isLooked && response.isJSON && (coding.isGzip || coding.isNone) ? JSONEnd() : nil
    }

    /// Whether the answer shows something that can be cut.
    static func concerns(_ response: UpstreamResponse, _ match: OperationMatch) -> Bool {
        match.isKnown && response.status.kind == .successful && response.status != .partialContent
    }

    mutating func read(_ bytes: [UInt8]) async {
        guard let coded else {
            json?.consume(bytes)
            return
        }
        for start in stride(from: 0, to: bytes.count, by: Self.slice) {
            if start > 0 { await Task.yield() }
            coded.reading.read(Array(bytes[start..<min(start + Self.slice, bytes.count)])) { json?.consume($0) }
        }
    }

    /// Throws if the body stopped in the middle.
    func check(_ call: CallTraits) throws(FlowExit) {
        guard let coded else { return try Self.check(endedInside: json?.isInside ?? false, call) }
        try Self.check(endedInside: coded.reading.isInside || coded.reading.isWhole && json?.isInside ?? false, call)
    }

    static func check(endedInside: Bool, _ call: CallTraits) throws(FlowExit) {
        guard endedInside else { return }
        let failure = TransferFailure(
            reason: .truncated, sent: true, headReceived: true, detail: "the body stops inside its coding or its JSON")
        throw Failure(failure, call).map { .failed($0) } ?? .callerLeft
    }
}
