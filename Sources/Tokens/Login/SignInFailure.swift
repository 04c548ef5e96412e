// Why a sign-in did not come about. As everywhere here the text is made of fixed sentences and standard codes, because
// what comes back through a browser may be anybody's.

/// Why somebody could not be signed in.
package struct SignInFailure: Error, Sendable, Equatable {
    /// Stable names.
    package enum Reason: String, Sendable, CaseIterable {
        /// Another address than the one that was agreed on: a favicon, a wrong paste.
        case notOurs = "not_ours"
        /// It has no code and no error, or something twice.
        case malformed
        /// It belongs to another sign-in, or somebody has made it up.
        case wrongState = "wrong_state"
        /// The person said no.
        case declined
        /// The issuer said no (RFC 6749 section 4.1.2.1).
        case refused
        /// It is not known where to sign in.
        case noEndpoints = "no_endpoints"
        /// The token endpoint gave no token for the code.
        case noToken = "no_token"
        /// It gave one that cannot be renewed.
        case noRefreshToken = "no_refresh_token"
        /// The state file cannot be used.
        case notSaved = "not_saved"
    }

    /// What went wrong.
    package let reason: Reason
    /// One sentence for a person, without a secret and without a full stop.
    package let message: String

    /// Whether the right redirect may still come, so that it is worth waiting on.
    package var mayStillCome: Bool {
        switch reason {
        case .notOurs, .malformed, .wrongState: true
        case .declined, .refused, .noEndpoints, .noToken, .noRefreshToken, .notSaved: false
        }
    }
}
