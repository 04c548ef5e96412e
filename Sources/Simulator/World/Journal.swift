// What happened: received requests up to a limit, counters, and those who wait for a request to come.

/// The evidence part of the world.
struct Journal: Sendable {
    private(set) var requests: [RecordedRequest] = []
    var counters = SimulatorCounters()
    private let limit: Int
    private var waiters: [Int: Waiter] = [:]
    private var nextWaiter = 0
    private var isClosed = false

    private struct Waiter: Sendable {
        var missing: Int
        let filter: RequestFilter
        let continuation: CheckedContinuation<Bool, Never>
    }

    init(limit: Int) {
        self.limit = limit
    }

    mutating func record(_ request: RecordedRequest) {
        if limit > 0 {
            requests.append(request)
            // Trimmed in large steps, see RateLimiter.
            if requests.count >= 2 * limit { requests.removeFirst(requests.count - limit) }
        }
        for (id, waiter) in waiters where waiter.filter.matches(request) {
            waiters[id]?.missing -= 1
            if waiter.missing <= 1 { waiters.removeValue(forKey: id)?.continuation.resume(returning: true) }
        }
    }

    var recent: [RecordedRequest] { limit > 0 ? requests.suffix(limit) : [] }

    mutating func clear() {
        requests = []
    }

    /// An id for a waiter that is about to be added, so that it can be cancelled before or after.
    mutating func reserveWaiter() -> Int {
        nextWaiter += 1
        return nextWaiter
    }

    /// Resumes `continuation` with true once `count` matching requests are there, past ones included.
    mutating func wait(
        id: Int, count: Int, filter: RequestFilter, continuation: CheckedContinuation<Bool, Never>
    ) {
        let missing = count - recent.count(where: filter.matches)
        if missing <= 0 || isClosed || Task.isCancelled {
            continuation.resume(returning: missing <= 0)
        } else {
            waiters[id] = Waiter(missing: missing, filter: filter, continuation: continuation)
        }
    }

    mutating func cancelWaiter(_ id: Int) {
        waiters.removeValue(forKey: id)?.continuation.resume(returning: false)
    }

    /// No request will come any more.
    mutating func close() {
        isClosed = true
        for id in Array(waiters.keys) { cancelWaiter(id) }
    }
}
