// What all members of a fleet must agree on.

/// A window as the ledger counts it.
package struct FleetWindow: Sendable, Hashable {
    /// Calls; at least 1.
    package let limit: Int
    /// Milliseconds; at least 1.
    package let span: Int
    /// Whether only starts of runs count in it.
    package let isForRuns: Bool

    /// A window; values out of range are put at the nearest end.
    package init(limit: Int, span: Int, isForRuns: Bool = false) {
        self.limit = max(limit, 1)
        self.span = max(span, 1)
        self.isForRuns = isForRuns
    }

    /// Milliseconds: counts that lie in the same slot are forgotten together.
    package var slot: Int { max(span / 200, 1) }

    /// Milliseconds within which a grant must be used, from when it was asked for. The window counts every call so much longer.
    package var useWithin: Int { min(max(span / 50, 8), 500) }

    /// How long a call is counted from the end of its slot: nothing that was granted can still be on its way after that.
    package var counted: Int { span + useWithin }

    /// Microseconds from call to call at an even pace, rounded up.
    package var interval: Int { (span * 1000 + limit - 1) / limit }

    /// Calls that may go at once.
    package var burst: Int { max(limit / 10, 1) }

    /// What a member that is silent after the engine has forgotten may have got meanwhile: a burst, and ten seconds of pace.
    package var phantom: Int { min(limit, limit / 10 + (10_000 * limit + span - 1) / span) }

    /// As in proxy.conf, in the largest unit that is whole.
    package var text: String {
        for (unit, length) in [("h", 3_600_000), ("m", 60_000), ("s", 1000)] where span % length == 0 {
            return "\(limit)/\(span / length)\(unit)"
        }
        return "\(limit)/\(span)ms"
    }
}

/// The limits that members share. Kept by the living members; a member alone may bring another.
package struct FleetPolicy: Sendable, Hashable {
    /// Windows of all calls first, then those of runs; at most 16.
    package let windows: [FleetWindow]
    /// How many members may live at once; at least 1.
    package let maxMembers: Int
    /// Thousandths of every window but those of runs that are kept for members cut off; 0...999.
    package let reserve: Int

    /// A policy; values out of range are put at the nearest end.
    package init(windows: [FleetWindow], maxMembers: Int, reserve: Int) {
        self.windows = Array((windows.filter { !$0.isForRuns } + windows.filter(\.isForRuns)).prefix(16))
        self.maxMembers = max(maxMembers, 1)
        self.reserve = min(max(reserve, 0), 999)
    }

    /// What the members that reach the engine may use of a window together.
    package func online(_ window: FleetWindow) -> Int {
        guard !window.isForRuns else { return window.limit }
        return window.limit - window.limit * reserve / 1000
    }

    /// What each member that is cut off may use of a window in any span of its length, where there is a reserve.
    package func offline(_ window: FleetWindow) -> Int {
        window.isForRuns ? 0 : window.limit * reserve / 1000 / maxMembers
    }

    /// The longest time that a call is counted, in milliseconds.
    package var longest: Int { windows.map(\.counted).max() ?? 1000 }

    /// Milliseconds within which a grant must be used.
    package func useWithin(isRun: Bool) -> Int {
        windows.filter { isRun || !$0.isForRuns }.map(\.useWithin).min() ?? 500
    }

    /// The keys of proxy.conf that make a policy, with their values: two policies are the same when these are. For engines that
    /// keep it as text, and for telling which key differs.
    package var keys: [(key: String, value: String)] {
        func list(_ windows: [FleetWindow]) -> String {
            "[" + windows.map { "\"\($0.text)\"" }.joined(separator: ", ") + "]"
        }
        return [
            ("rate.windows", list(windows.filter { !$0.isForRuns })),
            ("rate.run_windows", list(windows.filter(\.isForRuns))),
            ("fleet.max_members", "\(maxMembers)"),
            ("fleet.offline_reserve", "\"\(Self.percent(reserve))\""),
        ]
    }

    /// One line for `keys`.
    package var text: String { keys.map { "\($0.key)=\($0.value)" }.joined(separator: ";") }

    /// What differs between this policy and the text of another; nil if nothing does.
    package func difference(from text: String) -> FleetError? {
        let theirs = text.split(separator: ";", omittingEmptySubsequences: false)
        for (index, mine) in keys.enumerated() {
            let other = index < theirs.count ? theirs[index] : ""
            if other != "\(mine.key)=\(mine.value)" {
                return .policyDiffers(
                    key: mine.key, theirs: String(other.split(separator: "=", maxSplits: 1).last ?? "?"))
            }
        }
        return nil
    }

    private static func percent(_ thousandths: Int) -> String {
        thousandths % 10 == 0 ? "\(thousandths / 10)%" : "\(thousandths / 10).\(thousandths % 10)%"
    }
}
