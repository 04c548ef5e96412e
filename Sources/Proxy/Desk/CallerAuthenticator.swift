// Who asks: finds the caller of a request. Without `[[caller]]` tables everybody is "anonymous".

import Configuration
import Crypto
import HTTPTypes

/// Finds the caller of a request by the key it brings. Immutable; usable from every event loop.
struct CallerAuthenticator: Sendable {
    private let callers: [KeyHash: Caller]
    /// Without `[[caller]]` tables nobody needs a key.
    let isOpen: Bool

    init(_ configured: [Config.Caller]) {
        isOpen = configured.isEmpty
        var callers: [KeyHash: Caller] = [:]
        for caller in configured {
            if case .key(let hash) = caller.credential {
                callers[hash] = Caller(
                    name: caller.name, allow: caller.allow, via: .key, priority: caller.priority,
                    weight: caller.weight, maxInFlight: caller.maxInFlight,
                    bounds: CallerBounds(
                        itwins: caller.itwins, operations: caller.operations, windows: caller.windows))
            }
        }
        self.callers = callers
    }

    /// Who asks, by the key that came as `X-Api-Key: KEY` or `Authorization: Bearer KEY`. The first wins where both are
    /// there, so that a tool can keep sending a token of its own. Throws 401.
    ///
    /// Only SHA-256 hashes are looked up and compared: how long that takes says nothing about the key.
    func authenticate(_ fields: HTTPFields) throws(Failure) -> Authenticated {
        let given = fields[fields: .authorization]
        if isOpen { return Authenticated(caller: .anonymous, token: given.count == 1 ? given.first : nil) }
        var keys = fields[values: .apiKey].map { $0[...].trimmedSpaces }.filter { !$0.isEmpty }
        let isInOwnField = !keys.isEmpty
        if !isInOwnField { keys = given.first.flatMap { Self.bearer($0.value) }.map { [$0] } ?? [] }
        guard let key = keys.first else {
            throw Failure(
                .callerKeyMissing,
                "This proxy needs a caller key: send it as 'Authorization: Bearer KEY' or 'X-Api-Key: KEY'.",
                target: "Authorization")
        }
        guard keys.allSatisfy({ $0 == key }), let caller = owner(of: key) else {
            throw Failure(
                .callerKeyUnknown, "The caller key is not known to this proxy. Ask its operator for one.",
                target: "Authorization")
        }
        // A field that was looked at as a key is none of upstream's business, nor is one that holds a key all the same.
        let holdsKey = !isInOwnField || given.contains { Self.words($0.value).contains { owner(of: $0) != nil } }
        return Authenticated(
            caller: caller, token: given.count == 1 && !holdsKey ? given.first : nil,
            keyStandsInForToken: !given.isEmpty && holdsKey)
    }

    private func owner(of key: String) -> Caller? { KeyHash(Self.hash(key)).flatMap { callers[$0] } }

    private static func hash(_ key: String) -> SHA256.Digest {
        var (key, hash) = (key, SHA256())
        key.withUTF8 { hash.update(bufferPointer: UnsafeRawBufferPointer($0)) }
        return hash.finalize()
    }

    /// The rest of `Bearer KEY`.
    private static func bearer(_ value: String) -> String? {
        let parts = value.utf8.split(maxSplits: 1) { $0 == 0x20 || $0 == 0x09 }.map { Substring($0) }
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
        let key = parts[1].trimmedSpaces
        return key.isEmpty ? nil : key
    }

    /// Whatever in an `Authorization` field could be a key, however it is written.
    private static func words(_ value: String) -> [String] {
        value.utf8.split { [0x20, 0x09, 0x22, 0x2C, 0x3A, 0x3B, 0x3D].contains($0) }.map { String(Substring($0)) }
    }
}

/// What a request's credentials say.
struct Authenticated: Sendable {
    let caller: Caller
    /// What is left of the tool's own for upstream: `Authorization`, where that was not the key.
    let token: HTTPField?
    /// `Authorization` held a key of this proxy.
    var keyStandsInForToken = false
}
