// Proof Key for Code Exchange (RFC 7636), method S256 only: the real issuer takes no other.

import Crypto

/// The check of a code verifier.
enum PKCE {
    /// Whether `verifier` hashes to `challenge`.
    static func verify(_ verifier: String, against challenge: String) -> Bool {
        guard (43...128).contains(verifier.utf8.count) else { return false }
        var hash = SHA256()
        Array(verifier.utf8).withUnsafeBytes { hash.update(bufferPointer: $0) }
        return Base64.encode(hash.finalize(), alphabet: .url) == challenge
    }
}
