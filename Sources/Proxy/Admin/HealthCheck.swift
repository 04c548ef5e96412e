// Whether a running proxy is ready. For container health checks.

import Configuration

/// A one-shot question to `/readyz`.
package enum HealthCheck {
    /// What the proxy said.
    package struct Answer: Sendable {
        /// Whether it answered 200.
        package let isReady: Bool
        /// One line for people.
        package let text: String
    }

    /// Asks once. Never throws: a proxy that cannot be asked is not ready.
    ///
    /// - Parameters:
    ///   - certificate: see `AdminClient.ask`.
    ///   - key: the operators' key; nil or empty: none.
    package static func ask(_ address: ListenAddress, certificate: String? = nil, key: String? = nil) async -> Answer {
        do throws(AdminClient.Unreachable) {
            let answer = try await AdminClient.ask("GET", "/readyz", at: address, certificate: certificate, key: key)
            return Answer(isReady: answer.status == 200, text: answer.body.filter { $0 != "\n" })
        } catch {
            return Answer(isReady: false, text: error.description)
        }
    }
}
