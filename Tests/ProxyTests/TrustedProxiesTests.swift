// Whom X-Forwarded-For names, by rule; that logs and links go by it is shown over sockets (ForwardedClientTests).

import Ground
import Testing

@testable import Edge
@testable import Proxy

@Suite struct TrustedProxiesTests {
    /// Trusted: 10/8, fd00::/8 and 192.0.2.1.
    private let proxies = TrustedProxies([
        NetworkRange(bytes: [10, 0, 0, 0], prefixLength: 8),
        NetworkRange(bytes: [0xfd] + Array(repeating: 0, count: 15), prefixLength: 8),
        NetworkRange(bytes: [192, 0, 2, 1], prefixLength: 32),
    ])

    @Test(
        "the client is the first address from the right that is not trusted itself",
        arguments: [
            ([], "10.0.0.1"), ([""], "10.0.0.1"), ([" , ,"], "10.0.0.1"), (["203.0.113.9"], "203.0.113.9"),
            (["6.6.6.6, 203.0.113.9"], "203.0.113.9"), (["203.0.113.9, 10.1.1.1"], "203.0.113.9"),
            (["6.6.6.6, 203.0.113.9, 10.1.1.1, 192.0.2.1"], "203.0.113.9"), (["10.1.1.1, 10.2.2.2"], "10.1.1.1"),
            (["203.0.113.9,,10.1.1.1, ,"], "203.0.113.9"), (["6.6.6.6", "203.0.113.9"], "203.0.113.9"),
            (["203.0.113.9", "10.1.1.1", "10.2.2.2"], "203.0.113.9"), (["203.0.113.9, 10.1.1.1", ""], "203.0.113.9"),
            // What is no address ends the search.
            (["unknown"], "10.0.0.1"), (["203.0.113.9, unknown"], "10.0.0.1"), (["unknown, 10.1.1.1"], "10.1.1.1"),
            (["203.0.113.9, _hidden, 10.1.1.1, 10.2.2.2"], "10.1.1.1"), (["unknown, 203.0.113.9"], "203.0.113.9"),
            (["203.0.113.9 10.1.1.1"], "10.0.0.1"), (["\"203.0.113.9\""], "10.0.0.1"),
            (["for=203.0.113.9"], "10.0.0.1"),
            (["203.0.113"], "10.0.0.1"), (["203.0.113.256"], "10.0.0.1"), (["localhost"], "10.0.0.1"),
            // Ports are cut off.
            (["203.0.113.9:4711"], "203.0.113.9"), (["203.0.113.9:80, 10.1.1.1:80"], "203.0.113.9"),
            (["[2001:db8::1]:80"], "2001:db8::1"), (["[2001:db8::1]"], "2001:db8::1"), (["2001:DB8::1"], "2001:db8::1"),
            (["2001:db8::1, [fd00::5]:9, fd00::6"], "2001:db8::1"), (["::ffff:203.0.113.9"], "203.0.113.9"),
            (["203.0.113.9, ::ffff:10.1.1.1"], "203.0.113.9"), (["203.0.113.9, [::ffff:10.1.1.1]:80"], "203.0.113.9"),
            (["203.0.113.9:"], "10.0.0.1"), (["203.0.113.9:x"], "10.0.0.1"), (["203.0.113.9:123456"], "10.0.0.1"),
            (["[203.0.113.9]:80"], "10.0.0.1"), (["[2001:db8::1"], "10.0.0.1"), (["[2001:db8::1]80"], "10.0.0.1"),
            (["[]"], "10.0.0.1"), (["[:]:"], "10.0.0.1"), ([":80"], "10.0.0.1"), (["fe80::1%eth0"], "10.0.0.1"),
        ])
    func client(values: [String], address: String) {
        #expect(proxies.client(behind: "10.0.0.1", "http", forwardedFor: values, forwardedProto: []).address == address)
    }

    @Test("of nobody else, and of nobody at all where none is trusted, anything is believed")
    func others() {
        let request = { (peer: String) in
            RefusedRequest.of(peer: peer, forwardedFor: ["203.0.113.9"])
        }
        #expect(proxies.client(of: request("10.0.0.1")).address == "203.0.113.9")
        for peer in ["11.0.0.1", "192.0.2.2", "::1", "unix", "127.0.0.1"] {
            #expect(proxies.client(of: request(peer)).address == peer)
            #expect(TrustedProxies([]).client(of: request(peer)).address == peer)
        }
    }

    @Test(
        "the scheme is what was said by whoever named the client",
        arguments: [
            ([], ["https"], "https"), (["203.0.113.9"], ["https"], "https"), (["203.0.113.9"], ["HTTPS"], "https"),
            (["203.0.113.9"], ["http"], "http"), (["203.0.113.9"], [], nil), (["203.0.113.9"], ["wss"], nil),
            (["203.0.113.9"], ["javascript:x//"], nil), (["203.0.113.9"], [" , https,"], "https"),
            // Whoever is in between adds its own, or does not.
            (["203.0.113.9, 10.1.1.1"], ["https, http"], "https"), (["203.0.113.9, 10.1.1.1"], ["https"], "https"),
            (["203.0.113.9, 10.1.1.1"], ["https", "http"], "https"),
            (["6.6.6.6, 203.0.113.9"], ["http, https"], "https"),
        ] as [([String], [String], String?)])
    func scheme(forwardedFor: [String], values: [String], scheme: String?) {
        for own in ["http", "https"] {
            let client = proxies.client(behind: "10.0.0.1", own, forwardedFor: forwardedFor, forwardedProto: values)
            #expect(client.scheme == scheme ?? own)
        }
    }
}

extension RefusedRequest {
    fileprivate static func of(peer: String, forwardedFor: [String]) -> RefusedRequest {
        RefusedRequest(peer: peer, forwardedFor: forwardedFor, method: nil, offeredID: nil)
    }
}
