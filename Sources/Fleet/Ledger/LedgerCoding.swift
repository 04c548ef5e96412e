// The ledger as bytes, for engines that keep it whole: numbers of 7 bits a byte, so a full one takes a few kilobytes.

/// Writes values one after the other.
struct ByteWriter {
    private(set) var bytes: [UInt8] = []

    mutating func put(_ value: Int) {
        // Zigzag: small numbers of either sign are short.
        put(UInt64(bitPattern: Int64((value << 1) ^ (value >> 63))))
    }

    mutating func put(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    mutating func put(_ value: [UInt8]) {
        put(UInt64(value.count))
        bytes.append(contentsOf: value)
    }

    mutating func put(_ value: String) { put(Array(value.utf8)) }
}

/// Reads them back; what is not whole throws.
struct ByteReader {
    /// The bytes are no value that was written.
    struct Damaged: Error {}

    private var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) { rest = bytes[...] }

    mutating func word() throws -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: 0, to: 64, by: 7) {
            guard let byte = rest.popFirst() else { throw Damaged() }
            value |= UInt64(byte & 0x7F) << UInt64(shift)
            if byte < 0x80 { return value }
        }
        throw Damaged()
    }

    mutating func int() throws -> Int {
        let word = try word()
        return Int(Int64(bitPattern: word >> 1) ^ -Int64(bitPattern: word & 1))
    }

    /// A number of things that follow, each at least a byte long.
    mutating func count() throws -> Int {
        let count = try word()
        guard count <= UInt64(rest.count) else { throw Damaged() }
        return Int(count)
    }

    mutating func byteArray() throws -> [UInt8] {
        let count = try count()
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }

    mutating func string() throws -> String { String(decoding: try byteArray(), as: UTF8.self) }
}

extension Ledger {
    /// All of it.
    var bytes: [UInt8] {
        var out = ByteWriter()
        out.put(server)
        out.put(policy.maxMembers)
        out.put(policy.reserve)
        for number in [seq, epoch, learningSince, learningUntil, calls, runs, virtual] { out.put(number) }
        out.put(UInt64(windows.count))
        for (index, window) in policy.windows.enumerated() {
            out.put(window.limit)
            out.put(window.span)
            out.put(window.isForRuns ? 1 : 0)
            out.put(known[index])
            out.put(reported[index])
            windows[index].write(to: &out)
        }
        out.put(UInt64(members.count))
        for (id, member) in members {
            out.put(id.bits)
            out.put(member.name)
            out.put(member.version)
            for number in [member.joined, member.heard, member.reported] { out.put(number) }
        }
        out.put(UInt64(callers.count))
        for (key, caller) in callers {
            out.put(key)
            for number in [caller.virtual, caller.waitsForCalls, caller.waitsForRuns] { out.put(number) }
        }
        out.put(UInt64(pauses.count))
        for (scope, pause) in pauses {
            out.put(scope)
            out.put(pause.cause)
            out.put(pause.until)
        }
        return out.bytes
    }

    /// From `bytes`. Throws where they are none.
    init(bytes: [UInt8]) throws {
        var from = ByteReader(bytes)
        let server = try from.string()
        let (maxMembers, reserve) = (try from.int(), try from.int())
        var numbers: [Int] = []
        for _ in 0..<7 { numbers.append(try from.int()) }
        var fleetWindows: [FleetWindow] = []
        var windows: [LedgerWindow] = []
        var (known, reported): ([Int], [Int]) = ([], [])
        for _ in 0..<(try from.count()) {
            let (limit, span, isForRuns) = (try from.int(), try from.int(), try from.int())
            fleetWindows.append(FleetWindow(limit: limit, span: span, isForRuns: isForRuns == 1))
            known.append(try from.int())
            reported.append(try from.int())
            windows.append(try LedgerWindow(from: &from))
        }
        self.init(
            policy: FleetPolicy(windows: fleetWindows, maxMembers: maxMembers, reserve: reserve), server: server)
        guard policy.windows.count == windows.count else { throw ByteReader.Damaged() }
        (self.windows, self.known, self.reported) = (windows, known, reported)
        (seq, epoch, learningSince, learningUntil) = (numbers[0], numbers[1], numbers[2], numbers[3])
        (calls, runs, virtual) = (numbers[4], numbers[5], numbers[6])
        for _ in 0..<(try from.count()) {
            let id = FleetMemberID(try from.word())
            let (name, version) = (try from.string(), try from.string())
            members[id] = Member(
                name: name, version: version, joined: try from.int(), heard: try from.int(),
                reported: try from.int())
        }
        for _ in 0..<(try from.count()) {
            let key = try from.word()
            callers[key] = Caller(
                virtual: try from.int(), waitsForCalls: try from.int(), waitsForRuns: try from.int())
        }
        for _ in 0..<(try from.count()) {
            let (scope, cause) = (try from.string(), try from.string())
            pauses[scope] = Pause(cause: cause, until: try from.int())
        }
    }
}

extension LedgerWindow {
    func write(to out: inout ByteWriter) {
        out.put(slot)
        out.put(counted)
        out.put(tat)
        out.put(UInt64(entries.count))
        var last = 0
        for entry in entries {
            out.put(entry.slot - last)
            out.put(entry.member)
            out.put(entry.count)
            last = entry.slot
        }
    }

    init(from: inout ByteReader) throws {
        let (slot, counted, tat) = (try from.int(), try from.int(), try from.int())
        guard slot > 0, counted > 0 else { throw ByteReader.Damaged() }
        var entries: [Entry] = []
        var last = 0
        for _ in 0..<(try from.count()) {
            last += try from.int()
            entries.append(Entry(slot: last, member: try from.word(), count: try from.int()))
        }
        self.init(slot: slot, counted: counted, entries: entries, tat: tat)
    }
}
