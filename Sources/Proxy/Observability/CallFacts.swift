// What it took to get one answer from upstream.

/// Counts and times of one call upstream, tries included. A value.
struct CallFacts: Sendable {
    var queueTime = Duration.zero
    var tokenTime = Duration.zero
    var upstreamTime = Duration.zero
    /// Times that the request went upstream.
    var attempts = 0
    /// Whether upstream may have got it: libcurl's word, not a guess.
    var wasSent = false
    /// Upstream's own correlation id where it is not the one that was sent.
    var upstreamID: String?

    /// `queue;dur=0.0, token;dur=0.1, upstream;dur=12.3` in milliseconds (W3C Server Timing).
    var serverTiming: String {
        "queue;dur=\(queueTime.tenths), token;dur=\(tokenTime.tenths), upstream;dur=\(upstreamTime.tenths)"
    }
}

/// The facts of a call as they come to be known. Confined to the executor of the task that makes the call.
final class CallProgress {
    var facts = CallFacts()
}
