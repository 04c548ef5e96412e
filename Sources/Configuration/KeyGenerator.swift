// Caller keys: 256 random bits that only the tool keeps; the proxy keeps their SHA-256. The key is not a
// password, so a plain hash without salt is enough and can be compared on every request.

import ClashAPI
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
    package static let prefix = KeyForm.prefix

    /// Makes a key for the caller `name` that may do `allow` to `itwins` by `operations`, each a list with commas; the
    /// last two nil: all.
    /// - Throws: what is wrong with one of them.
    package static func make(
        name: String, allow: String = "read", itwins: String? = nil, operations: String? = nil
    ) throws(ConfigMistakes) -> NewKey {
        var random = SystemRandomNumberGenerator()
        return try make(name: name, allow: allow, itwins: itwins, operations: operations, using: &random)
    }

    static func make(
        name: String, allow: String, itwins: String? = nil, operations: String? = nil,
        using random: inout some RandomNumberGenerator
    ) throws(ConfigMistakes) -> NewKey {
        let draft = try draft([
            ("name", name, "NAME"), ("allow", allow, "--allow"), ("itwins", itwins, "--itwins"),
            ("operations", operations, "--operations"),
        ])
        var bytes: [UInt8] = []
        for _ in 0..<32 { bytes.append(random.next()) }
        let key = prefix + Base64.encodeURL(bytes)
        let hash = KeyHash(hashing: key)
        let permissions = Permission.allCases.filter(draft.allow.contains).map { "\"\($0.rawValue)\"" }
        var table = """
            [[caller]]
            name = \(TOMLNode.quoted(Interpolation.escape(name)))
            key_sha256 = "\(hash.hex)"
            allow = [\(permissions.joined(separator: ", "))]

            """
        for (key, values) in [("itwins", draft.itwins.map(\.text)), ("operations", draft.operations)]
        where !values.isEmpty {
            table += "\(key) = [\(values.map { "\"\($0)\"" }.joined(separator: ", "))]\n"
        }
        return NewKey(key: Secret(key), hash: hash, table: table)
    }

    /// A caller with these values, each with the name of its argument.
    private static func draft(
        _ values: [(key: String, text: String?, label: String)]
    ) throws(ConfigMistakes) -> CallerDraft {
        var draft = CallerDraft()
        var mistakes: [ConfigMistake] = []
        for case (let key, let text?, let label) in values {
            for row in ConfigKeys.caller where row.name == key {
                do throws(ValueProblems) {
                    let node = row.node(text)
                    // In a file no ids and no key are the same; whoever gives the argument wants a scope.
                    if node == .array([]) { throw ValueProblems(all: [ValueProblem("is empty")]) }
                    try row.read(node, &draft)
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
        if mistakes.isEmpty {
            for pattern in draft.operations where !OperationPattern.canMatch(pattern, allow: draft.allow) {
                mistakes.append(
                    ConfigMistake(
                        place: .builtIn, key: "--operations",
                        problem: "\(TOMLNode.quoted(pattern)) \(OperationPattern.lacksRight(pattern))",
                        remedy: OperationPattern.remedy("--allow")))
            }
        }
        guard mistakes.isEmpty else { throw ConfigMistakes(mistakes) }
        return draft
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
