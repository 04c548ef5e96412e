// The sign-in that members share, as they see it: the engine holds it sealed, and never in the clear.

/// One member's hands on the shared refresh token. Safe to use from any thread.
package struct SealedSignIn: Sendable {
    /// What there is, and for how long this member alone may use it.
    package struct Holding: Sendable, Equatable {
        /// Grows with each rotation; 0: nobody has put anything there yet.
        package var generation: Int
        /// The refresh token; nil at generation 0.
        package var token: [UInt8]?
        /// Milliseconds; nil: another member holds it, for `busy` more.
        package var lease: Int?
        package var busy: Int
    }

    private let ledger: any FleetLedger
    private let member: FleetMemberID
    private let seal: FleetSeal
    private let fleet: String

    /// - Parameter fleet: which sign-in it is; a token that was sealed for another one is not opened.
    package init(_ ledger: any FleetLedger, member: FleetMemberID, seal: FleetSeal, fleet: String) {
        (self.ledger, self.member, self.seal, self.fleet) = (ledger, member, seal, fleet)
    }

    /// Asks for it.
    ///
    /// - Throws: `.foreign` where what is there cannot be opened: another key, or not a member's; else as the ledger does.
    package func take(lease: Int) async throws(FleetError) -> Holding {
        let kept = try await ledger.takeSignIn(lease: lease, by: member)
        do throws(FleetSeal.Failure) {
            let token = kept.generation == 0 ? nil : try seal.open(kept.sealed, for: place(kept.generation))
            return Holding(generation: kept.generation, token: token, lease: kept.lease, busy: kept.busy)
        } catch {
            // Nobody who cannot read it keeps others from it.
            if kept.lease != nil { try await ledger.releaseSignIn(by: member) }
            throw .foreign("the shared sign-in in \(ledger.engine) cannot be opened: \(error.text)")
        }
    }

    /// Puts the token of the next generation there, and lets go. `.fenced`: the lease was lost.
    package func put(_ token: [UInt8], after generation: Int) async throws(FleetError) {
        let sealed: [UInt8]
        do throws(FleetSeal.Failure) {
            sealed = try seal.seal(token, for: place(generation + 1))
        } catch {
            throw .foreign("the sign-in cannot be sealed: \(error.text)")
        }
        try await ledger.putSignIn(sealed, after: generation, by: member)
    }

    /// Lets go without a change.
    package func release() async throws(FleetError) { try await ledger.releaseSignIn(by: member) }

    private func place(_ generation: Int) -> String { "sign-in \(fleet) \(generation)" }
}
