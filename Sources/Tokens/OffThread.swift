// Runs a call that blocks (a lock, fsync, a file on a slow disk) on a thread of its own, because the threads that async
// functions run on are few and shared with everything else. Such calls are rare here, about three an hour, so each gets
// a new thread that ends with it.

import Glibc

enum OffThread {
    private final class Job: Sendable {
        let body: @Sendable () -> Void

        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    /// Returns what `body` returned. It is always run to its end, whatever becomes of the task that asked.
    static func run<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            let job = Unmanaged.passRetained(Job { continuation.resume(returning: body()) })
            var handle = pthread_t()
            guard pthread_create(&handle, nil, main, job.toOpaque()) != 0 else {
                pthread_detach(handle)
                return
            }
            // No thread to be had. What is asked for may be the saving of a token that exists nowhere else: better
            // done here than not at all.
            job.takeRetainedValue().body()
        }
    }

    private static let main: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
        if let argument { Unmanaged<Job>.fromOpaque(argument).takeRetainedValue().body() }
        return nil
    }
}
