// The orderly end: not ready, still serving for `shutdown.ready_delay`; then no new connections, `Connection: close`, and what
// runs has `shutdown.drain_timeout`. A second word ends it at once, whatever it is at.

import Audit
import Configuration
import CurlTransport
import Edge
import Fleet
import Ground
import Logging
import NIOCore
import NIOPosix
import Synchronization
import Tokens

/// How far the end has come. Usable from every thread.
final class Ending: Sendable {
    private let begun = Atomic(false)
    /// Told to end a second time.
    private let hurries = Atomic(false)
    /// Something was broken off.
    private let cut = Atomic(false)
    private let pause = Mutex<Task<Void, Never>?>(nil)

    var hasBegun: Bool { begun.load(ordering: .acquiring) }
    var isHurried: Bool { hurries.load(ordering: .acquiring) }
    var wasCut: Bool { cut.load(ordering: .acquiring) }

    func begin() { begun.store(true, ordering: .releasing) }
    func isCut() { cut.store(true, ordering: .releasing) }

    func hurry() {
        hurries.store(true, ordering: .releasing)
        pause.withLock { $0 }?.cancel()
    }

    /// Returns then, or when there is no time any more.
    func wait(until instant: ContinuousClock.Instant, _ time: Time) async {
        let sleep = Task { () -> Void in try? await time.sleep(instant) }
        pause.withLock { $0 = sleep }
        if isHurried { sleep.cancel() }
        await sleep.value
    }
}

extension Sidecar {
    /// Ends a drain, that runs or is to come, at once: what still runs is broken off.
    /// Returns whether anything was.
    package func endNow() -> Bool {
        logger.warning(
            "told to end twice: ending at once", metadata: ["exchanges": "\(parts.activity.runningExchanges)"])
        let isCut = parts.activity.runningExchanges > 0 || ending.wasCut
        ending.hurry()
        parts.activity.giveUpWaiting()
        return isCut
    }

    /// Says that it is not ready, serves on for `shutdown.ready_delay`, stops accepting, lets what runs finish within
    /// `shutdown.drain_timeout`, ends everything. Returns whether all of it finished.
    package func drain() async -> Bool {
        let (config, activity) = (inForce.shutdown, parts.activity)
        logger.notice("draining", metadata: ["exchanges": "\(activity.runningExchanges)"])
        let servesUntil = environment.now() + config.readyDelay
        ending.begin()
        surroundings.manager?.tell(.stopping, .status("shutting down"))
        if config.readyDelay > .zero { await ending.wait(until: servesUntil, environment.time) }
        await listening.closeListener()
        await letWhatHasComeBegin()
        activity.drain()
        parts.watches.drain()
        var finished = await waitUntilQuiet(activity, within: config.drainTimeout)
        if !finished, activity.runningExchanges == 0 {
            // Nobody waits for anything: connections that are just being closed are nothing that is broken off.
            activity.waitAgain()
            finished = await waitUntilQuiet(activity, within: .milliseconds(500))
        }
        if !finished {
            ending.isCut()
            logger.warning("drain cut short", metadata: ["exchanges": "\(activity.runningExchanges)"])
            activity.cutShort()
        }
        await end(isCut: !finished)
        return finished
    }

    /// Connections that were just accepted are closed as idle ones when they are told of the end. Those whose request lies in
    /// their sockets already are no idle ones: after a few turns of each event loop it was read.
    private func letWhatHasComeBegin() async {
        for _ in 0..<3 {
            for loop in parts.group.makeIterator() { try? await loop.submit {}.get() }
        }
    }

    /// Ends all parts, those first that others stand on least.
    private func end(isCut: Bool) async {
        parts.health.end()
        let settling = settling.withLock { $0 }
        settling?.cancel()
        await settling?.value
        parts.settling.end()
        await parts.credentials.source?.stop()
        parts.issuers.stop()
        parts.budget.end()
        await tellWhatWaits(within: ending.isHurried ? .milliseconds(100) : .seconds(2))
        await parts.transport.shutdown(grace: .milliseconds(100))
        // Fetches that nobody waited for have failed by now, and end on event loops that are still there.
        _ = await waitUntilQuiet(parts.counts.fetches, within: .seconds(2))
        if isCut {
            // What was broken off still gets its answer and its record.
            parts.activity.waitAgain()
            _ = await waitUntilQuiet(
                parts.activity, within: ending.isHurried ? .milliseconds(250) : .seconds(2))
            parts.activity.closeAll()
        }
        await parts.closeAudit()
        await parts.fleet?.leave()
        parts.events.end()
        await listening.closeAdmin()
        parts.accessOutput.close()
        watchdog.withLock { $0 }?.end()
        certificates?.end()
        try? await parts.group.shutdownGracefully()
    }

    /// Sends the last spans and alerts, for so long at most.
    private func tellWhatWaits(within limit: Duration) async {
        async let spans: Void = parts.spans.end(within: limit)
        await parts.alerts.end(within: limit)
        await spans
    }

    private func waitUntilQuiet(_ activity: Activity, within timeout: Duration) async -> Bool {
        let deadline = environment.now() + timeout
        return await withTaskGroup(of: Bool.self) { group in
            group.addTask {
                await activity.waitUntilQuiet()
                return true
            }
            group.addTask { [environment] in
                try? await environment.sleep(deadline)
                return false
            }
            _ = await group.next()
            group.cancelAll()
            return activity.isQuiet
        }
    }
}
