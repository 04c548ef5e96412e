// The listening sockets of a running proxy, for its orderly end.

import NIOCore
import Synchronization

/// Keeps the two listening channels. Usable from any thread.
final class OpenChannels: Sendable {
    private let channels = Mutex<(tools: (any Channel)?, admin: (any Channel)?)>((nil, nil))

    func add(_ channel: any Channel) { channels.withLock { $0.tools = channel } }
    func addAdmin(_ channel: any Channel) { channels.withLock { $0.admin = channel } }

    func closeListener() async {
        let channel = channels.withLock { $0.tools }
        try? await channel?.close()
    }

    /// Last of all, so that readiness can be asked until the end.
    func closeAdmin() async {
        let channel = channels.withLock { $0.admin }
        try? await channel?.close()
    }
}
