// The door of this module: HTTP exchanges through libcurl, as async Swift.
// One thread drives one `curl_multi`; requests go in as commands, response bodies come out through bounded pipes that
// pause the transfer. Redirects are not followed, no proxy is used but the one that is configured, certificates are always
// verified.

import CCurl
import Glibc
import Ground
import Synchronization

/// An HTTP client on libcurl. Safe to use from any number of tasks.
package final class CurlTransport: Sendable {
    /// What holds for all requests.
    package struct Configuration: Sendable {
        /// The most exchanges at once, at least 1; further ones wait their turn in order. Each HTTP/1.1 exchange has a
        /// connection of its own, so it also bounds the connections, idle ones included.
        package var maxConnections: Int
        /// The longest time from start to a connection that can be used: name, TCP and TLS.
        package var connectTimeout: Duration
        /// A PEM file of certificates to trust in addition to the system's.
        package var caFile: String?
        /// HTTP/2 where the server offers it. In libcurl 7.88 each paused stream can hold up to 32 MiB of memory.
        package var http2: Bool
        /// The proxy that every connection goes through; nil: none, whatever the environment says.
        package var proxy: OutgoingProxy?

        /// Makes a configuration.
        package init(
            maxConnections: Int = 16, connectTimeout: Duration = .seconds(5), caFile: String? = nil,
            http2: Bool = false,
            proxy: OutgoingProxy? = nil
        ) {
            self.maxConnections = max(1, maxConnections)
            self.connectTimeout = connectTimeout
            self.caFile = caFile
            self.http2 = http2
            self.proxy = proxy
        }
    }

    /// What the transport is doing and has done; at most one turn of its thread old.
    package struct Statistics: Sendable, Hashable {
        /// Exchanges that libcurl works on.
        package var liveTransfers = 0
        /// Exchanges that wait for one of them to end.
        package var queuedTransfers = 0
        /// Connections opened since the start (attempts included).
        package var connectionsOpened = 0
        /// Requests that went out, repeats by libcurl included.
        package var requestsSent = 0
        /// Idle connections thrown away because something, be it only their end, had arrived on them.
        package var connectionsDiscarded = 0
        /// How often a transfer was paused because its reader had too much to read already.
        package var pauses = 0
        /// Turns of the thread: it sleeps between them.
        package var turns = 0
        /// Sockets open now, idle connections included.
        package var openSockets = 0

        /// All zero.
        package init() {}
    }

    private let connectTimeout: Atomic<Nanoseconds>
    private let loop: CurlLoop
    private let thread = NamedThread()

    /// Sets libcurl up and starts its thread, named `upstream`.
    ///
    /// The first transport of a process also ignores SIGPIPE process-wide (libcurl leaves it to us) and removes
    /// `SSLKEYLOGFILE` from the environment (it would write TLS secrets to a file).
    package init(_ configuration: Configuration) throws(CurlSetupFailure) {
        if let problem = Self.globalProblem { throw CurlSetupFailure(description: problem) }
        if let file = configuration.caFile, unsafe access(file, R_OK) != 0 {
            throw CurlSetupFailure(description: "CA file \(file) cannot be read")
        }
        self.connectTimeout = Atomic(configuration.connectTimeout.nanoseconds)
        self.loop = try CurlLoop(configuration)
        do throws(NamedThread.Failure) {
            try self.thread.start("upstream") { [loop] in loop.run() }
        } catch {
            throw CurlSetupFailure(description: "pthread_create failed: \(error.code)")
        }
    }

    deinit {
        // Without a `shutdown` before: whatever still runs ends now.
        self.loop.inbox.send(.shutdown(at: 0))
        // Before the process may exit: OpenSSL's exit handler must not run while another thread frees TLS state.
        self.thread.join()
    }

    /// Sends a request; returns when the final response head is here. The body is read from the response.
    ///
    /// Cancelling the task ends the exchange as `request.cancellation` says.
    /// - Throws: `TransferFailure`, whose `sent` tells whether the server may have seen the request.
    package func execute(_ request: UpstreamRequest) async throws(TransferFailure) -> UpstreamResponse {
        if let defect = request.defect {
            request.ended?()
            throw TransferFailure(reason: .invalidRequest, detail: defect)
        }
        let transfer = self.transfer(request, only: .exchange)
        return try await self.run(transfer).get()
    }

    /// Finds out whether the server can be reached: makes a new connection (name, TCP, TLS), sends nothing, and closes it.
    /// Like an exchange it takes one of the connections, and `connectTimeout` is its deadline.
    /// - Throws: `TransferFailure`, if there is no connection.
    package func connect(to origin: Origin) async throws(TransferFailure) {
        let transfer = self.transfer(UpstreamRequest(origin: origin, target: "/"), only: .connection)
        // It ends by our breaking it off, so what counts is how far it came.
        guard case .failure(let failure) = await self.run(transfer), !transfer.isConnected else { return }
        throw failure
    }

    /// Exchanges that begin from now on have so long to connect.
    package func change(connectTimeout: Duration) {
        self.connectTimeout.store(connectTimeout.nanoseconds, ordering: .relaxed)
    }

    /// Calls `answer` on the thread, at its next turn. False, and it is never called, once the transport is shut down.
    package func ping(_ answer: @escaping @Sendable () -> Void) -> Bool { self.loop.inbox.send(.ping(answer)) }

    private func transfer(_ request: UpstreamRequest, only purpose: Transfer.Purpose) -> Transfer {
        Transfer(
            request, for: purpose, inbox: self.loop.inbox, loop: self.loop,
            connectTimeout: self.connectTimeout.load(ordering: .relaxed))
    }

    private func run(_ transfer: Transfer) async -> Result<UpstreamResponse, TransferFailure> {
        let inbox = self.loop.inbox
        return await withTaskCancellationHandler {
            await unsafe withUnsafeContinuation { (head: Transfer.Head) in
                unsafe transfer.head = head
                guard !inbox.send(.start(transfer)) else { return }
                transfer.request.ended?()
                unsafe head.resume(returning: .failure(TransferFailure(reason: .shutdown)))
            }
        } onCancel: {
            inbox.send(.cancel(transfer))
        }
    }

    /// Takes no new requests, gives the running ones `grace` to end, ends the rest, joins the thread.
    /// Any number of calls from any task; each returns when it is all over. The shortest grace holds.
    package func shutdown(grace: Duration) async {
        self.loop.inbox.send(.shutdown(at: Monotonic.now() + grace.nanoseconds))
        await self.thread.ended()
    }

    /// Figures for metrics and tests.
    package var statistics: Statistics { self.loop.inbox.statistics }

    /// libcurl's global initialisation, once per process and never undone. Nil when all is well.
    private static let globalProblem: String? = {
        unsafe unsetenv("SSLKEYLOGFILE")
        signal(SIGPIPE, SIG_IGN)
        guard curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK else { return "curl_global_init failed" }
        guard let version = unsafe curl_version_info(CURLVERSION_FIRST), unsafe version.pointee.version_num >= 0x075700
        else {
            return "libcurl is older than 7.87"
        }
        guard unsafe version.pointee.features & CURL_VERSION_SSL != 0 else { return "libcurl was built without TLS" }
        return nil
    }()
}
