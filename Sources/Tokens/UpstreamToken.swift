// The access token that goes upstream, with the two instants that decide about its use. Its value shows only through
// `headerValue`; printing the token shows its generation, dumping it its two instants as well.

/// An OAuth access token as obtained from the token endpoint. Immutable; safe to share between threads.
package struct UpstreamToken: Sendable, Equatable {
    /// Counts the tokens of one source, from 1. A higher generation is a newer token.
    package let generation: UInt64
    /// When the token's answer arrived, on the source's monotonic time.
    package let issuedAt: ContinuousClock.Instant
    /// When the token runs out, counted from the sending of its request (so rather too early than too late).
    package let expiresAt: ContinuousClock.Instant

    private let header: Hidden<String>

    init(generation: UInt64, value: String, issuedAt: ContinuousClock.Instant, expiresAt: ContinuousClock.Instant) {
        self.generation = generation
        self.issuedAt = issuedAt
        self.expiresAt = expiresAt
        self.header = Hidden("Bearer " + value)
    }

    /// The value of the `Authorization` field that carries this token (RFC 6750 section 2.1): `Bearer …`.
    package var headerValue: String { header.value }

    func carries(_ value: Hidden<String>) -> Bool { header.value == "Bearer " + value.value }
}

extension UpstreamToken: CustomStringConvertible, CustomDebugStringConvertible {
    /// The generation alone; never the value.
    package var description: String { "UpstreamToken(generation: \(generation))" }
    /// The generation alone; never the value.
    package var debugDescription: String { description }
}
