// Caller keys: 256 random bits that only the tool keeps; the proxy keeps their SHA-256. The key is not a
// password, so a plain hash without salt is enough and can be compared on every request.

import Crypto
import Ground

/// Makes caller keys.
package enum KeyGenerator {
    /// A new key and what the configuration needs of it.
    package struct NewKey: Sendable {
        /// To be shown once and kept by the tool.
        package let key: Secret
        /// To be kept by the proxy.
        package let hash: KeyHash
        /// The `[[caller]]` table to paste.
        package let table: String
    }

    /// Every key begins so; secret scanners can find what leaks.
    package static let prefix = "cpk_"

    /// Makes a key for the caller `name` that may do `allow` (permissions separated by commas).
    /// - Throws: what is wrong with `name` or `allow`.
    package static func make(name: String, allow: String = "read") throws(ConfigMistakes) -> NewKey {
        var random = SystemRandomNumberGenerator()
        return try make(name: name, allow: allow, using: &random)
    }

    static func make(
        name: String, allow: String, using random: inout some RandomNumberGenerator
    ) throws(ConfigMistakes) -> NewKey {
        var draft = CallerDraft()
        var mistakes: [ConfigMistake] = []
        for (key, text, label) in [("name", name, "NAME"), ("allow", allow, "--allow")] {
            for row in ConfigKeys.caller where row.name == key {
                do throws(ValueProblems) {
                    try row.read(row.node(text), &draft)
                } catch {
                    for problem in error.all {
                        mistakes.append(
                            ConfigMistake(
                                place: .builtIn, key: label, problem: "\(TOMLNode.quoted(text)) \(problem.text)",
                                remedy: "write \(row.expects)"))
                    }
                }
            }
        }
        guard mistakes.isEmpty else { throw ConfigMistakes(mistakes) }
        var bytes: [UInt8] = []
        for _ in 0..<32 { bytes.append(random.next()) }
        let key = prefix + Base64.encodeURL(bytes)
        let hash = KeyHash(hashing: key)
        let permissions = Permission.allCases.filter(draft.allow.contains).map { "\"\($0.rawValue)\"" }
        let table = """
            [[caller]]
            name = \(TOMLNode.quoted(Interpolation.escape(name)))
            key_sha256 = "\(hash.hex)"
            allow = [\(permissions.joined(separator: ", "))]

            """
        return NewKey(key: Secret(key), hash: hash, table: table)
    }
}

extension KeyHash {
    /// The hash of a caller key as it stands in a request.
    package init(hashing key: String) {
        self.init(digest: SHA256.hash(data: Array(key.utf8)))
    }

    private init(digest: SHA256Digest) {
        bytes = Array(digest)
    }
}
