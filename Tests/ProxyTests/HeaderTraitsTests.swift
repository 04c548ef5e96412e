// Which headers go on to the next hop.

import HTTPTypes
import Testing

@testable import Proxy

@Suite struct HeaderTraitsTests {
    @Test("hop-by-hop headers and what Connection names never go on, in either direction")
    func hopByHop() {
        let all = fields([
            "Connection": "X-One, keep-alive", "X-One": "1", "connection": " x-two ,, ", "X-Two": "2",
            "Keep-Alive": "5",
            "TE": "trailers", "Trailer": "X", "Transfer-Encoding": "chunked", "Upgrade": "h2c", "HTTP2-Settings": "x",
            "Proxy-Connection": "close", "Proxy-Authorization": "x", "Proxy-Authenticate": "x", "X-Three": "3",
        ])
        #expect(all.endToEnd(dropping: .dropUpstream).lines == ["X-Three: 3"])
        #expect(all.endToEnd(dropping: .dropDownstream).lines == ["X-Three: 3"])
    }

    @Test("credentials and instructions for this proxy do not go upstream")
    func upstream() {
        let tool = fields([
            "Host": "h", "Authorization": "Bearer a", "X-Api-Key": "k", "x-audit-reason": "r", "Expect": "100-continue",
            "X-Correlation-ID": "i", "Content-Length": "3", "Accept": "a", "accept": "b", "Cookie": "c",
        ])
        #expect(tool.endToEnd(dropping: .dropUpstream).lines == ["Accept: a", "accept: b", "Cookie: c"])
    }

    @Test("framing and what the proxy says itself do not go to the tool, the rest does")
    func downstream() {
        let answer = fields([
            "Content-Length": "3", "x-correlation-id": "i", "Alt-Svc": "h2", "Set-Cookie": "a", "set-cookie": "b",
            "WWW-Authenticate": "Bearer", "access-control-allow-origin": "*",
        ])
        #expect(
            answer.endToEnd(dropping: .dropDownstream).lines == [
                "Set-Cookie: a", "set-cookie: b", "WWW-Authenticate: Bearer", "access-control-allow-origin: *",
            ])
        #expect(!answer.endToEnd(dropping: [.dropDownstream, .cors]).lines.contains("access-control-allow-origin: *"))
    }

    @Test("a shared fetch carries every field of the cache's key, and each in its one spelling only")
    func sharedFetch() {
        let key = [HTTPField.Name.accept, .prefer] + HeaderTraits.names(with: .selecting)
        #expect(key.count == 5)
        for name in HeaderTraits.names(with: .selecting) {
            #expect(HeaderTraits.of(name).contains(.inEveryKey), "\(name)")
        }
        for name in key { #expect(HeaderTraits.of(name).contains(.sharedFetch), "\(name)") }
        let tool = fields([
            "Accept": "a", "repository-id": "r", "repository_id": "x", "Cookie": "c", "Accept-Language": "de",
            "Via": "v",
        ])
        #expect(tool.ofSharedFetch.lines == ["Accept: a", "repository-id: r", "Via: v"])
        #expect(tool.exceedsSharedFetch)
        #expect(
            !fields(["User-Agent": "a", "Accept-Encoding": "b", "Host": "h", "Pragma": "no-cache"]).exceedsSharedFetch)
        #expect(fields(["repository_id": "r"]).exceedsSharedFetch && fields(["If-None-Match": "*"]).exceedsSharedFetch)
        #expect(fields(["Connection": "Repository-ID"]).nominatesSharedFetch)
        #expect(!fields(["Connection": "close, x-one"]).nominatesSharedFetch)
    }

    @Test("what says by which way a request came does not go upstream, in whatever spelling")
    func wayHere() {
        let tool = fields([
            "Forwarded": "f", "X-Forwarded-For": "a", "x-forwarded-proto": "b", "X_Forwarded_Host": "c",
            "X-Real-IP": "d",
            "X-Original-Host": "e", "X-Original_Port": "f", "X-Forward": "kept",
        ])
        #expect(tool.endToEnd(dropping: .dropUpstream).lines == ["X-Forward: kept"])
    }

    @Test("list elements are trimmed, and empty ones are no elements")
    func elements() {
        #expect(" a ,\t,b,, c d ".listElements == ["a", "b", "c d"])
        #expect("".listElements.isEmpty && " , ".listElements.isEmpty)
        #expect(" \t x y \t"[...].trimmedSpaces == "x y")
    }
}
