// Room for what tools do not let us send (HTTP/2): a share beside `listen.max_held_bytes` that is kept for it, so that what waits
// here cannot use that up; and for a moment, while a tool catches up, room of `listen.max_held_bytes` itself.

import Edge

/// The room of one answer. Confined to its connection's event loop.
final class UnsentRoom: AnswerRoom {
    /// Of `listen.max_held_bytes`, for all streams together; half of it for one caller.
    static let share = 4

    private let bytes: HeldBytes
    private let caller: String

    init(in bytes: HeldBytes, for caller: String) { (self.bytes, self.caller) = (bytes, caller) }

    func take(_ count: Int) -> Bool { bytes.takeUnsent(count, for: caller) }

    func giveBack(_ count: Int) { bytes.giveBackUnsent(count, for: caller) }

    func lend(_ count: Int) -> Bool { bytes.take(count, of: .answer, for: caller) }

    func repay(_ count: Int) { bytes.giveBack(count, of: .answer, for: caller) }
}
