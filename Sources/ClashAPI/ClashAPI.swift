// The entry points: check a target, test it against the allowed prefixes, and match it to an operation.
// All are pure functions over the target's bytes and may be called from any thread.

import HTTPTypes

/// What is known about the iTwin Platform's clash detection API, versions 1 and 2.
package enum ClashAPI {
    /// Why this request target must be refused, or nil. To be asked first, of the raw target.
    package static func checkTarget(_ target: String) -> TargetDefect? {
        let utf8 = target.utf8
        return TargetCheck.defect(utf8.span)
    }

    /// Whether the target lies below one of the prefixes, such as `/clash-detection`.
    ///
    /// A prefix ends at a boundary (`/`, `?`, `#` or the end). Letters match in either case, escaped unreserved
    /// characters count as themselves. A slash at a prefix's end is ignored; `/` allows everything.
    package static func isAllowed(_ target: String, prefixes: [String]) -> Bool {
        let utf8 = target.utf8
        return isAllowed(utf8.span, prefixes: prefixes)
    }

    /// The operation that method and target stand for, before the body is known.
    ///
    /// HEAD is matched as GET. The target should have passed `checkTarget`; one that has not still gets an answer.
    package static func match(method: HTTPRequest.Method, target: String) -> RouteMatch {
        RouteMatch(verb: Verb(method.rawValue), target: target)
    }

    static func isAllowed(_ target: Span<UInt8>, prefixes: [String]) -> Bool {
        for prefix in prefixes {
            let utf8 = prefix.utf8
            if TargetCheck.begins(target, with: utf8.span) { return true }
        }
        return false
    }
}
