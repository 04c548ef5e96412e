// Counters of tags in a file that all processes of a host have mapped: a hit compares them without a system call. They are
// incremented before a write is sent and when its outcome is known, so whoever began to fetch in between has an old stamp.
//
// Two tags may share a counter: then a page is a miss that need not be one.

import CMapped
import Glibc
import Ground
import Synchronization

/// Safe to use from any thread: the mapping stays until nobody has it any more, and only atomic operations touch it.
final class MappedCounters: FleetPages {
    static let count = 4096
    private static let header = 4096
    private static let size = header + count * 8
    private static let magic: UInt64 = 0x3130_5347_4154_5043  // "CPTAGS01"
    /// Offsets in the header.
    private static let born = 8
    private static let any = 16
    private static let everything = 24
    private static let alone = 32
    /// How long a look at the path is good for, in milliseconds.
    private static let looked = 100

    let path: String
    /// Also holds the locks of members.
    let descriptor: Int32
    // Proof of safety: mapped before the object is shared, unmapped when nobody has it any more; only cmapped_… touch it.
    private nonisolated(unsafe) let base: UnsafeMutableRawPointer
    private let identity: FileStatus
    /// Tells stamps of one file from those of another.
    private let salt: UInt64
    /// Of the machine's clock: when the path was last seen to lead here.
    private let verified: Atomic<Int>

    /// Opens and maps the file, and makes it if it is missing.
    init(path: String) throws(FleetError) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0o600)
        guard descriptor >= 0 else { throw SQLiteFile.failure(path, errno) }
        do throws(FleetError) {
            (base, identity) = try Self.map(path, descriptor)
        } catch {
            close(descriptor)
            throw error
        }
        self.path = path
        self.descriptor = descriptor
        salt = (cmapped_load(base + Self.born) ^ identity.inode &<< 40) &* 0x9E37_79B9_7F4A_7C15
        verified = Atomic(MachineClock.milliseconds())
    }

    private static func map(
        _ path: String, _ descriptor: Int32
    ) throws(FleetError) -> (UnsafeMutableRawPointer, FileStatus) {
        guard let status = FileStatus(descriptor: descriptor), status.kind == .regular else {
            throw .foreign("\(path) is not a file: move it away")
        }
        let length = lseek(descriptor, 0, SEEK_END)
        // Zeros are a sound beginning, so whoever comes second does no harm. Reserved, so that no write hits a full disk.
        if length == 0 {
            let code = posix_fallocate(descriptor, 0, off_t(size))
            guard code == 0 else { throw SQLiteFile.failure(path, code) }
        } else if length != off_t(size) {
            throw .foreign("\(path) is no file of counters: move it away")
        }
        guard let base = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0), base != MAP_FAILED else {
            throw SQLiteFile.failure(path, errno)
        }
        let found = cmapped_load(base)
        guard found == 0 || found == magic else {
            munmap(base, size)
            throw .foreign("\(path) is no file of counters: move it away")
        }
        if found == 0 {
            cmapped_store(base + born, UInt64(MachineClock.milliseconds()))
            cmapped_store(base, magic)
        }
        return (base, status)
    }

    deinit {
        munmap(base, Self.size)
        close(descriptor)
    }

    /// Milliseconds for which members may still have an earlier file mapped, each no longer than `lag` after it was replaced.
    func youth(lag: Int) -> Int {
        let born = Int(truncatingIfNeeded: cmapped_load(base + Self.born))
        let age = MachineClock.milliseconds() - born
        return age < 0 ? 0 : max(lag - age, 0)
    }

    // MARK: Alone

    /// A member cannot use the database: until a while after the last word of that all go by their shares.
    func markAlone() { cmapped_store(base + Self.alone, UInt64(MachineClock.milliseconds())) }

    /// When that was last said, by the machine's clock; 0: never since it started.
    var aloneAt: Int {
        let at = Int(truncatingIfNeeded: cmapped_load(base + Self.alone))
        return at > MachineClock.milliseconds() ? 0 : at
    }

    // MARK: Pages

    /// Whether the path still leads here; one look serves for a while.
    var mayShow: Bool {
        let now = MachineClock.milliseconds()
        if now - verified.load(ordering: .relaxed) < Self.looked { return true }
        guard isInPlace else { return false }
        verified.store(now, ordering: .relaxed)
        return true
    }

    /// Whether the path leads here now.
    var isInPlace: Bool {
        guard let there = FileStatus(path: path, followsLinks: false) else { return false }
        return there.device == identity.device && there.inode == identity.inode
    }

    /// Pages with these tags are no longer true.
    func bump(_ tags: [UInt64], everything: Bool) {
        if everything { _ = cmapped_increment(base + Self.everything) }
        for tag in tags { _ = cmapped_increment(counter(tag)) }
        // Last: who sees it sees the others.
        _ = cmapped_increment(base + Self.any)
    }

    func moment() -> FleetMoment {
        // First: what is incremented after it makes the next look compare everything.
        let any = cmapped_load(base + Self.any) &+ salt
        let counters = [UInt64](unsafeUninitializedCapacity: Self.count + 1) { words, count in
            for index in 0..<Self.count { words[index] = cmapped_load(base + Self.header + index * 8) }
            words[Self.count] = cmapped_load(base + Self.everything) &+ salt
            count = Self.count + 1
        }
        return FleetMoment(any: any, counters: counters)
    }

    func stamp(of tags: [UInt64], since moment: FleetMoment) -> FleetStamp? {
        // An earlier file's.
        guard moment.counters.count == Self.count + 1 else { return nil }
        let own = tags.reduce(moment.counters[Self.count]) { $0 &+ moment.counters[Self.index($1)] }
        var stamp = FleetStamp(any: moment.any, own: own)
        return isCurrent(&stamp) { tags } ? stamp : nil
    }

    func isCurrent(_ stamp: inout FleetStamp, _ tags: () -> [UInt64]) -> Bool {
        let any = cmapped_load(base + Self.any) &+ salt
        if any == stamp.any { return true }
        guard sum(tags()) == stamp.own else { return false }
        stamp.any = any
        return true
    }

    private func sum(_ tags: [UInt64]) -> UInt64 {
        tags.reduce(cmapped_load(base + Self.everything) &+ salt) { $0 &+ cmapped_load(counter($1)) }
    }

    private func counter(_ tag: UInt64) -> UnsafeMutableRawPointer {
        base + Self.header + Self.index(tag) * 8
    }

    /// The hashes of tags need not be evenly spread in their low bits.
    private static func index(_ tag: UInt64) -> Int { Int((tag &* 0x9E37_79B9_7F4A_7C15) >> 52) }
}
