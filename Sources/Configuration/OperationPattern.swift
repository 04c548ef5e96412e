// Entries of `operations` against the rights beside them: what is allowed by name and never by right matches nothing.

import ClashAPI

enum OperationPattern {
    /// The operations that the entry stands for.
    static func operations(_ pattern: String) -> [Operation] {
        Operation.all.filter(\.isKnown).filter {
            pattern.hasSuffix("*") ? $0.name.hasPrefix(pattern.dropLast()) : $0.name == pattern
        }
    }

    /// Whether somebody with these rights may call one of them.
    /// What may be approved is a delete.
    static func canMatch(_ pattern: String, allow: Set<Permission>) -> Bool {
        operations(pattern).contains { operation in
            allow.contains { $0.rawValue == operation.operationClass.rawValue }
                || operation.operationClass == .delete && allow.contains(.approve)
        }
    }

    /// What is wrong with an entry that can match nothing.
    static func lacksRight(_ pattern: String) -> String {
        let rights = Set(operations(pattern).map(\.operationClass))
        let words = OperationClass.allCases.filter(rights.contains).map { "\"\($0.rawValue)\"" }
        return "needs \(words.joined(separator: " or ")), so it can match nothing"
    }

    static func remedy(_ allow: String) -> String { "add the right to \(allow), or leave the entry out" }
}
