// What an exchange and the connection that carries it ask of each other.

import HTTPTypes
import NIOCore

/// A wire that has frames for heads, bodies and their ends (RFC 9113 section 8.1), where HTTP/1.1 has only bytes.
protocol FramedAnswers: AnyObject {
    /// 100, in front of the answer.
    func sendContinue()
    /// Takes the head of the answer; `lines` are its fields. It leaves with what comes next.
    func begin(_ status: HTTPResponse.Status, lines: ByteBuffer)
    /// Everything that belongs to the answer has been handed over.
    func endAnswer()
}

/// What an exchange asks of its connection.
protocol ExchangeConnection: AnyObject {
    /// Nil where bytes are all that the wire knows: then heads and chunks come as such.
    var framed: (any FramedAnswers)? { get }
    /// The flow waits for the tool from now on.
    func waits(for wait: ConnectionState.Wait)
    /// It waits no longer.
    func waitEnded()
    func send(_ bytes: ByteBuffer, flush: Bool)
    var isWritable: Bool { get }
    /// Of what was handed over, what the tool's kernel has not acknowledged.
    var unacknowledgedBytes: Int { get }
    /// The answer is complete, or given up, and its visit is written down: another request may follow, where
    /// `isReusable`.
    func exchangeFinished(_ exchange: Exchange, isReusable: Bool)
}

extension ExchangeConnection {
    /// Nothing, where that cannot be told.
    var unacknowledgedBytes: Int { 0 }
}

/// Why we end an exchange whose answer is not complete.
package enum ExchangeCut: Sendable {
    /// The time to drain was over.
    case shuttingDown
    /// The tool took nothing for `listen.idle_timeout`.
    case toolSilent
    /// The tool took less than whoever serves it can wait for.
    case toolTooSlow
}
