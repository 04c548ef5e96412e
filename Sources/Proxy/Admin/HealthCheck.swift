// Whether a running proxy is ready. For container health checks.

import Configuration

/// A one-shot question to `/readyz`.
public enum HealthCheck {
    /// What the proxy said.
    public struct Answer: Sendable {
        /// Whether it answered 200.
        public let isReady: Bool
        /// One line for people.
        public let text: String
    }

    /// Asks once. Never throws: a proxy that can not be asked is not ready.
    public static func ask(_ address: ListenAddress) async -> Answer {
        do throws(AdminClient.Unreachable) {
            let answer = try await AdminClient.ask("GET", "/readyz", at: address)
            return Answer(isReady: answer.status == 200, text: answer.body.filter { $0 != "\n" })
        } catch {
            return Answer(isReady: false, text: error.description)
        }
    }
}
