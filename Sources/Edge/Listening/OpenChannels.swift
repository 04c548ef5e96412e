// The listening sockets of a running proxy, for its orderly end.

import NIOCore
import Synchronization

/// Keeps the listeners. Usable from any thread.
package final class OpenChannels: Sendable {
    private let listeners = Mutex<(tools: [Listener], admin: Listener?)>(([], nil))

    package init() {}

    /// One for tools.
    package func add(_ listener: Listener) { listeners.withLock { $0.tools.append(listener) } }
    /// The one for operators.
    package func addAdmin(_ listener: Listener) { listeners.withLock { $0.admin = listener } }

    /// Accepts no tools any more.
    package func closeListener() async {
        for listener in listeners.withLock({ $0.tools }) { await close(listener) }
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
