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
        object.add("objects", Array(objects.prefix(10)))
        object.add("count", objects.count)
        object.add("result", result)
        object.add("reason", reason)
        return object
    }
}

/// The last ones of this process, the newest last. Usable from every thread.
final class RecentDeletes: Sendable {
    private static let capacity = 100
    private let deletes = Mutex<[RecentDelete]>([])

    func add(_ delete: RecentDelete) {
        deletes.withLock { deletes in
            if deletes.count == Self.capacity { deletes.removeFirst() }
            deletes.append(delete)
        }
    }

    var all: [RecentDelete] { deletes.withLock { $0 } }
}
