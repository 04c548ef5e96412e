// What a gate knows that must outlive the process: upstream's pauses, by the wall clock, since that is the only one that
// outlives it too. A text of lines; the last one is a checksum, and a text that is not whole counts as none.

import Ground

/// The pauses of a gate as they are kept over a restart.
package struct GateMemory: Sendable, Equatable {
    /// One pause.
    package struct Pause: Sendable, Equatable {
        /// What is closed.
        package let scope: CoolDownScope
        /// What upstream named as the cause.
        package let cause: LimitCause
        /// When it ends: milliseconds since 1970-01-01 UTC.
        package let endsAt: Int64

        /// A pause.
        package init(scope: CoolDownScope, cause: LimitCause, endsAt: Int64) {
            self.scope = scope
            self.cause = cause
            self.endsAt = endsAt
        }
    }

    private static let heading = "clash-proxy gate 1"
    /// A pause that lasts longer comes from a clock that was set back. A minute for jitter.
    private static let longest: Int64 = 86_460_000

    /// All pauses.
    package let pauses: [Pause]

    /// A memory of pauses.
    package init(pauses: [Pause]) { self.pauses = pauses }

    /// The text of a state file.
    package var text: String {
        var text = Self.heading + "\n"
        for pause in pauses {
            text += "pause \(pause.endsAt) \(pause.cause.rawValue) "
            switch pause.scope {
            case .everything: text += "everything\n"
            case .api(let api): text += "api \(api.rawValue)\n"
            case .operation(let operation): text += "operation \(operation)\n"
            }
        }
        return text + "sum " + String(Self.checksum(text), radix: 16) + "\n"
    }

    /// Reads the text of a state file; nil unless it is whole. Pauses that have ended at `wallMilliseconds`, or could
    /// not have been told, are left out.
    package init?(text: String, wallMilliseconds: Int64) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count >= 3, lines.last == "", lines[0] == Self.heading, lines[lines.count - 2].hasPrefix("sum "),
            let sum = UInt64(lines[lines.count - 2].dropFirst(4), radix: 16)
        else { return nil }
        let body = lines.dropLast(2)
        guard Self.checksum(body.joined(separator: "\n") + "\n") == sum else { return nil }
        var pauses: [Pause] = []
        for line in body.dropFirst() {
            guard let pause = Self.pause(line) else { return nil }
            let remaining = pause.endsAt.subtractingReportingOverflow(wallMilliseconds)
            guard !remaining.overflow, remaining.partialValue > 0, remaining.partialValue <= Self.longest else {
                continue
            }
            pauses.append(pause)
        }
        self.pauses = pauses
    }

    private static func pause(_ line: Substring) -> Pause? {
        let words = line.split(separator: " ", maxSplits: 4, omittingEmptySubsequences: false)
        guard words.count >= 4, words[0] == "pause", let endsAt = Int64(words[1]),
            let cause = LimitCause(rawValue: String(words[2]))
        else { return nil }
        let scope: CoolDownScope
        switch (words[3], words.count) {
        case ("everything", 4): scope = .everything
        case ("api", 5):
            guard let api = GateRequest.API(rawValue: String(words[4])) else { return nil }
            scope = .api(api)
        case ("operation", 5): scope = .operation(String(words[4]))
        default: return nil
        }
        return Pause(scope: scope, cause: cause, endsAt: endsAt)
    }

    /// FNV-1a: against torn and edited files, not against forgers.
    private static func checksum(_ text: String) -> UInt64 {
        text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 }
    }
}

/// Where a gate keeps its memory. The functions may be called from any thread.
package struct GateStateFile: Sendable {
    /// The last text that was written; nil if there is none. Called once, when the gate is made.
    package let read: @Sendable () -> String?
    /// Replaces the text. Called from the thread that learnt of a pause, one call after the other: should not block.
    package let write: @Sendable (String) -> Void
    /// Wall-clock time: milliseconds since 1970-01-01 UTC.
    package let wallMilliseconds: @Sendable () -> Int64

    /// A state file by its functions.
    package init(
        read: @escaping @Sendable () -> String?, write: @escaping @Sendable (String) -> Void,
        wallMilliseconds: @escaping @Sendable () -> Int64
    ) {
        self.read = read
        self.write = write
        self.wallMilliseconds = wallMilliseconds
    }
}

extension GateState {
    /// What is worth keeping over a restart.
    func memory(now: Nanoseconds, wallMilliseconds: Int64) -> GateMemory {
        GateMemory(
            pauses: books.books[ClientBooks.own].coolDowns.entries.filter { $0.end > now }.map {
                // Rounded up: never early.
                .init(scope: $0.scope, cause: $0.cause, endsAt: wallMilliseconds + ($0.end - now) / 1_000_000 + 1)
            })
    }

    /// Goes on with the pauses that a former process was told.
    mutating func restore(_ memory: GateMemory, now: Nanoseconds, wallMilliseconds: Int64) {
        for pause in memory.pauses {
            books.restore(
                pause.scope, cause: pause.cause, now: now,
                end: now + (pause.endsAt - wallMilliseconds) * 1_000_000)
        }
    }
}
