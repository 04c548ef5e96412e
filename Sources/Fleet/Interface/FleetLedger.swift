// The one place where a fleet's members meet.

/// What several sidecars share. Memory, a file or Redis stand behind it; which one makes no difference to what is promised.
///
/// Safe to use from any thread. Nothing here may block the caller's thread. Every function throws `.cut` when the engine does not
/// answer in the time that its engine takes for long, and then nothing is known of whether it was done: a grant that was not heard
/// of is spent all the same. Nothing is repeated by an engine by itself.
package protocol FleetLedger: Sendable {
    /// For people: `memory`, `file:/path`, `redis://host:6379` (never with credentials).
    var engine: String { get }

    /// Whether stored pages may be shown.
    var pages: any FleetPages { get }

    /// Whether members that cannot ask the engine may go by their shares now, where no part of the windows is reserved for that:
    /// then nobody is granted anything meanwhile. Asked before each event of a member, so it neither blocks nor costs.
    var membersGoAlone: Bool { get }

    /// Takes part from now on, or again under the same id.
    ///
    /// - Throws: `.policyDiffers` and `.full` while others live; `.foreign`, `.unsafe`, `.cut`.
    func join(_ hello: FleetHello) async throws(FleetError) -> FleetJoined

    /// Asks for calls. Whatever is granted counts from now in every window that holds for it.
    ///
    /// - Parameters:
    ///   - asks: at most 64; may be empty, which is a beat: the member lives, and hears how it stands.
    ///   - seen: the highest sequence number and epoch that it has seen. A greater number than the engine's means that the engine
    ///     has forgotten; then nothing is granted and `view.learning` is set.
    /// - Throws: `.unknownMember`, `.cut`, `.foreign`.
    func acquire(
        _ asks: [FleetAsk], by member: FleetMemberID, seen: Int
    ) async throws(FleetError) -> FleetGrant

    /// Counts what the member says that it sent, where the ledger knows of less. May be repeated.
    func report(_ report: FleetReport, by member: FleetMemberID, seen: Int) async throws(FleetError) -> FleetView

    /// Closes something for everybody. Only ever extends.
    func pause(_ pause: FleetPause, by member: FleetMemberID) async throws(FleetError)

    /// Pages with these tags are no longer true, or (`everything`) none is. To be said before a write is sent and again when its
    /// outcome is known. Returns an id for `applied` and `awaitApplied`.
    func invalidate(_ tags: [UInt64], everything: Bool, by member: FleetMemberID) async throws(FleetError) -> String

    /// The member has applied all news up to this id.
    func applied(_ id: String, by member: FleetMemberID) async throws(FleetError)

    /// Returns when no member can show a page any more that this invalidation names: all living ones have applied it, or `maxLag`
    /// has passed since it was said. Never throws: when the engine cannot say, it sits the time out.
    func awaitApplied(_ id: String, maxLag: Duration) async

    /// News from others from now on, for one listener. Ends with `leave`; when the engine is cut it goes silent, and begins with
    /// `.gap` where something may have been missed.
    func news(for member: FleetMemberID) -> AsyncStream<FleetNews>

    /// Counts one intent to delete against a caller's budget. Nil: counted. Else milliseconds until there is room, and nothing was
    /// counted.
    ///
    /// - Parameters:
    ///   - limit, span: the budget: so many in any span of so many milliseconds.
    ///   - log: a hash of the fixed name of the member's own audit log, which outlives it.
    ///   - spent: what that log holds of this caller within `span`, counted where the ledger knows of less.
    func spendDelete(
        of caller: UInt64, limit: Int, span: Int, log: UInt64, spent: [FleetCount], by member: FleetMemberID
    ) async throws(FleetError) -> Int?

    /// Takes back the last that was counted of this caller by this log: the delete was never sent.
    func returnDelete(of caller: UInt64, log: UInt64, by member: FleetMemberID) async throws(FleetError)

    /// Publishes the head of this member's audit log, and returns the latest of every log.
    func witness(_ head: FleetHead, by member: FleetMemberID) async throws(FleetError) -> [FleetHead]

    /// The shared sign-in, with a lease on it if nobody else has one.
    func takeSignIn(lease: Int, by member: FleetMemberID) async throws(FleetError) -> FleetSignIn

    /// Puts the next generation there and ends the lease. `.fenced`: the lease was lost or `after` is not the generation there.
    func putSignIn(_ sealed: [UInt8], after generation: Int, by member: FleetMemberID) async throws(FleetError)

    /// Ends the lease without a change.
    func releaseSignIn(by member: FleetMemberID) async throws(FleetError)

    /// Asks for an Idempotency-Key, by the hash of all that it is bound to. `note` is kept while it is open.
    ///
    /// - Parameter keep: milliseconds for which it is remembered, from now.
    func claim(
        _ key: [UInt8], note: [UInt8], keep: Int, by member: FleetMemberID
    ) async throws(FleetError) -> FleetClaim

    /// What a claimed key's call came to; empty: nothing was sent, and the key is free again. At most 128 KiB.
    func settle(
        _ key: [UInt8], _ value: [UInt8], keep: Int, by member: FleetMemberID
    ) async throws(FleetError)

    /// All members that live, this one among them, and how it stands.
    func members(asking member: FleetMemberID) async throws(FleetError) -> [FleetMember]

    /// Takes no part any more. Its counts stay. Never throws: who cannot be told finds out.
    func leave(_ member: FleetMemberID) async
}
