// Runs a call that blocks (a lock, fsync, a file on a slow disk) on a thread of its own, because the threads that async
// functions run on are few and shared with everything else. For rare calls: each gets a new thread that ends with it.

/// Calls that block.
package enum OffThread {
    /// Returns what `body` returned. It is always run to its end, whatever becomes of the task that asked.
    package static func run<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            do throws(NamedThread.Failure) {
                try NamedThread().start("off-thread") { continuation.resume(returning: body()) }
            } catch {
                // No thread to be had. What is asked for may be the saving of a token that exists nowhere else: better
                // done here than not at all.
                continuation.resume(returning: body())
            }
        }
    }
}
