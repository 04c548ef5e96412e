// Reads along in a body that came gzip-coded: it is kept and passed on as it came, but what it shows decides how long it
// may be kept, and which writes make it untrue.

import CurlTransport

/// Decodes for reading only. One value per body.
struct CodedReading: ~Copyable {
    private let inflater = Inflater(.gzip)
    /// False once it has turned out to be no gzip, or too much of it.
    private var isOpen = true
    /// Whether the coded stream has ended as it should, and nothing was left out.
    var isWhole: Bool { isOpen && inflater.isAtEnd }
    /// Whether what came so far is the beginning of a coded stream that must go on.
    var isInside: Bool { isOpen && consumed > 0 && !inflater.isAtEnd }
    private(set) var produced = 0
    private var consumed = 0

    /// A body that grows beyond this, or by more than this, is not read to its end: nobody knows then what it shows.
    /// JSON of reports shrinks to a tenth; what shrinks to a hundredth was made to keep us busy.
    private static let maxBytes = 256 << 20
    private static let maxGrowth = 64

    /// Decodes the next bytes and hands them on in pieces.
    mutating func read(_ chunk: [UInt8], _ take: ([UInt8]) -> Void) {
        guard isOpen else { return }
        consumed += chunk.count
        let limit = min(Self.maxBytes, consumed * Self.maxGrowth + (1 << 20))
        inflater.give(chunk)
        while isOpen {
            switch inflater.step() {
            case .starved: return
            case .broken: isOpen = false
            case .bytes(let bytes):
                produced += bytes.count
                if !bytes.isEmpty { take(bytes) }
                if produced > limit { isOpen = false }
            }
        }
    }
}
