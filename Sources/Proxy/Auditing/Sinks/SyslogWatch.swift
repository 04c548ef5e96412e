// What can be seen of a peer that never answers: that the handshake is done, and how it ends the connection.

import Glibc
import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS
import Synchronization

/// Watches one connection; a peer that reads all of it and closes is told from one that goes away in the middle. Usable from every thread.
final class SyslogWatch: Sendable {
    private let isSecured: Bool
    private let ended: @Sendable (any Channel, SinkEnd?) -> Void
    private let state = Mutex(State())

    private struct State {
        var isReady = false
        var trouble: (any Error)?
        var promise: EventLoopPromise<Void>?
    }

    /// - Parameter ended: told of the end, maybe more than once, on the event loop; nil: of the peer's side, without a complaint so far.
    init(isSecured: Bool, ended: @escaping @Sendable (any Channel, SinkEnd?) -> Void) {
        (self.isSecured, self.ended) = (isSecured, ended)
    }

    /// For the end of the pipeline.
    var handler: some ChannelInboundHandler & Sendable { Handler(watch: self) }

    /// Succeeds when the connection can be written to.
    func ready(on eventLoop: any EventLoop) -> EventLoopFuture<Void> {
        let promise = eventLoop.makePromise(of: Void.self)
        let known = state.withLock { state -> Result<Void, any Error>? in
            if let trouble = state.trouble { return .failure(trouble) }
            if state.isReady || !isSecured { return .success(()) }
            state.promise = promise
            return nil
        }
        if let known { promise.completeWith(known) }
        return promise.futureResult
    }

    fileprivate var hasFailed: Bool { state.withLock { $0.trouble != nil } }

    fileprivate func isReady() {
        take { $0.isReady = true }?.succeed()
    }

    fileprivate func failed(_ error: any Error) {
        take { $0.trouble = $0.trouble ?? error }?.fail(error)
    }

    private func take(_ change: (inout State) -> Void) -> EventLoopPromise<Void>? {
        state.withLock { state in
            change(&state)
            defer { state.promise = nil }
            return state.promise
        }
    }

    fileprivate func ended(_ channel: any Channel, _ end: SinkEnd?) { self.ended(channel, end) }

    /// In words for a log.
    static func words(_ error: any Error) -> String {
        switch error {
        case let error as IOError: String(cString: strerror(error.errnoCode)).lowercased()
        case let error as NIOConnectionError:
            error.connectionErrors.first.map { words($0.error) } ?? "its name cannot be resolved"
        case is SocketAddressError: "its name cannot be resolved"
        case ChannelError.connectTimeout: "no connection within 4 s"
        case is ChannelError: "the connection ended"
        case NIOSSLError.handshakeFailed(let cause): handshake("\(cause)")
        case let error as NIOSSLExtraError where error == .failedToValidateHostname:
            "its certificate names another host"
        case is NIOSSLError, is NIOSSLExtraError, is BoringSSLError: "TLS broke off"
        default: "the connection failed"
        }
    }

    /// BoringSSL's word for it, without where in its sources that is: "… OPENSSL_internal:WRONG_VERSION_NUMBER at …".
    private static func handshake(_ dump: String) -> String {
        if dump.contains("CERTIFICATE_VERIFY_FAILED") {
            return "its certificate is not trusted, has ended, or names another host"
        }
        if dump.contains("WRONG_VERSION_NUMBER") { return "it speaks no TLS" }
        let word = dump.split(separator: "OPENSSL_internal:").dropFirst().first?.prefix { $0.isLetter || $0 == "_" }
        return word.map { "the handshake failed, \($0.lowercased().replacing("_", with: " "))" }
            ?? "the handshake failed"
    }

    private final class Handler: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        /// How long a connection that the peer has ended is watched for the answer to what it has not read (RST).
        private static let aftermath = TimeAmount.milliseconds(250)

        private let watch: SyslogWatch

        init(watch: SyslogWatch) { self.watch = watch }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            switch event {
            case TLSUserEvent.handshakeCompleted: watch.isReady()
            case ChannelEvent.inputClosed:
                // From here on nothing may be sent, and what was sent is read if no complaint comes.
                let channel = context.channel
                watch.ended(channel, nil)
                context.eventLoop.scheduleTask(in: Self.aftermath) { [watch] in
                    watch.ended(channel, channel.isActive ? .clean : .broken)
                }
            default: break
            }
            context.fireUserInboundEventTriggered(event)
        }

        /// Whatever a peer says: syslog has no answers.
        func channelRead(context: ChannelHandlerContext, data: NIOAny) {}

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            watch.failed(error)
            watch.ended(context.channel, .broken)
            context.close(promise: nil)
        }

        func channelInactive(context: ChannelHandlerContext) {
            // Without a complaint it is the peer's orderly end, or our own.
            let end = watch.hasFailed ? SinkEnd.broken : nil
            watch.failed(ChannelError.eof)
            watch.ended(context.channel, end)
        }
    }
}
