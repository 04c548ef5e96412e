// Who asks. A caller is an authenticated tool; without `[[caller]]` tables everybody is "anonymous".

import Crypto
import HTTPTypes

/// An authenticated tool and its rights.
struct Caller: Sendable, Equatable {
    let name: String
    let allow: Set<Permission>
    /// Its class among those who wait for a turn.
    var priority = CallerPriority.interactive
    /// Its share of the turns, to that of others.
    var weight = 1

    /// The same rights under another name.
    func named(_ name: String) -> Caller {
        Caller(name: name, allow: allow, priority: priority, weight: weight)
    }

    static let anonymous = Caller(name: "anonymous", allow: Set(Permission.allCases))
}

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
                    name: caller.name, allow: caller.allow, priority: caller.priority, weight: caller.weight)
            }
        }
        self.callers = callers
    }

    /// The caller whose key came as `X-Api-Key: KEY` or `Authorization: Bearer KEY`. The first wins where both are
    /// there, so that a tool can keep sending a token of its own, which is dropped. Throws 401.
    ///
    /// Only SHA-256 hashes are looked up and compared: how long that takes says nothing about the key.
    func authenticate(_ fields: HTTPFields) throws(Failure) -> Caller {
        if isOpen { return .anonymous }
        guard let key = Self.presentedKey(fields) else {
            throw Failure(
                .callerKeyMissing,
                "This proxy needs a caller key: send it as 'Authorization: Bearer KEY' or 'X-Api-Key: KEY'.",
                target: "Authorization")
        }
        guard let hash = KeyHash(Self.hash(key)), let caller = callers[hash] else {
            throw Failure(
                .callerKeyUnknown, "The caller key is not known to this proxy. Ask its operator for one.",
                target: "Authorization")
        }
        return caller
    }

    private static func hash(_ key: String) -> SHA256.Digest {
        var (key, hash) = (key, SHA256())
        key.withUTF8 { hash.update(bufferPointer: UnsafeRawBufferPointer($0)) }
        return hash.finalize()
    }

    private static func presentedKey(_ fields: HTTPFields) -> String? {
        var authorization: String?
        for field in fields {
            if field.name == .apiKey, !field.value.isEmpty { return field.value }
            if field.name == .authorization, authorization == nil { authorization = field.value }
        }
        guard let authorization else { return nil }
        let parts = authorization.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
        let key = parts[1].trimmedSpaces
        return key.isEmpty ? nil : key
    }
}
