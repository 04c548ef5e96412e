// Reads along in a body that came gzip-coded: it is kept and passed on as it came, but what it shows decides how long it
// may be kept, and which writes make it untrue.

import CZlib

/// Decodes for reading only. One value per body.
struct CodedReading: ~Copyable {
    /// zlib keeps pointers to it, so it must not move.
    private let stream: UnsafeMutablePointer<z_stream>
    private var isOpen: Bool
    /// Whether the coded stream has ended as it should, and nothing was left out.
    private(set) var isWhole = false
    /// Whether what came so far is the beginning of a coded stream that must go on.
    var isInside: Bool { isOpen && consumed > 0 }
    private(set) var produced = 0
    private var consumed = 0

    /// A body that grows beyond this, or by more than this, is not read to its end: nobody knows then what it shows.
    /// JSON of reports shrinks to a tenth; what shrinks to a hundredth was made to keep us busy.
    private static let maxBytes = 256 << 20
    private static let maxGrowth = 64
    private static let roomBytes = 64 << 10

    init() {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        isOpen = czlib_inflate_init(stream) == Z_OK
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    /// Decodes the next bytes and hands them on in pieces.
    mutating func read(_ chunk: [UInt8], _ take: ([UInt8]) -> Void) {
        guard isOpen, !isWhole else { return }
        consumed += chunk.count
        let limit = min(Self.maxBytes, consumed * Self.maxGrowth + (1 << 20))
        var chunk = chunk
        var room = [UInt8](repeating: 0, count: Self.roomBytes)
        chunk.withUnsafeMutableBufferPointer { input in
            stream.pointee.next_in = input.baseAddress
            stream.pointee.avail_in = UInt32(clamping: input.count)
            repeat {
                let (code, count) = room.withUnsafeMutableBufferPointer { output -> (Int32, Int) in
                    stream.pointee.next_out = output.baseAddress
                    stream.pointee.avail_out = UInt32(output.count)
                    let code = inflate(stream, Z_NO_FLUSH)
                    return (code, output.count - Int(stream.pointee.avail_out))
                }
                produced += count
                if count > 0 { take(count == room.count ? room : Array(room[..<count])) }
                if code == Z_STREAM_END { isWhole = stream.pointee.avail_in == 0 }
                if code != Z_OK || produced > limit {
                    isOpen = code == Z_BUF_ERROR && produced <= limit
                    break
                }
            } while stream.pointee.avail_in > 0 || stream.pointee.avail_out == 0
            stream.pointee.next_in = nil
            stream.pointee.next_out = nil
        }
    }
}
