import Audit

/// What was done for a delete before its intent, which says it.
struct GuardedDelete: Sendable {
    /// The approval that it uses up; nil where none is needed.
    var approval: ApprovalHold?
    /// What is kept of what it destroys, or why that is not.
    var archive: [AuditArchived] = []
}
