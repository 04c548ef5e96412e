// The other direction of zlib: puts a coding on, in constant memory, for what is kept on disk.

import CZlib

/// Makes one gzip member (RFC 1952). Used by one thread at a time.
///
/// `@safe`: its memory is its own until `deinit`, and zlib's pointers into what it is given are set anew for each call.
@safe package final class Deflater {
    /// zlib keeps pointers to it, so it must not move.
    private let stream: UnsafeMutablePointer<z_stream>
    private let room: UnsafeMutableBufferPointer<UInt8>
    private var hasFailed: Bool

    /// 15: the largest window; 16 more: the framing of gzip.
    private static let gzipWindow: Int32 = 15 + 16
    private static let roomBytes = 64 << 10

    /// A member without bytes yet. Fast rather than small: what is written waits for it, and JSON shrinks to a tenth anyway.
    package init() {
        unsafe self.stream = .allocate(capacity: 1)
        unsafe self.stream.initialize(to: z_stream())
        unsafe self.room = .allocate(capacity: Self.roomBytes)
        self.hasFailed = unsafe czlib_deflate_init(self.stream, Z_BEST_SPEED, Self.gzipWindow) != Z_OK
    }

    deinit {
        unsafe deflateEnd(self.stream)
        unsafe self.stream.deallocate()
        unsafe self.room.deallocate()
    }

    /// Codes the next bytes, and hands on what comes of them in pieces that are valid during the call. False, now and from then
    /// on, where zlib has no memory or `take` said so.
    package func code(_ bytes: [UInt8], _ take: (UnsafeRawBufferPointer) -> Bool) -> Bool {
        unsafe self.run(bytes, Z_NO_FLUSH, take)
    }

    /// Ends the member, and hands on the rest.
    package func finish(_ take: (UnsafeRawBufferPointer) -> Bool) -> Bool {
        unsafe self.run([], Z_FINISH, take)
    }

    private func run(_ bytes: [UInt8], _ flush: Int32, _ take: (UnsafeRawBufferPointer) -> Bool) -> Bool {
        guard !self.hasFailed else { return false }
        let (stream, room) = unsafe (self.stream, self.room)
        var bytes = bytes
        let isDone = unsafe bytes.withUnsafeMutableBufferPointer { input -> Bool in
            unsafe stream.pointee.next_in = input.baseAddress
            unsafe stream.pointee.avail_in = UInt32(clamping: input.count)
            defer { unsafe stream.pointee.next_in = nil }
            while true {
                unsafe stream.pointee.next_out = room.baseAddress
                unsafe stream.pointee.avail_out = UInt32(room.count)
                let code = unsafe deflate(stream, flush)
                let count = unsafe room.count - Int(stream.pointee.avail_out)
                unsafe stream.pointee.next_out = nil
                // Z_BUF_ERROR: there was nothing to do.
                guard code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR else { return false }
                if count > 0, unsafe !take(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(room)[..<count])) {
                    return false
                }
                if code == Z_STREAM_END { return true }
                if flush == Z_NO_FLUSH, unsafe stream.pointee.avail_out > 0 { return true }
            }
        }
        if !isDone { self.hasFailed = true }
        return isDone
    }
}
