// What the process asks of the kernel before it serves.

import ArgumentParser
import Configuration
import Glibc
import Ground
import Logging
import Proxy

enum ProcessLimits {
    /// As many open files as the hard limit allows: the usual soft limit of 1024 is far below listen.max_connections.
    /// No core files: memory holds tokens and the client secret.
    /// Returns how many files may be open.
    static func apply() -> Int {
        ProcessSettings.forbidCoreFiles()
        return ProcessSettings.raiseOpenFiles()
    }

    /// Fits the configuration to the process and its container, and logs what that came to.
    static func fit(_ config: inout Config, files: Int, logger: Logger) throws {
        try fitConnections(&config, files: files, logger: logger)
        let limits = ContainerLimits.current()
        let wanted = config
        if config.fit(limits) {
            logger.warning(
                "cache.max_bytes or listen.max_held_bytes is lowered: each may take a quarter of the container's memory limit",
                metadata: [
                    "max_bytes": "\(config.cache.maxBytes)", "configured": "\(wanted.cache.maxBytes)",
                    "max_held_bytes": "\(config.listen.maxHeldBytes)",
                    "configured_held": "\(wanted.listen.maxHeldBytes)",
                ])
        }
        logger.notice(
            "limits",
            metadata: [
                "memory": "\(limits.memory.map { String($0) } ?? "none")",
                "cache_max_bytes": "\(config.cache.maxBytes)", "max_held_bytes": "\(config.listen.maxHeldBytes)",
                "cpus": "\(limits.cpus.map { String($0) } ?? "no quota")",
                "event_loops": "\(UsableCores.count(limits))", "open_files": "\(files)",
            ])
    }

    /// Lowers `listen.max_connections` to what the limit on open files can carry, so that the proxy never runs out of
    /// them: connections upstream, operators, logs and one connection too many must always have theirs.
    private static func fitConnections(_ config: inout Config, files: Int, logger: Logger) throws {
        let reserve = 64 + config.upstream.maxConnections
        guard files > reserve else {
            complain(
                "clash-proxy cannot start: \(files) open files are too few; it needs at least \(reserve + 1) (ulimit -n)"
            )
            throw ExitCode.failure
        }
        let available = files - reserve
        if config.admin.address != nil {
            // Operators get what is left, but at least a quarter where it is little.
            let share = max(1, available / 4, available - config.listen.maxConnections)
            if share < config.admin.maxConnections {
                config.admin.maxConnections = share
                logger.warning(
                    "connections to the admin address are limited: the limit on open files (ulimit -n) carries no more",
                    metadata: ["open_files": "\(files)", "max_connections": "\(share)"])
            }
        }
        let share = available - (config.admin.address == nil ? 0 : config.admin.maxConnections)
        guard share < config.listen.maxConnections else { return }
        config.listen.maxConnections = max(1, share)
        logger.warning(
            "listen.max_connections is lowered: the limit on open files (ulimit -n) carries no more",
            metadata: ["open_files": "\(files)", "max_connections": "\(config.listen.maxConnections)"])
    }
}
