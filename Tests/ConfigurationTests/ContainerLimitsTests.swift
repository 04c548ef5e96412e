// What control groups allow, from trees of files as containers show them.

import Testing

@testable import Configuration

@Suite("Limits of a container")
struct ContainerLimitsTests {
    private static let v2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"

    private func limits(_ files: [String: String]) -> ContainerLimits {
        ContainerLimits { files[$0] }
    }

    @Test("version 2, in a namespace of its own: the files at the root of the mount")
    func version2() {
        let found = limits([
            "/proc/self/cgroup": "0::/\n", "/proc/self/mountinfo": Self.v2 + "\n",
            "/sys/fs/cgroup/memory.max": "268435456\n", "/sys/fs/cgroup/cpu.max": "150000 100000\n",
        ])
        #expect(found.memory == 256 << 20 && found.ceiling == 64 << 20)
        #expect(found.cpus == 1.5 && found.threads == 2)
    }

    @Test("nested groups: the smallest limit on the way up")
    func nested() {
        let folder = "/sys/fs/cgroup/kubepods.slice/pod1.slice/c1.scope"
        let found = limits([
            "/proc/self/cgroup": "0::/kubepods.slice/pod1.slice/c1.scope\n", "/proc/self/mountinfo": Self.v2,
            "\(folder)/memory.max": "max\n", "\(folder)/cpu.max": "max 100000\n",
            "/sys/fs/cgroup/kubepods.slice/pod1.slice/memory.max": "1073741824\n",
            "/sys/fs/cgroup/kubepods.slice/pod1.slice/cpu.max": "20000 100000\n",
            "/sys/fs/cgroup/kubepods.slice/memory.max": "8589934592\n",
            "/sys/fs/cgroup/kubepods.slice/cpu.max": "400000 100000\n",
        ])
        #expect(found.memory == 1 << 30)
        #expect(found.cpus == 0.2 && found.threads == 1)
    }

    @Test("version 1: each controller where it is mounted, below the root of its mount")
    func version1() {
        let docker = "/docker/0123abc"
        let found = limits([
            "/proc/self/cgroup":
                "12:cpu,cpuacct:\(docker)\n11:memory:\(docker)/inner\n5:pids:\(docker)\n1:name=systemd:\(docker)\n",
            "/proc/self/mountinfo": """
            1 0 0:1 / / rw - overlay overlay rw
            31 30 0:27 \(docker) /sys/fs/cgroup/memory ro,nosuid master:11 - cgroup cgroup rw,memory
            32 30 0:28 \(docker) /sys/fs/cgroup/cpu,cpuacct ro shared:1 master:12 - cgroup cgroup rw,cpu,cpuacct
            33 30 0:29 \(docker) /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids
            """,
            "/sys/fs/cgroup/memory/inner/memory.limit_in_bytes": "9223372036854771712\n",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes": "536870912\n",
            "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "250000\n",
            "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            "/sys/fs/cgroup/pids/memory.limit_in_bytes": "1\n",
        ])
        #expect(found.memory == 512 << 20)
        #expect(found.cpus == 2.5 && found.threads == 3)
    }

    @Test("a group that cannot be seen from here, a mount with a blank in its name, both versions at once")
    func oddTrees() {
        let outside = limits([
            "/proc/self/cgroup": "0::/../../other\n", "/proc/self/mountinfo": Self.v2,
            "/sys/fs/cgroup/memory.max": "1048576",
        ])
        #expect(outside.memory == 1 << 20)
        let foreign = limits([
            "/proc/self/cgroup": "4:memory:/elsewhere\n",
            "/proc/self/mountinfo": "31 30 0:27 /docker/a /my\\040groups rw - cgroup cgroup rw,memory",
            "/my groups/memory.limit_in_bytes": "2097152",
        ])
        #expect(foreign.memory == 2 << 20)
        let hybrid = limits([
            "/proc/self/cgroup": "4:memory:/a\n0::/a\n",
            "/proc/self/mountinfo": "1 1 0:1 / /v1 rw - cgroup cgroup rw,memory\n2 1 0:2 / /v2 rw - cgroup2 none rw",
            "/v1/a/memory.limit_in_bytes": "4194304", "/v2/a/memory.max": "max", "/v2/a/cpu.max": "100000 100000",
        ])
        #expect(hybrid == limits(["": ""]).with(memory: 4 << 20, cpus: 1))
    }

    @Test("no limit, no groups, or files that say nonsense: nothing is known")
    func none() {
        let nothing = limits([:])
        #expect(nothing.memory == nil && nothing.cpus == nil && nothing.ceiling == nil && nothing.threads == nil)
        for (memory, cpu) in [("max", "max 100000"), ("", ""), ("-1", "-1 100000"), ("x", "1"), ("0", "0 0")] {
            let found = limits([
                "/proc/self/cgroup": "0::/\n:\n", "/proc/self/mountinfo": "junk - cgroup2\n" + Self.v2,
                "/sys/fs/cgroup/memory.max": memory, "/sys/fs/cgroup/cpu.max": cpu,
            ])
            #expect(found == nothing, "\(memory) \(cpu)")
        }
    }

    @Test("the ceiling of the cache is a quarter of the memory limit; what depends on it follows")
    func cache() {
        var config = Config()
        let lowered = config.fit(ContainerLimits().with(memory: 256 << 20))
        #expect(lowered)
        #expect(config.listen.maxHeldBytes == 64 << 20 && config.listen.maxBodyBytes == 10 << 20)
        #expect(config.cache.maxBytes == 64 << 20 && config.cache.maxEntryBytes == 16 << 20)
        config.fit(ContainerLimits().with(memory: 32 << 20))
        #expect(config.cache.maxBytes == 8 << 20 && config.cache.maxEntryBytes == 8 << 20)
        #expect(config.listen.maxHeldBytes == 8 << 20 && config.listen.maxBodyBytes == 4 << 20)
        let changed = [ContainerLimits().with(memory: 4 << 30), ContainerLimits()].map { config.fit($0) }
        #expect(changed == [false, false])
        #expect(config.cache.maxBytes == 8 << 20)
    }

    @Test("check shows what the container lowers, and warns where somebody chose more")
    func shown() throws {
        var loaded = try loadConfig()
        loaded.fit(ContainerLimits().with(memory: 256 << 20))
        let shown = loaded.effectiveTOML()
        #expect(
            shown.contains(
                "\nmax_bytes = \"64MiB\"  # default; lowered from \"256MiB\": cache and held bytes may take a"))
        #expect(loaded.warnings.isEmpty && loaded.config.cache.maxBytes == 64 << 20)
        var chosen = try loadConfig("[cache]\nmax_bytes = \"128MiB\"\n")
        chosen.fit(ContainerLimits().with(memory: 256 << 20))
        let warning = try #require(chosen.warnings.first?.description)
        #expect(warning.contains(":2: cache.max_bytes: \"128MiB\" is lowered to 64MiB"), "\(warning)")
        chosen = try loadConfig("[cache]\nmax_bytes = \"32MiB\"\n")
        chosen.fit(ContainerLimits().with(memory: 256 << 20))
        #expect(chosen.warnings.isEmpty && !chosen.effectiveTOML().contains("lowered"))
    }
}

extension ContainerLimits {
    fileprivate init() { self.init { _ in nil } }

    fileprivate func with(memory: Int? = nil, cpus: Double? = nil) -> ContainerLimits {
        var changed = self
        changed.memory = memory
        changed.cpus = cpus
        return changed
    }
}
