// The curl thread: takes commands, lets libcurl work, ends what is over, hands out what came in, sleeps.
// The order inside a turn matters: finished transfers must be read before sleeping. Everything here runs on one thread,
// so whether a cancellation came before or after the send is never a race.

import CCurl
import Glibc
import Ground

/// Drives all transfers of one transport.
///
/// `@unchecked Sendable`: made by `CurlTransport.init`, handed to its thread once, and from then on used there only.
final class CurlLoop: @unchecked Sendable {
    let inbox: Inbox
    let speaksHTTP2: Bool
    var names = FieldNameTable()
    var sockets = SocketLedger()
    var counters = CurlTransport.Statistics()
    /// The time of this turn; precise enough for everything that is counted in seconds.
    private(set) var now = Monotonic.now()

    private let multi: MultiHandle
    private let options: CurlOptions
    private let limit: Int
    private let share: ShareHandle
    private var live: [Transfer] = []
    private var waiting: [Transfer] = []
    /// Transfers with something to hand out at the end of the turn.
    private var ready: [Transfer] = []
    private var delivered: [Transfer] = []
    /// No deadline of a live or waiting transfer is earlier than this. Deadlines mostly move away, so looking at all
    /// of them is put off until this one has come.
    private var nextDeadline = Nanoseconds.max
    private var shutdownAt: Nanoseconds?

    init(_ configuration: CurlTransport.Configuration) throws(CurlSetupFailure) {
        guard let raw = unsafe curl_multi_init() else { throw CurlSetupFailure(description: "curl_multi_init failed") }
        guard let share = ShareHandle() else {
            unsafe curl_multi_cleanup(raw)
            throw CurlSetupFailure(description: "curl_share_init failed")
        }
        // As many transfers as connections are given to libcurl, so that nothing queues inside it unseen.
        unsafe ccurl_multi_set_long(raw, CURLMOPT_MAX_TOTAL_CONNECTIONS, configuration.maxConnections)
        unsafe ccurl_multi_set_long(raw, CURLMOPT_MAXCONNECTS, configuration.maxConnections)
        self.multi = unsafe MultiHandle(raw: raw)
        self.inbox = Inbox(multi: self.multi)
        self.options = CurlOptions(configuration)
        self.limit = configuration.maxConnections
        self.speaksHTTP2 = configuration.http2
        self.share = share
    }

    /// The body of the thread; returns when a shutdown is complete.
    func run() {
        var batch: [Command] = []
        while true {
            self.inbox.takeAll(into: &batch)
            self.now = Monotonic.now()
            self.counters.turns += 1
            for command in batch { self.carryOut(command) }
            batch.removeAll(keepingCapacity: true)

            self.startWaiting()
            self.perform()
            self.endFinished()
            self.endExpired()
            self.deliverReady()

            if self.shutdownAt != nil && self.live.isEmpty && self.waiting.isEmpty && self.ready.isEmpty { break }
            // A place that has become free is taken in the next turn, at once; so is what a resume brought.
            let hasWork = !self.ready.isEmpty || !self.waiting.isEmpty && self.live.count < self.limit
            if !hasWork && self.inbox.goToSleep(publishing: self.statistics) { self.sleep() }
        }
        self.close()
    }

    /// Puts a transfer on the list of those with something to hand out.
    func isReady(_ transfer: Transfer) {
        if transfer.isReadyListed { return }
        transfer.isReadyListed = true
        self.ready.append(transfer)
    }

    /// Sees to it that the transfer's deadline is not slept through; to be called whenever that may have come closer.
    func watch(_ transfer: Transfer) {
        if let deadline = transfer.state.deadline { self.nextDeadline = min(self.nextDeadline, deadline.at) }
    }

    /// The server has said on this connection which stream is the last that it processes.
    func connectionLeaves(_ connection: ConnectionKey, _ lastStream: Int) {
        for transfer in self.live where transfer.connection == connection {
            transfer.stream.connectionLeaves(lastStream: lastStream)
        }
    }

    // MARK: Commands

