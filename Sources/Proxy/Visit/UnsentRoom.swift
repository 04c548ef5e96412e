// Room for what tools do not let us send (HTTP/2): a share of `listen.max_held_bytes` of its own, so that what waits here in
// front of it cannot use it up.

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
}
