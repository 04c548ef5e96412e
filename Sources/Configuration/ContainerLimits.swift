// What the control groups of this process allow (cgroups(7), v1 and v2): memory and CPU time. A limit may stand at any
// level, also above the process's own group, so the smallest one on the way up counts. What is mounted where and which
// group is ours is read, not guessed: in a container the root of the mount is often the group itself.

/// The limits of the container, as far as it can see them.
package struct ContainerLimits: Sendable, Equatable {
    /// Bytes; nil: none is set.
    package var memory: Int?
    /// How many CPUs' time may be used, such as 1.5; nil: no quota is set.
    package var cpus: Double?

    /// Of this process. Reads files; takes a moment.
    package static func current() -> ContainerLimits {
        ContainerLimits { try? TextFile.read($0) }
    }

    /// From a tree of files; `read` gives the text at a path, nil where there is none.
    init(reading read: (String) -> String?) {
        for group in ControlGroup.all(read) {
            for folder in group.upwards {
                if let found = group.memoryLimit(read, folder) { memory = min(memory ?? .max, found) }
                if let found = group.cpuQuota(read, folder) { cpus = min(cpus ?? .infinity, found) }
            }
        }
    }

    /// The ceiling of the cache, and that of the bytes that are held for tools: a quarter of the memory each, so that what
    /// is under way has room beside them.
    package var ceiling: Int? { memory.map { $0 / 4 } }

    /// How many threads the quota can keep busy, rounded up; at least 1.
    package var threads: Int? { cpus.map { max(1, Int($0.rounded(.up))) } }
}

extension Config {
    /// Keeps the cache, and the bytes that are held for tools, within a container's memory. Returns whether that changed
    /// something.
    @discardableResult
    package mutating func fit(_ limits: ContainerLimits) -> Bool {
        guard let ceiling = limits.ceiling else { return false }
        let former = self
        cache.maxBytes = min(cache.maxBytes, ceiling)
        cache.maxEntryBytes = min(cache.maxEntryBytes, cache.maxBytes)
        listen.maxHeldBytes = min(listen.maxHeldBytes, ceiling)
        listen.maxBodyBytes = min(listen.maxBodyBytes, listen.maxHeldBytes / 2)
        return self != former
    }
}

/// The process's group in one hierarchy.
private struct ControlGroup {
    /// Where the hierarchy is mounted.
    let mount: String
    /// The group's folder: the mount or below it.
    let folder: String
    let isVersion2: Bool

    /// The folder and all above it up to the mount.
    var upwards: [String] {
        var folders = [folder]
        while let last = folders.last, last.utf8.count > mount.utf8.count, let slash = last.lastIndex(of: "/") {
            folders.append(String(last[..<slash]))
        }
        return folders
    }

    func memoryLimit(_ read: (String) -> String?, _ folder: String) -> Int? {
        let text = read(folder + (isVersion2 ? "/memory.max" : "/memory.limit_in_bytes"))
        // Without a limit v2 says "max", and v1 the largest number of pages.
        guard let text, let bytes = Int(Self.words(text).first ?? ""), bytes > 0, bytes < 1 << 60 else { return nil }
        return bytes
    }

    func cpuQuota(_ read: (String) -> String?, _ folder: String) -> Double? {
        let files = isVersion2 ? ["/cpu.max"] : ["/cpu.cfs_quota_us", "/cpu.cfs_period_us"]
        let words = files.flatMap { Self.words(read(folder + $0) ?? "") }
        // Without a quota v2 says "max", and v1 -1.
        guard words.count == 2, let quota = Double(words[0]), let period = Double(words[1]), quota > 0, period > 0
        else { return nil }
        return quota / period
    }

    private static func words(_ text: String) -> [Substring] { text.split(whereSeparator: \.isWhitespace) }

    /// One for each hierarchy that can limit memory or CPU time.
    static func all(_ read: (String) -> String?) -> [ControlGroup] {
        guard let groups = read("/proc/self/cgroup"), let mounts = read("/proc/self/mountinfo") else { return [] }
        var paths: [(controllers: [Substring], path: String)] = []
        for line in groups.split(separator: "\n") {
            // hierarchy:controllers:path, the path with any further colons
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            if parts.count == 3 { paths.append((parts[1].split(separator: ","), String(parts[2]))) }
        }
        return mounts.split(separator: "\n").compactMap(Mount.init).flatMap { mount in
            paths.filter { mount.holds($0.controllers) }.map { mount.group(at: $0.path) }
        }
    }

    /// A line of /proc/self/mountinfo (proc(5)) that mounts a hierarchy.
    private struct Mount {
        let root: String
        let point: String
        let isVersion2: Bool
        let options: [Substring]

        init?(_ line: Substring) {
            let words = line.split(separator: " ")
            // Optional fields end with a dash of their own.
            guard let dash = words.firstIndex(of: "-"), dash >= 6, words.count > dash + 3 else { return nil }
            switch words[dash + 1] {
            case "cgroup2": isVersion2 = true
            case "cgroup": isVersion2 = false
            default: return nil
            }
            root = Self.unescaped(words[3])
            let point = Self.unescaped(words[4])
            self.point = point == "/" ? "" : point
            options = words[dash + 3].split(separator: ",")
        }

        /// Whether the hierarchy of these controllers is mounted here; that of version 2 names none.
        func holds(_ controllers: [Substring]) -> Bool {
            guard !isVersion2 else { return controllers.isEmpty }
            return controllers.contains { ($0 == "memory" || $0 == "cpu") && options.contains($0) }
        }

        /// A group that does not lie below the mount's root cannot be seen from here: the root is all there is.
        func group(at path: String) -> ControlGroup {
            var below = path
            if root != "/" {
                below = path == root ? "/" : path.hasPrefix(root + "/") ? String(path.dropFirst(root.count)) : "/"
            }
            if below.split(separator: "/").contains("..") { below = "/" }
            return ControlGroup(mount: point, folder: below == "/" ? point : point + below, isVersion2: isVersion2)
        }

        /// Blanks and the like stand as three octal digits.
        private static func unescaped(_ text: Substring) -> String {
            guard text.contains("\\") else { return String(text) }
            var bytes: [UInt8] = []
            var rest = Array(text.utf8)[...]
            while let byte = rest.popFirst() {
                if byte == UInt8(ascii: "\\"), rest.count >= 3,
                    let value = UInt8(String(decoding: rest.prefix(3), as: UTF8.self), radix: 8)
                {
                    bytes.append(value)
                    rest = rest.dropFirst(3)
                } else {
                    bytes.append(byte)
                }
            }
            return String(decoding: bytes, as: UTF8.self)
        }
    }
}