    private func carryOut(_ command: Command) {
        switch command {
        case .start(let transfer): self.start(transfer)
        case .cancel(let transfer):
            // Cancelled before it started (the two commands can overtake each other): `start` will see it.
            if transfer.state.cancel() && transfer.state.isStarted { self.fail(transfer, .cancelled) }
        case .abandon(let transfer):
            if !transfer.state.isOver { self.fail(transfer, .cancelled) }
        case .resumeDownload(let transfer):
            transfer.state.bodyAdvanced(now: self.now)
            self.resume(transfer)
        case .ping(let answer): answer()
        case .shutdown(let time):
            self.shutdownAt = min(time, self.shutdownAt ?? time)
            self.nextDeadline = min(self.nextDeadline, time)
        }
    }

    private func start(_ transfer: Transfer) {
        transfer.state.queued(now: self.now)
        transfer.startedAt = self.now
        self.waiting.append(transfer)
        if transfer.state.isCancelled {
            self.fail(transfer, .cancelled)
        } else {
            self.watch(transfer)
        }
    }

    /// Gives libcurl as many waiting transfers as there are connections.
    private func startWaiting() {
        guard !self.waiting.isEmpty, self.live.count < self.limit else { return }
        self.counters.connectionsDiscarded += self.sockets.discardUnclean()
        while self.live.count < self.limit, !self.waiting.isEmpty {
            self.add(self.waiting.removeFirst())
        }
    }

    private func add(_ transfer: Transfer) {
        transfer.liveIndex = self.live.count
        self.live.append(transfer)
        transfer.startedAt = self.now
        transfer.state.connecting(now: self.now)
        guard let handle = self.share.makeHandle() else { return self.fail(transfer, .internalError, "out of memory") }
        self.options.apply(to: handle, for: transfer)
        let code = unsafe curl_multi_add_handle(self.multi.raw, handle.raw)
        guard code == CURLM_OK else {
            return unsafe self.fail(transfer, .internalError, String(cString: curl_multi_strerror(code)))
        }
        transfer.handle = handle
        self.watch(transfer)
    }

    /// Both directions are opened; the one that has nothing to do calls back once for nothing and pauses again.
    private func resume(_ transfer: Transfer) {
        guard let handle = transfer.handle else { return }
        let code = unsafe curl_easy_pause(handle.raw, CURLPAUSE_CONT)
        self.watch(transfer)
        // "Bad argument" only says that it is between two connections, where nothing is paused.
        if code != CURLE_OK && code != CURLE_BAD_FUNCTION_ARGUMENT { self.finish(transfer, code) }
    }

    // MARK: libcurl's turn

    private func perform() {
        if self.live.isEmpty { return }
        var running: Int32 = 0
        unsafe curl_multi_perform(self.multi.raw, &running)
        self.now = Monotonic.now()
    }

    private func endFinished() {
        var left: Int32 = 0
        while let message = unsafe curl_multi_info_read(self.multi.raw, &left) {
            guard unsafe message.pointee.msg == CURLMSG_DONE, let easy = unsafe message.pointee.easy_handle else {
                continue
            }
            // The message is gone with the handle, so its code is copied first.
            let code = unsafe message.pointee.data.result
            var data: UnsafeMutableRawPointer?
            unsafe ccurl_get_private(easy, &data)
            guard let data = unsafe data else { continue }
            unsafe self.finish(Unmanaged<Transfer>.fromOpaque(data).takeUnretainedValue(), code)
        }
    }

    private func endExpired() {
        guard self.nextDeadline <= self.now else { return }
        self.nextDeadline = .max
        if let time = self.shutdownAt {
            if time <= self.now {
                for transfer in self.live + self.waiting { self.fail(transfer, .shutdown) }
                return
            }
            self.nextDeadline = time
        }
        for transfer in self.live + self.waiting {
            if let reason = transfer.state.expired(now: self.now) {
                self.fail(transfer, reason, transfer.handle == nil ? "no connection became free" : "")
            } else {
                self.watch(transfer)
            }
        }
    }

    private func deliverReady() {
        swap(&self.ready, &self.delivered)
        for transfer in self.delivered {
            transfer.isReadyListed = false
            if transfer.isAnsweredInFull { self.finish(transfer, CURLE_OK) }
            let resumes = transfer.deliver()
            if resumes { self.resume(transfer) } else { self.watch(transfer) }
        }
        self.delivered.removeAll(keepingCapacity: true)
    }

    private func sleep() {
        // The second is a safety net, not a clock: commands and deadlines wake the thread.
        let wait = max(0, min(1_000_000_000, self.nextDeadline - self.now))
        unsafe curl_multi_poll(self.multi.raw, nil, 0, Int32((wait + 999_999) / 1_000_000), nil)
    }

