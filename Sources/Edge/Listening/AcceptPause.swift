// When there is no descriptor for another connection, the listener stays readable, and asking the kernel again and again
// would burn a core: it is not asked for a while. What is open goes on, and so do the other listeners.

import Glibc
import NIOCore

/// Hears that no connection can be accepted for now, and what helps.
package typealias AcceptTrouble = @Sendable (_ remedy: String, _ error: any Error) -> Void

/// Stands first in the pipeline of a listening socket. Confined to its event loop.
final class AcceptPause: ChannelInboundHandler {
    typealias InboundIn = any Channel
    typealias InboundOut = any Channel

    /// Long enough to cost nothing, short enough for a health check.
    private static let length = TimeAmount.milliseconds(250)
    private static let logsOnceIn = TimeAmount.seconds(60)

    private let tell: AcceptTrouble
    private var quietUntil = NIODeadline.uptimeNanoseconds(0)

    /// - Parameter tell: is told at most once a minute.
    init(_ tell: @escaping AcceptTrouble) { self.tell = tell }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? IOError else { return context.fireErrorCaught(error) }
        // Others are the end of a connection that was not accepted yet, or of the listener.
        guard let remedy = Self.remedy(error.errnoCode) else { return }
        say(error, remedy)
        // A read that failed is still wanted; only without automatic reads does the socket leave the selector.
        let channel = context.channel
        try? channel.syncOptions?.setOption(.autoRead, value: false)
        channel.eventLoop.scheduleTask(in: Self.length) {
            try? channel.syncOptions?.setOption(.autoRead, value: true)
        }
    }

    /// What helps against a lack that lasts; nil for what is none.
    private static func remedy(_ code: CInt) -> String? {
        switch code {
        case EMFILE: "raise the limit of open files (ulimit -n) or lower listen.max_connections"
        case ENFILE: "this machine has no more open files (fs.file-max)"
        case ENOBUFS, ENOMEM: "the kernel has no memory for another socket"
        default: nil
        }
    }

    private func say(_ error: IOError, _ remedy: String) {
        let now = NIODeadline.now()
        guard now >= quietUntil else { return }
        quietUntil = now + Self.logsOnceIn
        tell(remedy, error)
    }
}
