// Room for what has been handed over and the tool does not let us send: where a wire has windows of its own (RFC 9113 section
// 5.2), it waits in this process and not in the kernel.

/// Counts such bytes of one answer against those of all others. Used on one event loop at a time.
package protocol AnswerRoom: AnyObject {
    /// Room for so many bytes more. False, and nothing has changed, where there is none.
    func take(_ bytes: Int) -> Bool
    /// Gives so many back.
    func giveBack(_ bytes: Int)
    /// Room for so many bytes more, for a moment, where there is none to keep. False, and nothing has changed, where there is
    /// not even that.
    func lend(_ bytes: Int) -> Bool
    /// Gives so many back that were lent.
    func repay(_ bytes: Int)
}
