// What stands before a delete beside rights, scope and protection: `deletes.approval` and `deletes.archive`.

/// The guards of one configuration. Usable from every thread.
struct DeleteGuards: Sendable {
    /// Nil where no delete needs an approval.
    var approvals: Approvals?
    /// Whether deletes need an approval, though no log could be opened that would hold it: none is sent.
    var lacksLog = false
    /// Nil where nothing is kept.
    var archiver: Archiver?

    var wantsApproval: Bool { lacksLog || approvals != nil }
    /// Whether there is one at all.
    var areUp: Bool { wantsApproval || archiver != nil }
}
