// Which connections count as idle, told with real sockets.

import Glibc
import Testing

@testable import CurlTransport

@Suite struct SocketLedgerTests {
    /// Two connected sockets.
    private final class Pair {
        let ours: Int32
        let theirs: Int32

        init() {
            var ends: (Int32, Int32) = (-1, -1)
            _ = withUnsafeMutablePointer(to: &ends) {
                $0.withMemoryRebound(to: Int32.self, capacity: 2) {
                    socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, $0)
                }
            }
            (self.ours, self.theirs) = ends
        }

        deinit {
            close(self.ours)
            close(self.theirs)
        }

        func stain() {
            _ = send(self.theirs, "x", 1, 0)
        }
    }

    private final class User {
        var id: ObjectIdentifier { ObjectIdentifier(self) }
    }

    private static func expect(
        _ ledger: inout SocketLedger, discards expected: Int, at place: SourceLocation = #_sourceLocation
    ) {
        let discarded = ledger.discardUnclean()
        #expect(discarded == expected, sourceLocation: place)
    }

    private func key(_ port: Int32) -> ConnectionKey {
        ConnectionKey(remoteAddress: "10.0.0.1", localAddress: "10.0.0.2", remotePort: 443, localPort: port)
    }

    @Test("only idle sockets are looked at, and an unclean one is discarded once")
    func discard() {
        let (pair, first, second) = (Pair(), User(), User())
        var ledger = SocketLedger()
        ledger.opened(pair.ours)
        ledger.busy(self.key(1), user: first.id)
        pair.stain()
        Self.expect(&ledger, discards: 0)
        ledger.idle(self.key(1), user: first.id) { pair.ours }
        ledger.busy(self.key(1), user: second.id)
        Self.expect(&ledger, discards: 0)
        ledger.idle(self.key(1), user: second.id) { nil }
        Self.expect(&ledger, discards: 1)
        Self.expect(&ledger, discards: 0)
        ledger.closed(pair.ours)
        #expect(ledger.openCount == 0)
    }

    @Test("a connection that was handed on before its first exchange was seen to end is not idle")
    func handedOn() {
        let (pair, first, second) = (Pair(), User(), User())
        var ledger = SocketLedger()
        ledger.opened(pair.ours)
        ledger.busy(self.key(1), user: first.id)
        ledger.busy(self.key(1), user: second.id)
        ledger.idle(self.key(1), user: first.id) { pair.ours }
        pair.stain()
        Self.expect(&ledger, discards: 0)
        ledger.idle(self.key(1), user: second.id) { nil }
        Self.expect(&ledger, discards: 1)
    }

    @Test("a socket closed behind our back is forgotten, also when its number was given out again")
    func closedUnseen() {
        var pair: Pair? = Pair()
        var ledger = SocketLedger()
        ledger.opened(pair?.ours ?? -1)
        ledger.dropClosed()
        #expect(ledger.openCount == 1)
        pair = nil
        let other = Pair()
        ledger.dropClosed()
        #expect(ledger.openCount == 0)
        withExtendedLifetime(other) {}
    }
}
