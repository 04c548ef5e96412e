// What processes of one machine can rely on: what a file lies on, locks on single bytes of it that the kernel gives back when their
// holder dies, and a clock that is the same for all.

import CGround
import Glibc

/// File systems on which locks and mapped memory do not hold between processes, or not at once.
package enum NetworkFileSystem {
    private static let names: [UInt32: String] = [
        0x6969: "NFS", 0xFF53_4D42: "CIFS", 0xFE53_4D42: "SMB", 0x517B: "SMB", 0x0102_1997: "9p",
        0x5346_414F: "AFS", 0x00C3_6400: "Ceph", 0x0BD0_0BD0: "Lustre", 0x4750_4653: "GPFS", 0x0116_1970: "GFS2",
    ]

    /// The name of the network file system that a folder lies on; nil where it lies on none, or that cannot be told.
    package static func name(of folder: String) -> String? {
        names[cground_file_system(folder)]
    }
}

/// Locks of one byte, held by an open descriptor: another descriptor, in the same process too, does not get it.
package enum ByteLock {
    /// F_OFD_SETLK and F_OFD_GETLK, which Swift's Glibc does not show.
    private static let set: Int32 = 37
    private static let get: Int32 = 36

    /// Takes it if nobody has it.
    package static func take(_ descriptor: Int32, at offset: Int) -> Bool {
        var lock = description(offset)
        return fcntl(descriptor, set, &lock) == 0
    }

    /// Whether somebody else has it.
    package static func isTaken(_ descriptor: Int32, at offset: Int) -> Bool {
        var lock = description(offset)
        return fcntl(descriptor, get, &lock) == 0 && lock.l_type != Int16(F_UNLCK)
    }

    private static func description(_ offset: Int) -> flock {
        var lock = flock()
        lock.l_type = Int16(F_WRLCK)
        lock.l_whence = Int16(SEEK_SET)
        lock.l_start = offset
        lock.l_len = 1
        return lock
    }
}

/// The kernel's clock and which run of it that is.
package enum MachineClock {
    /// Milliseconds since the machine started, with the time that it slept. The same for all processes.
    package static func milliseconds() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return Int(time.tv_sec) * 1000 + Int(time.tv_nsec) / 1_000_000
    }

    /// Another one at each start of the machine; empty where that cannot be told.
    package static func boot() -> String {
        let descriptor = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = read(descriptor, &bytes, bytes.count)
        guard count > 0 else { return "" }
        return String(decoding: bytes[..<count], as: UTF8.self).filter { $0.isHexDigit || $0 == "-" }
    }
}

/// A folder that several processes know by one name.
package enum SharedFolder {
    /// Its path without links and dots; nil where there is none.
    package static func real(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}
