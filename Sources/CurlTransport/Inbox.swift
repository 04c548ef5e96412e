// The only way into the curl thread. Commands queue under a lock; the thread is woken only when it sleeps.
// `curl_multi_wakeup` is the one libcurl function that another thread may call, and it must not be called on a handle
// that is gone: wakers are counted, and the thread waits for them before it frees the handle.

import CCurl
import Glibc
import Ground
import Synchronization

/// Something the curl thread is asked to do.
enum Command: Sendable {
    case start(Transfer)
    /// The calling task was cancelled: the request's own rule decides.
    case cancel(Transfer)
    /// Nobody will read the body: end it in any case.
    case abandon(Transfer)
    case resumeDownload(Transfer)
    /// Take nothing new; end what still runs at the given time.
    case shutdown(at: Nanoseconds)
}

final class Inbox: Sendable {
    private struct State {
        var commands: [Command] = []
        var isSleeping = false
        var takesStarts = true
        var isClosed = false
        var statistics = CurlTransport.Statistics()
    }

    private let state = Mutex(State())
    private let wakers = Atomic<Int>(0)
    private let multi: MultiHandle

    init(multi: MultiHandle) {
        self.multi = multi
    }

    /// Queues a command. False if it will not be carried out: a start during shutdown, anything after it.
    @discardableResult
    func send(_ command: Command) -> Bool {
        let (accepted, wakes) = self.state.withLock { state -> (Bool, Bool) in
            if state.isClosed { return (false, false) }
            switch command {
            case .start where !state.takesStarts: return (false, false)
            case .shutdown: state.takesStarts = false
            default: break
            }
            state.commands.append(command)
            let wakes = state.isSleeping
            if wakes {
                state.isSleeping = false
                self.wakers.add(1, ordering: .relaxed)
            }
            return (true, wakes)
        }
        if wakes {
            self.multi.wakeup()
            self.wakers.subtract(1, ordering: .releasing)
        }
        return accepted
    }

    var statistics: CurlTransport.Statistics {
        self.state.withLock { $0.statistics }
    }

    // MARK: Curl thread

    /// Moves all commands into `batch`, which is empty, and lends its storage to the next ones.
    func takeAll(into batch: inout [Command]) {
        self.state.withLock { state in
            state.isSleeping = false
            swap(&batch, &state.commands)
        }
    }

    /// True: nothing is queued, the thread may sleep and will be woken.
    func goToSleep(publishing statistics: CurlTransport.Statistics) -> Bool {
        self.state.withLock { state in
            state.statistics = statistics
            state.isSleeping = state.commands.isEmpty
            return state.isSleeping
        }
    }

    /// After this nobody uses the multi handle any more.
    func close(publishing statistics: CurlTransport.Statistics) {
        self.state.withLock { state in
            state.isClosed = true
            state.isSleeping = false
            state.commands = []
            state.statistics = statistics
        }
        while self.wakers.load(ordering: .acquiring) > 0 { sched_yield() }
    }

    func publish(_ statistics: CurlTransport.Statistics) {
        self.state.withLock { $0.statistics = statistics }
    }
}
