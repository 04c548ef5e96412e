// The listening sockets of a running proxy, for its orderly end.

import NIOCore
import Synchronization

/// Keeps the two listeners. Usable from any thread.
final class OpenChannels: Sendable {
    private let listeners = Mutex<(tools: Listener?, admin: Listener?)>((nil, nil))

    func add(_ listener: Listener) { listeners.withLock { $0.tools = listener } }
    func addAdmin(_ listener: Listener) { listeners.withLock { $0.admin = listener } }

    func closeListener() async {
        await close(listeners.withLock { $0.tools })
    }

    /// Last of all, so that readiness can be asked until the end.
    func closeAdmin() async {
        await close(listeners.withLock { $0.admin })
    }

    private func close(_ listener: Listener?) async {
        try? await listener?.channel.close()
        listener?.file?.remove()
    }
}
