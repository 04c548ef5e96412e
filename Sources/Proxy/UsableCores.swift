// How many cores this process may use: the machine's or its container's, and no more than its affinity lets it.

import NIOCore

enum UsableCores {
    /// At least 1.
    static func count() -> Int {
        let allowed = (try? TextFile.read("/proc/self/status")).flatMap(allowedCores) ?? System.coreCount
        return max(1, min(System.coreCount, allowed))
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
