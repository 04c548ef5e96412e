// What a cache key was made of, without the values that are nobody's business.

import Caching
import Ground
import HTTPTypes

/// The parts of a key by their names, in the order in which `PageQuery` appends them. A value.
struct CacheKeyText {
    private let key: CacheKey
    private let parts: [Substring]

    init(_ key: CacheKey) { (self.key, parts) = (key, key.parts) }

    var json: JSONObject {
        var object = JSONObject()
        object.add("id", key.id)
        object.add("partition", partition)
        object.add("path", path)
        object.add("query", query)
        object.add("fields", fields)
        object.add("coding", parts.last.map(String.init))
        return object
    }

    /// Where tools bring their own tokens, the beginning of the token's hash, as its caller is called; else one for all.
    private var partition: String { String(parts.first?.prefix(8) ?? "") }

    private var target: Substring { parts.count > 1 ? parts[1] : "" }

    private var path: String { KeyForm.hidden(String(target.prefix { $0 != "?" })) }

    private var query: [String] {
        target.drop { $0 != "?" }.dropFirst().split(separator: "&")
            .map { Self.shown(FormText.pairs(String($0.prefix { $0 != "=" })).first?.name ?? "") }
    }

    /// The API's names are short; what is as long as a key may be one that somebody took for a name.
    private static func shown(_ name: String) -> String {
        name.utf8.count > longestName || KeyForm.isIn(name) ? "***" : name
    }

    private static let longestName = 31

    /// Those that the request has.
    private var fields: [String] {
        zip(["accept", "prefer"] + HeaderTraits.names(with: .selecting).map(\.canonicalName), parts.dropFirst(2))
            .filter { !$1.isEmpty }.map { $0.0 }
    }
}
