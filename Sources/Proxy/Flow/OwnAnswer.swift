// The JSON of this proxy's own pages for tools.

import ClashAPI
import Configuration
import Ground
import RateLimiting

/// Bodies of `/_proxy/…`.
enum OwnAnswer {
    /// The body of a page for its caller.
    ///
    /// - Parameters:
    ///   - budget: of the caller's calls.
    ///   - wallTime: now.
    static func body(_ page: OwnPage, for caller: Caller, _ budget: GateBudget, wallTime: WallTime) -> [UInt8] {
        var object = JSONObject()
        switch page {
        case .me:
            object.add("caller", caller.json)
            object.add("windows", budget.own.map(\.json))
        case .budget:
            object.add("windows", budget.windows.map(\.json))
            object.add("cooldowns", budget.pauses.map(\.json))
            object.add("forecast", budget.windows.compactMap { forecast($0, wallTime) })
        case .approvals, .approval: break
        }
        return body(object)
    }

    /// A document as a body.
    static func body(_ object: JSONObject) -> [UInt8] { Array((object.text + "\n").utf8) }

    /// Only of windows that are going to be full.
    private static func forecast(_ window: GateBudget.Window, _ wallTime: WallTime) -> JSONObject? {
        guard let end = window.exhausted(wallTime) else { return nil }
        var object = JSONObject()
        object.add("window", window.label)
        object.add("exhausted_at", end)
        return object
    }
}

extension Caller {
    fileprivate var json: JSONObject {
        var object = JSONObject()
        object.add("name", name)
        object.add("via", via.rawValue)
        object.add("rights", allow.map(\.rawValue).sorted())
        object.add("itwins", (bounds?.itwins ?? []).map(\.text).sorted())
        object.add("operations", bounds?.operations ?? [])
        return object
    }
}
