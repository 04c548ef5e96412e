// How many cores this process may use: the machine's, no more than its affinity lets it, and no more than the CPU quota of
// its container can keep busy.

import Configuration
import NIOCore

/// Cores for event loops.
package enum UsableCores {
    /// At least 1.
    package static func count(_ limits: ContainerLimits = .current()) -> Int {
        let allowed = (try? TextFile.read("/proc/self/status")).flatMap(allowedCores) ?? System.coreCount
        return count(machine: System.coreCount, allowed: allowed, limits)
    }

    static func count(machine: Int, allowed: Int, _ limits: ContainerLimits) -> Int {
        max(1, min(machine, allowed, limits.threads ?? .max))
    }

    /// Counts the bits of `Cpus_allowed: 00000000,00000003`.
    static func allowedCores(_ status: String) -> Int? {
        for line in status.split(separator: "\n") where line.hasPrefix("Cpus_allowed:") {
            let mask = line.dropFirst("Cpus_allowed:".count).filter { $0.isHexDigit }
            let bits = mask.reduce(0) { $0 + ($1.hexDigitValue ?? 0).nonzeroBitCount }
            return bits > 0 ? bits : nil
        }
        return nil
    }
}
