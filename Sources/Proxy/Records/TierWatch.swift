// Upstream's `Tier` header against `rate.windows` (developer.bentley.com/apis/overview/rate-limits): a subscription that
// allows less than the configuration sends calls that will be refused.

import RateLimiting
import Synchronization

/// Judges each tier once. Usable from every thread.
final class TierWatch: Sendable {
    struct News: Equatable {
        /// More is configured than the tier allows; else less.
        let isTooWide: Bool
        let text: String
    }

    private let windows: Mutex<[GateWindow]>
    /// The last one is what nearly every answer names.
    private let known = Mutex<(last: String, all: Set<String>)>(("", []))

    private static let mostTiers = 16

    init(windows: [GateWindow]) { self.windows = Mutex(windows) }

    /// Other windows hold from now on: every tier is judged anew.
    func change(windows: [GateWindow]) {
        let isNew = self.windows.withLock { former in
            defer { former = windows }
            return former != windows
        }
        if isNew { known.withLock { $0 = ("", []) } }
    }

    /// The windows as they are configured.
    var configured: String {
        let windows = windows.withLock { $0 }
        return windows.isEmpty ? "none" : windows.map(\.name).joined(separator: ", ")
    }

    /// What is to be said of a tier that an answer names, the first time.
    func seen(_ tier: String) -> News? {
        let isNew = known.withLock { known in
            if known.last == tier { return false }
            known.last = tier
            guard known.all.count < Self.mostTiers else { return false }
            return known.all.insert(tier).inserted
        }
        return isNew ? Self.judge(tier, windows.withLock { $0 }) : nil
    }

    static func judge(_ tier: String, _ windows: [GateWindow]) -> News? {
        guard let allowed = allowed(tier) else { return nil }
        let names = allowed.map(\.name).joined(separator: ", ")
        if allowed.contains(where: { limit in !windows.contains { $0.keeps(limit) } }) {
            return News(
                isTooWide: true,
                text: "rate.windows allow more than upstream's tier, which is \(names): calls will be refused")
        }
        // A little less is prudence; less than half is another tier's.
        let isNarrow = windows.contains { window in
            let doubled = GateWindow(limit: window.limit * 2, span: window.span)
            return allowed.allSatisfy { doubled.keeps($0) }
        }
        return isNarrow
            ? News(isTooWide: false, text: "rate.windows allow less than upstream's tier, which is \(names)") : nil
    }

    /// The windows of a tier; nil for a blank name.
    private static func allowed(_ tier: String) -> [GateWindow]? {
        let name = tier.lowercased()
        guard name.contains(where: { !$0.isWhitespace }) else { return nil }
        let minute = Duration.seconds(60)
        guard name.contains("community") || name.contains("trial") else {
            return [GateWindow(limit: 5_000, span: minute)]
        }
        return [GateWindow(limit: 500, span: minute), GateWindow(limit: 5_000, span: .seconds(3_600))]
    }
}

extension GateWindow {
    /// Whether whoever keeps to this window keeps to `other` as well.
    fileprivate func keeps(_ other: GateWindow) -> Bool {
        let times = (other.span / span).rounded(.up)
        return Double(limit) * max(times, 1) <= Double(other.limit)
    }
}
