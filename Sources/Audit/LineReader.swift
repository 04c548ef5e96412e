// A file as lines, in constant memory: one buffer, refilled by big reads; lines are ranges of it and are not copied.

import Glibc

struct LineReader {
    /// Longer lines are cut in pieces: no record is that long.
    static let maxLineBytes = 4 << 20
    private static let bufferBytes: Int64 = 1 << 20

    struct Line {
        /// In the buffer, without the line end.
        var range: Range<Int>
        /// From 1 on.
        var number: Int
        /// Of its first byte in the file.
        var offset: Int64
        /// Whether it ends with a line feed.
        var isTerminated: Bool
    }

    private let fileSystem: any FileSystem
    private let file: FileHandle
    private var buffer: [UInt8]
    /// The bytes in the buffer that are not yet handed out.
    private var pending = 0..<0
    private var pendingOffset: Int64
    private var number = 0
    private var isAtEnd = false

    /// - Parameters:
    ///   - offset: must be the start of a line; lines are counted from there.
    ///   - size: the file's, as far as known: a small file needs no big buffer.
    init(_ file: FileHandle, in fileSystem: any FileSystem, from offset: Int64 = 0, size: Int64) {
        self.fileSystem = fileSystem
        self.file = file
        self.pendingOffset = offset
        self.buffer = [UInt8](repeating: 0, count: Int(min(Self.bufferBytes, max(4096, size - offset + 1))))
    }

    /// The bytes of a line; valid until `next` is called again.
    func bytes(of line: Line) -> ArraySlice<UInt8> { buffer[line.range] }

    /// Calls `body` with the bytes of a line.
    func with<R, E: Error>(_ line: Line, _ body: (Span<UInt8>) throws(E) -> R) throws(E) -> R {
        try body(buffer.span.extracting(line.range))
    }

    /// The next line, or nil at the end of the file.
    mutating func next() throws(FileFailure) -> Line? {
        var searched = pending.lowerBound
        while true {
            if let end = lineFeed(from: searched) { return take(until: end, isTerminated: true) }
            searched = pending.upperBound
            if pending.count >= Self.maxLineBytes { return take(until: pending.upperBound, isTerminated: false) }
            if isAtEnd { return pending.isEmpty ? nil : take(until: pending.upperBound, isTerminated: false) }
            let moved = pending.lowerBound
            try refill()
            searched -= moved
        }
    }

    private func lineFeed(from start: Int) -> Int? {
        guard start < pending.upperBound else { return nil }
        return unsafe buffer.withUnsafeBufferPointer { bytes in
            guard let base = bytes.baseAddress,
                let found = unsafe memchr(base + start, 0x0A, pending.upperBound - start)
            else {
                return nil
            }
            return unsafe UnsafeRawPointer(found) - UnsafeRawPointer(base)
        }
    }

    private mutating func take(until end: Int, isTerminated: Bool) -> Line {
        number += 1
        let range = pending.lowerBound..<end
        let line = Line(range: range, number: number, offset: pendingOffset, isTerminated: isTerminated)
        let used = range.count + (isTerminated ? 1 : 0)
        pendingOffset += Int64(used)
        pending = pending.lowerBound + used..<pending.upperBound
        return line
    }

    /// Moves what is pending to the front and reads as much as fits behind it.
    private mutating func refill() throws(FileFailure) {
        let count = pending.count
        if pending.lowerBound > 0, count > 0 {
            unsafe buffer.withUnsafeMutableBytes { bytes in
                unsafe bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[pending]))
            }
        }
        pending = 0..<count
        if count == buffer.count { buffer += [UInt8](repeating: 0, count: count) }
        let (fileSystem, file, offset) = (fileSystem, file, pendingOffset + Int64(count))
        let result = unsafe buffer.withUnsafeMutableBytes { bytes -> Result<Int, FileFailure> in
            Result { () throws(FileFailure) in
                try unsafe fileSystem.read(
                    file, at: offset, into: UnsafeMutableRawBufferPointer(rebasing: bytes[count...]))
            }
        }
        let read = try result.get()
        isAtEnd = read == 0
        pending = 0..<count + read
    }
}
