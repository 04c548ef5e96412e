// zlib, a slice at a time: however much a few coded bytes stand for, no more of it is held than one slice, and whoever
// reads decides when the next is made. libcurl would inflate all that it has at once, knows one gzip member only, and
// does not miss a trailer.

import CZlib

/// Takes one coding off a body, whose bytes come in any pieces. Used by one task at a time.
///
/// `@safe`: its memory is its own until `deinit`, and zlib's pointers into what it is given are set anew for each call.
@safe package final class Inflater {
    /// What it can take off.
    package enum Coding: Sendable, Hashable {
        /// Members of gzip, one after another (RFC 1952 section 2.2), each with its sum and its length checked.
        case gzip
        /// zlib's framing, or bare deflate, which some servers send under that name.
        case deflate
    }

    /// What one step came to.
    package enum Step: Sendable, Hashable {
        /// At most one slice of decoded bytes; none where some coded bytes stood for nothing. There may be more.
        case bytes([UInt8])
        /// Nothing is left to decode until more is given.
        case starved
        /// This is not the coding that it should be.
        case broken
    }

    private enum Phase {
        /// Which framing it is, the first two bytes tell.
        case unopened
        case inside
        /// At the end of a member, or of all there is.
        case ended
        case broken
    }

    /// The most bytes of one step.
    package static let sliceBytes = 64 << 10

    private let coding: Coding
    /// zlib keeps pointers to it, so it must not move.
    private let stream: UnsafeMutablePointer<z_stream>
    private let room: UnsafeMutableBufferPointer<UInt8>
    private var phase = Phase.unopened
    private var input: [UInt8] = []
    private var position = 0
    /// Whether zlib may hold decoded bytes that the last slice had no room for.
    private var isFull = false

    /// For one body.
    package init(_ coding: Coding) {
        self.coding = coding
        unsafe self.stream = .allocate(capacity: 1)
        unsafe self.stream.initialize(to: z_stream())
        unsafe self.room = .allocate(capacity: Self.sliceBytes)
    }

    deinit {
        unsafe inflateEnd(self.stream)
        unsafe self.stream.deallocate()
        unsafe self.room.deallocate()
    }

    /// Whether all that was given so far is a whole.
    package var isAtEnd: Bool { self.phase == .ended && self.position == self.input.count }

    /// The next coded bytes. Those before must have been decoded.
    package func give(_ bytes: [UInt8]) {
        if self.position == self.input.count {
            self.input = bytes
        } else {
            self.input = Array(self.input[self.position...]) + bytes
        }
        self.position = 0
    }

    /// Decodes up to one slice.
    package func step() -> Step {
        guard self.phase != .broken else { return .broken }
        guard self.isFull || self.position < self.input.count else { return .starved }
        switch self.phase {
        case .unopened:
            if self.coding == .deflate, self.input.count < 2 { return .starved }
            guard self.open() else { return self.fail() }
        case .ended:
            guard self.coding == .gzip, unsafe inflateReset(self.stream) == Z_OK else { return self.fail() }
        case .inside, .broken: break
        }
        self.phase = .inside
        let (code, count) = self.inflateOnce()
        self.isFull = unsafe code == Z_OK && count == self.room.count
        if code == Z_STREAM_END { self.phase = .ended }
        let isBroken = code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR
        if isBroken { self.phase = .broken }
        if count == 0, isBroken { return .broken }
        return unsafe .bytes(Array(UnsafeBufferPointer(start: self.room.baseAddress, count: count)))
    }

    private func fail() -> Step {
        self.phase = .broken
        return .broken
    }

    private func open() -> Bool {
        // 15: the largest window; 32 more: gzip or zlib, whichever comes; negative: neither.
        let isBare = self.coding == .deflate && !Self.isZlibHeader(self.input[0], self.input[1])
        return unsafe czlib_inflate_init(self.stream, isBare ? -15 : self.coding == .gzip ? 15 + 32 : 15) == Z_OK
    }

    /// RFC 1950 section 2.2.
    private static func isZlibHeader(_ first: UInt8, _ second: UInt8) -> Bool {
        first & 0x0F == 8 && first >> 4 <= 7 && (UInt16(first) << 8 | UInt16(second)) % 31 == 0
    }

    private func inflateOnce() -> (code: Int32, count: Int) {
        let (start, room) = unsafe (self.position, self.room)
        let stream = unsafe self.stream
        let (code, used) = unsafe self.input.withUnsafeMutableBufferPointer { input in
            unsafe stream.pointee.next_in = input.baseAddress.map { unsafe $0 + start }
            unsafe stream.pointee.avail_in = UInt32(clamping: input.count - start)
            unsafe stream.pointee.next_out = room.baseAddress
            unsafe stream.pointee.avail_out = UInt32(room.count)
            let given = unsafe Int(stream.pointee.avail_in)
            let code = unsafe inflate(stream, Z_NO_FLUSH)
            unsafe stream.pointee.next_in = nil
            unsafe stream.pointee.next_out = nil
            return unsafe (code, given - Int(stream.pointee.avail_in))
        }
        self.position += used
        if self.position == self.input.count { (self.input, self.position) = ([], 0) }
        return unsafe (code, room.count - Int(stream.pointee.avail_out))
    }
}
