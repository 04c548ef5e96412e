// What `POST /purge` asks for: `?all`, `?itwin=ID` or `?tag=TAG`, in the query or as a form in the body.

import Caching
import ClashAPI
import Ground

/// What is to be dropped from the cache.
package enum PurgeRequest: Sendable, Equatable {
    /// Everything.
    case all
    /// Everything of one iTwin, and what may be of it.
    case itwin(String)
    /// Everything with this tag, such as `report:ID` or `list:reports`.
    case tag(String)

    /// Reads form-encoded text. Nil unless it asks for exactly one thing.
    init?(form: String) {
        let pairs = FormText.pairs(form)
        guard pairs.count == 1, let (name, value) = pairs.first else { return nil }
        switch name {
        case "all" where value.isEmpty || value == "1" || value == "true": self = .all
        case "itwin" where !value.isEmpty: self = .itwin(value)
        case "tag" where !value.isEmpty: self = .tag(value)
        default: return nil
        }
    }

    /// As `init(form:)` reads it.
    package var form: String {
        switch self {
        case .all: "all"
        case .itwin(let id): "itwin=" + FormText.encoded(id)
        case .tag(let tag): "tag=" + FormText.encoded(tag)
        }
    }

    var invalidation: CacheInvalidation {
        switch self {
        case .all: .everything
        case .itwin(let id): .tagged(TagSet(Tag.everything(of: id)))
        case .tag(let tag): .tagged(TagSet([Tag.canonical(tag)]))
        }
    }
}
