// The listening sockets of a running proxy, for its orderly end.

import NIOCore
import Synchronization

/// Keeps the two listeners. Usable from any thread.
package final class OpenChannels: Sendable {
    private let listeners = Mutex<(tools: Listener?, admin: Listener?)>((nil, nil))

    package init() {}

    /// The one for tools.
    package func add(_ listener: Listener) { listeners.withLock { $0.tools = listener } }
    /// The one for operators.
    package func addAdmin(_ listener: Listener) { listeners.withLock { $0.admin = listener } }

    /// Accepts no tools any more.
    package func closeListener() async {
        await close(listeners.withLock { $0.tools })
    }

    /// Last of all, so that readiness can be asked until the end.
    package func closeAdmin() async {
        await close(listeners.withLock { $0.admin })
    }

    private func close(_ listener: Listener?) async {
        try? await listener?.channel.close()
        listener?.file?.remove()
    }
}
