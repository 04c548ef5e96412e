// Who in front of us is believed about whom a request comes from (listen.trusted_proxies). `X-Forwarded-For` is read from
// its end, where the proxy nearest to us has written: everything before the first address that nobody trusted could have
// been written by anybody.

import Edge
import Ground
import HTTPTypes

/// The proxies in front of us. Immutable; usable from every event loop.
struct TrustedProxies: Sendable {
    private let ranges: [NetworkRange]

    init(_ ranges: [NetworkRange]) { self.ranges = ranges }

    /// Who has sent this request.
    func client(of exchange: Exchange) -> Client {
        guard !ranges.isEmpty, exchange.client.maySpeakForOthers, isTrusted(exchange.peer) else {
            return Client(address: exchange.peer, scheme: exchange.client.scheme)
        }
        let fields = exchange.head.fields
        return client(
            behind: exchange.peer, exchange.client.scheme, forwardedFor: fields[values: .forwardedFor],
            forwardedProto: fields[values: .forwardedProto])
    }

    /// Who has sent what never became a request.
    func client(of request: RefusedRequest) -> Client {
        guard !ranges.isEmpty, isTrusted(request.peer) else { return Client(address: request.peer) }
        return client(behind: request.peer, "http", forwardedFor: request.forwardedFor, forwardedProto: [])
    }

    private func isTrusted(_ peer: String) -> Bool { IPAddress(peer).map(contains) ?? false }

    private func contains(_ address: IPAddress) -> Bool { ranges.contains { $0.contains(address) } }

    /// Several lines of a field are one list (RFC 9110 section 5.3).
    ///
    /// - Parameter scheme: what that peer speaks to us.
    func client(
        behind peer: String, _ scheme: String, forwardedFor: [String], forwardedProto: [String]
    ) -> Client {
        var address = peer
        var hops = 0
        for element in forwardedFor.flatMap(\.listElements).reversed() {
            // Whoever wrote what is no address had none to name: the last one before it is as far as we know.
            guard let found = Self.address(element) else { break }
            address = found.description
            hops += 1
            if !contains(found) { break }
        }
        let named = Self.scheme(forwardedProto.flatMap(\.listElements), hops: hops)
        return Client(address: address, scheme: named ?? scheme)
    }

    /// An address, which may have a port: `192.0.2.1:80`, `[2001:db8::1]:80`, `[2001:db8::1]`.
    private static func address(_ element: String) -> IPAddress? {
        if element.hasPrefix("[") {
            guard let end = element.firstIndex(of: "]") else { return nil }
            let inside = element[element.index(after: element.startIndex)..<end]
            let rest = element[element.index(after: end)...]
            guard inside.contains(":"), rest.isEmpty || isPort(rest) else { return nil }
            return IPAddress(String(inside))
        }
        guard let colon = element.firstIndex(of: ":"), element.contains(".") else { return IPAddress(element) }
        let isMapped = element[element.index(after: colon)...].contains(":")
        if isMapped { return IPAddress(element) }
        return isPort(element[colon...]) ? IPAddress(String(element[..<colon])) : nil
    }

    private static func isPort(_ text: Substring) -> Bool {
        text.first == ":" && (2...6).contains(text.utf8.count) && text.utf8.dropFirst().allSatisfy(ASCII.isDigit)
    }

    /// The element that whoever named the client wrote, if all in between added theirs; of a shorter list the first.
    private static func scheme(_ elements: [String], hops: Int) -> String? {
        guard !elements.isEmpty else { return nil }
        let scheme = elements[max(0, elements.count - max(1, hops))].lowercased()
        return scheme == "http" || scheme == "https" ? scheme : nil
    }
}
