// The operators' key: who may ask the admin listener for more than what is public.

import Configuration
import Edge
import Ground
import HTTPTypes

/// Admits who brings the key. Immutable; usable from every event loop.
struct AdminKey: Sendable {
    /// What a request says of the key.
    enum Verdict {
        case admitted
        case missing
        case wrong
    }

    /// Nil: nobody needs one.
    private let hash: KeyHash?
    private let publicPaths: Set<String>

    init(_ config: Config.Admin) {
        hash = config.keySHA256
        publicPaths = Set(config.public)
    }

    /// The key comes as `Authorization: Bearer KEY`, as the password of Basic, which is what browsers ask people for, or as
    /// `X-Api-Key: KEY`. Only SHA-256 hashes are compared: how long that takes says nothing about the key.
    func judge(_ head: RequestHead) -> Verdict {
        guard let hash, !publicPaths.contains(head.path) else { return .admitted }
        let keys =
            head.fields[values: .apiKey].map { $0[...].trimmedSpaces }
            + head.fields[values: .authorization].compactMap(Self.key)
        if keys.contains(where: { KeyHash(hashing: $0) == hash }) { return .admitted }
        return keys.allSatisfy(\.isEmpty) ? .missing : .wrong
    }

    private static func key(_ authorization: String) -> String? {
        let parts = authorization.utf8.split(maxSplits: 1) { $0 == 0x20 || $0 == 0x09 }.map { Substring($0) }
        guard parts.count == 2 else { return nil }
        let rest = parts[1].trimmedSpaces
        switch parts[0].lowercased() {
        case "bearer": return rest
        case "basic": return password(rest)
        default: return nil
        }
    }

    /// What stands behind the first colon (RFC 7617 section 2).
    private static func password(_ text: String) -> String? {
        guard let bytes = Base64.decode(text.utf8), let colon = bytes.firstIndex(of: UInt8(ascii: ":")) else {
            return nil
        }
        return String(validating: bytes[(colon + 1)...], as: UTF8.self)
    }

    /// What is said to who brings none: programs read of Bearer, browsers of Basic.
    static let challenges = ["Bearer", "Basic realm=\"clash-proxy admin\", charset=\"UTF-8\""]
}
