// The request's header fields as the linked list that libcurl reads, built in one block of memory on the caller's
// thread. libcurl does not copy the list, so the transfer owns the block until its handle is gone.

import CCurl
import HTTPTypes

/// A `curl_slist` in one allocation.
///
/// `@unchecked Sendable`: written once in `init`, afterwards only read, and only by the curl thread.
/// `@safe`: the block is this value's own, and there are no copies of it.
@safe struct HeaderList: ~Copyable, @unchecked Sendable {
    private let block: UnsafeMutableRawPointer?
    /// The first entry, nil for an empty list. libcurl wants it mutable and only reads it.
    let first: UnsafeMutablePointer<curl_slist>?

    init(_ fields: HTTPFields) {
        // What the caller sends itself must not be taken out.
        let removals = Self.ownFields.filter { name, _ in !fields.contains(name) }
        var count = 0
        var size = 0
        for field in fields where !Self.isFraming(field.name) {
            count += 1
            unsafe size += field.name.rawName.utf8.count + 3 + field.withUnsafeBytesOfValue { $0.count }
        }
        for (_, line) in removals {
            count += 1
            size += line.utf8.count + 1
        }
        guard count > 0 else {
            unsafe self.block = nil
            unsafe self.first = nil
            return
        }
        let nodeBytes = unsafe count * MemoryLayout<curl_slist>.stride
        let block = unsafe UnsafeMutableRawPointer.allocate(
            byteCount: nodeBytes + size, alignment: MemoryLayout<curl_slist>.alignment)
        let nodes = unsafe block.bindMemory(to: curl_slist.self, capacity: count)
        var writer = unsafe Writer(
            nodes: nodes, text: (block + nodeBytes).bindMemory(to: UInt8.self, capacity: size), count: count)
        for field in fields where !Self.isFraming(field.name) { writer.add(field) }
        for (_, line) in removals { writer.add(line.utf8) }
        unsafe self.block = block
        unsafe self.first = nodes
    }

    deinit {
        unsafe self.block?.deallocate()
    }

    /// Fields that libcurl adds by itself unless told not to by a line with nothing behind the colon.
    private static let ownFields: [(name: HTTPField.Name, line: String)] = [
        (.accept, "Accept:"), (.expect, "Expect:"),
    ]

    /// The body decides on these two.
    private static func isFraming(_ name: HTTPField.Name) -> Bool {
        // The length first: comparing long names is the costly part.
        switch name.canonicalName.utf8.count {
        case 14: name == .contentLength
        case 17: name == .transferEncoding
        default: false
        }
    }

    /// `@safe`: `init` makes both blocks as large as what is added.
    @safe private struct Writer {
        let nodes: UnsafeMutablePointer<curl_slist>
        var text: UnsafeMutablePointer<UInt8>
        let count: Int
        var index = 0

        init(nodes: UnsafeMutablePointer<curl_slist>, text: UnsafeMutablePointer<UInt8>, count: Int) {
            unsafe self.nodes = nodes
            unsafe self.text = text
            self.count = count
        }

        /// `Name: value`, or `Name;` for an empty value, which with a colon would mean "leave it out".
        mutating func add(_ field: HTTPField) {
            self.begin()
            self.put(field.name.rawName.utf8)
            unsafe field.withUnsafeBytesOfValue { value in
                if unsafe value.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) {
                    self.put(CollectionOfOne(UInt8(ascii: ";")))
                } else {
                    self.put(": ".utf8)
                    unsafe self.put(value)
                }
            }
            self.put(CollectionOfOne(0))
        }

        mutating func add(_ line: String.UTF8View) {
            self.begin()
            self.put(line)
            self.put(CollectionOfOne(0))
        }

        private mutating func begin() {
            let next = unsafe self.index + 1 < self.count ? self.nodes + self.index + 1 : nil
            let data = unsafe UnsafeMutableRawPointer(self.text).assumingMemoryBound(to: CChar.self)
            unsafe (self.nodes + self.index).initialize(to: curl_slist(data: data, next: next))
            self.index += 1
        }

        private mutating func put(_ bytes: some Collection<UInt8>) {
            let buffer = unsafe UnsafeMutableBufferPointer(start: self.text, count: bytes.count)
            _ = unsafe buffer.initialize(fromContentsOf: bytes)
            unsafe self.text += bytes.count
        }
    }
}