    // MARK: The end of a transfer

    /// Ends a transfer for a reason of our own.
    private func fail(_ transfer: Transfer, _ reason: TransferFailure.Reason, _ detail: String = "") {
        transfer.verdict = transfer.verdict ?? (reason, detail)
        self.finish(transfer, CURLE_ABORTED_BY_CALLBACK)
    }

    /// The only way out: takes the transfer off all lists and off libcurl, and tells its caller.
    private func finish(_ transfer: Transfer, _ code: CURLcode) {
        if transfer.state.isOver { return }
        let failure = self.failure(of: transfer, code)
        transfer.state.ended()
        if let handle = transfer.handle {
            self.noteIdleConnection(of: transfer, handle)
            unsafe curl_multi_remove_handle(self.multi.raw, handle.raw)
            transfer.handle = nil
        }
        if transfer.openedSocket { self.sockets.dropClosed() }
        self.forget(transfer)
        // What is started because of this finds the connection free: the command comes after.
        transfer.request.ended?()
        if let failure {
            transfer.pipe.end(.failed(failure))
            if !transfer.headIsReady { transfer.deliver(failure) }
        } else {
            transfer.pipe.end(.complete(isProven: transfer.endIsProven, trailers: transfer.parser.trailers))
        }
        self.isReady(transfer)
    }

    private func forget(_ transfer: Transfer) {
        if transfer.liveIndex < self.live.count, self.live[transfer.liveIndex] === transfer {
            let last = self.live.removeLast()
            if last !== transfer {
                self.live[transfer.liveIndex] = last
                last.liveIndex = transfer.liveIndex
            }
        } else {
            self.waiting.removeAll { $0 === transfer }
        }
    }

    private func failure(of transfer: Transfer, _ code: CURLcode) -> TransferFailure? {
        let sent = transfer.state.isSent
        let headReceived = transfer.state.headReceived
        if transfer.isRefused, !headReceived, transfer.verdict.map({ $0.reason == .repeatRefused }) ?? true {
            return TransferFailure(
                reason: .refused, detail: "the server did not process the stream", curlCode: Int(code.rawValue))
        }
        if transfer.verdict?.reason == .timeoutConnect, !sent,
            let failure = self.options.failureOfProxy(CURLE_OPERATION_TIMEDOUT, of: transfer)
        {
            return failure
        }
        if let (reason, detail) = transfer.verdict {
            return TransferFailure(reason: reason, sent: sent, headReceived: headReceived, detail: detail)
        }
        if code == CURLE_OK && headReceived { return nil }
        // For libcurl a head that breaks off is a success without an answer.
        let reason =
            code == CURLE_OK && sent
            ? .broke : TransferFailure.Reason(curlCode: code, sent: sent, headReceived: headReceived)
        if !sent, let failure = self.options.failureOfProxy(code, of: transfer) { return failure }
        let detail = transfer.handle?.errorDescription(code) ?? ""
        return TransferFailure(
            reason: reason, sent: sent, headReceived: headReceived, detail: detail, curlCode: Int(code.rawValue))
    }

    /// If libcurl has put the connection back for the next request, its socket is watched from now on.
    private func noteIdleConnection(of transfer: Transfer, _ handle: EasyHandle) {
        // HTTP/2 connections receive frames while idle, and are shared.
        guard !self.speaksHTTP2 || transfer.parser.isHTTP1, let key = transfer.connection else {
            return self.sockets.forget(user: ObjectIdentifier(transfer))
        }
        self.sockets.idle(key, user: ObjectIdentifier(transfer)) {
            var descriptor = CURL_SOCKET_BAD
            unsafe ccurl_get_active_socket(handle.raw, &descriptor)
            return descriptor == CURL_SOCKET_BAD ? nil : descriptor
        }
    }

    private var statistics: CurlTransport.Statistics {
        var statistics = self.counters
        statistics.liveTransfers = self.live.count
        statistics.queuedTransfers = self.waiting.count
        statistics.openSockets = self.sockets.openCount
        return statistics
    }

    private func close() {
        self.inbox.close(publishing: self.statistics)
        // All transfers are over, and their handles gone with them. The multi handle closes the idle connections.
        unsafe curl_multi_cleanup(self.multi.raw)
        self.share.close()
        self.inbox.publish(self.statistics)
    }
}
