// The last deletes that were recorded, for the status page. What counts is the audit log; this is what came of late.

import Audit
import Ground
import Synchronization

/// A delete and what came of it. A value.
struct RecentDelete: Sendable {
    let time: WallTime
    let id: String
    let caller: String
    let operation: String
    let objects: [String]
    /// As the audit log says it; `denied` where the proxy refused it.
    let result: String
    let reason: String?

    var json: JSONObject {
        var object = JSONObject()
        object.add("time", RFC3339.text(time, digits: 3))
        object.add("id", id)
        object.add("caller", caller)
        object.add("operation", operation)
        object.add("objects", objects.prefix(10).map { Self.short($0) })
        object.add("count", objects.count)
        object.add("result", result)
        object.add("reason", reason.map { Self.short($0) })
        return object
    }

    /// As much as a row has room for; the audit log has all of it.
    private static func short(_ text: String) -> String { text.count > 200 ? text.prefix(200) + "…" : text }
}

/// The last ones of this process, the newest last. Usable from every thread.
final class RecentDeletes: Sendable {
    private static let capacity = 100

    private struct State {
        var done: [RecentDelete] = []
        /// By themselves: who may delete nothing must not push out what others did.
        var denied: [RecentDelete] = []
    }

    private let state = Mutex(State())

    func add(_ delete: RecentDelete) { state.withLock { Self.add(delete, to: &$0.done) } }

    /// One that the proxy has refused.
    func addDenied(_ delete: RecentDelete) { state.withLock { Self.add(delete, to: &$0.denied) } }

    private static func add(_ delete: RecentDelete, to list: inout [RecentDelete]) {
        if list.count == capacity { list.removeFirst() }
        list.append(delete)
    }

    var all: [RecentDelete] {
        let (done, denied) = state.withLock { ($0.done, $0.denied) }
        return (done + denied).sorted { $0.time.sinceEpoch < $1.time.sinceEpoch }
    }
}
