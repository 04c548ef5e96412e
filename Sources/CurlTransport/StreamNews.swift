// What is known about the HTTP/2 stream of a request beyond libcurl's result codes, which are the same for a request
// that the server refused and for one that was lost: error 16, or a repeat on another connection. The difference decides
// whether a delete may be sent again, so only what libcurl 7.88 says in so many words counts. It says
//   - the number of the stream that a request gets,
//   - the last stream of a GOAWAY: those above it were not and will not be processed (RFC 9113 section 6.8),
//   - that a stream was refused (REFUSED_STREAM, which says the same), but only on a connection that no other request
//     has used besides or before.
// Another libcurl may say it in other words; then nothing is known, and nothing is sent again.

/// The stream of one send.
struct StreamNews {
    /// Something that libcurl says about streams.
    enum Line: Equatable {
        case opened(stream: Int)
        case goAway(lastStream: Int)
        case refused

        /// Reads one line of libcurl's talk; nil for everything else.
        init?(_ text: some Collection<UInt8>) {
            if let number = Self.number(in: text, behind: "Using Stream ID: ") {
                self = .opened(stream: number)
            } else if let number = Self.number(in: text, behind: "GOAWAY, error=", then: ", last_stream=") {
                self = .goAway(lastStream: number)
            } else if text.starts(with: "REFUSED_STREAM, retrying".utf8) {
                self = .refused
            } else {
                return nil
            }
        }

        private static func number(
            in text: some Collection<UInt8>, behind mark: StaticString, then second: StaticString? = nil
        ) -> Int? {
            // The first mark stands at the start, or behind one word ("received", as 7.88 spells it or not).
            guard var rest = Self.rest(of: text[...], behind: mark, within: 10) else { return nil }
            if let second {
                guard let behind = Self.rest(of: rest, behind: second, within: 10) else { return nil }
                rest = behind
            }
            let digits = rest.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            guard (1...10).contains(digits.count) else { return nil }
            return digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
        }

        private static func rest<Text: Collection<UInt8>>(
            of text: Text, behind mark: StaticString, within reach: Int
        ) -> Text.SubSequence? {
            let mark = unsafe UnsafeBufferPointer(start: mark.utf8Start, count: mark.utf8CodeUnitCount)
            var rest = text[...]
            for _ in 0...reach {
                if unsafe rest.starts(with: mark) { return rest.dropFirst(mark.count) }
                if rest.isEmpty { return nil }
                rest = rest.dropFirst()
            }
            return nil
        }
    }

    /// Its number; nil while it has none, or where HTTP/1 is spoken.
    private(set) var number: Int?
    /// Whether the server has said that it does not process it.
    private(set) var isRefused = false

    mutating func opened(_ number: Int) { self.number = number }

    mutating func refused() { self.isRefused = true }

    /// Its connection takes no more streams, and none above `lastStream` was processed.
    mutating func connectionLeaves(lastStream: Int) {
        if let number = self.number, number > lastStream { self.isRefused = true }
    }
}
