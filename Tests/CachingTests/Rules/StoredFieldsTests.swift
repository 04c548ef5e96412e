// What is kept of an answer's fields, what a 304 changes, and what Vary picks of a request's.

import HTTPTypes
import Testing

@testable import Caching

@Suite("The fields of a stored answer")
struct StoredFieldsTests {
    @Test("what was true of one exchange only is not stored, everything else is, in order and repeated")
    func storing() {
        let fields = RulesFixture.fields([
            "Content-Type: application/json", "Age: 7", "Link: <a>", "Set-Cookie: a=b",
            "Date: Sun, 06 Nov 1994 08:49:37 GMT",
            "Link: <b>", "Proxy-Authenticate: Basic", "Authentication-Info: x=y", "Cache-Status: cdn; hit",
            "set-cookie: c=d",
            #"ETag: "a""#, "RateLimit: x", "Server-Timing: db;dur=3", "X-Custom: 1", "Retry-After: 3",
        ])
        #expect(
            RulesFixture.lines(StoredFields.forStoring(fields)) == [
                "content-type: application/json", "link: <a>", "date: Sun, 06 Nov 1994 08:49:37 GMT", "link: <b>",
                #"etag: "a""#, "x-custom: 1",
            ])
    }

    @Test("a 304 replaces all lines of the names it has and adds those that are new")
    func replacing() {
        let stored = RulesFixture.fields([
            "Date: old", "Link: <a>", "X-Kept: 1", "Link: <b>", "Cache-Control: max-age=5",
        ])
        let news = RulesFixture.fields(["date: new", "LINK: <c>", "Link: <d>", "X-New: 2", "cache-control: max-age=9"])
        #expect(
            RulesFixture.lines(StoredFields.updated(stored, with: news)).sorted() == [
                "cache-control: max-age=9", "date: new", "link: <c>", "link: <d>", "x-kept: 1", "x-new: 2",
            ])
    }

    @Test(
        "a 304 changes nothing that describes the body and brings in nothing that is never stored",
        arguments: [
            "Content-Length: 0", "Content-Type: text/html", "Content-Encoding: br", "Content-Range: bytes 0-1/2",
            "Content-MD5: x", "Transfer-Encoding: chunked",
            "Digest: x", "Repr-Digest: x", "Content-Digest: x", "Set-Cookie: a=b", "Age: 9",
            "Proxy-Authenticate: Basic",
        ])
    func keeping(line: String) {
        let stored = RulesFixture.fields([
            "Content-Length: 10", "Content-Type: application/json", "Content-Encoding: gzip", "Repr-Digest: own",
        ])
        #expect(StoredFields.updated(stored, with: RulesFixture.fields([line])) == stored)
    }

    @Test(
        "a 304 updates every other field, whatever its name begins with",
        arguments: [
            "Content-Security-Policy", "Content-Language", "Content-Location", "Content-Disposition",
            "Content-Unheard-Of",
        ])
    func updating(name: String) {
        let stored = RulesFixture.fields(["\(name): old"])
        let news = RulesFixture.fields(["\(name): new"])
        #expect(StoredFields.updated(stored, with: news) == news)
    }

    @Test("the verdict after a 304 follows the new directives, the new Date and the 304's own Age")
    func revalidated() {
        let stored = RulesFixture.fields([
            "Date: Sun, 06 Nov 1994 07:00:00 GMT", "Cache-Control: max-age=5", #"ETag: "a""#,
            "Content-Type: text/plain",
        ])
        let notModified = RulesFixture.fields([
            "Date: Sun, 06 Nov 1994 08:49:36 GMT", "Cache-Control: max-age=60", "Age: 12", "Set-Cookie: a=b",
        ])
        let (verdict, fields) = StoringRules.judgeRevalidated(
            stored: stored, notModified: notModified, heuristic: nil, needsPermission: false,
            receivedAt: RulesFixture.now, responseDelay: .seconds(1))
        #expect(
            verdict == .store(Freshness(lifetime: .seconds(60), initialAge: .seconds(13), isExplicit: true)))
        #expect(
            RulesFixture.lines(fields).sorted() == [
                "cache-control: max-age=60", "content-type: text/plain", "date: Sun, 06 Nov 1994 08:49:36 GMT",
                #"etag: "a""#,
            ])
    }

    @Test("a 304 without Date leaves the old age in place, which can only be too old")
    func revalidatedWithoutDate() {
        let stored = RulesFixture.fields(["Date: Sun, 06 Nov 1994 08:48:37 GMT", "Cache-Control: max-age=90"])
        let (verdict, _) = StoringRules.judgeRevalidated(
            stored: stored, notModified: HTTPFields(), heuristic: nil, needsPermission: false,
            receivedAt: RulesFixture.now, responseDelay: .zero)
        #expect(verdict == .store(Freshness(lifetime: .seconds(90), initialAge: .seconds(60), isExplicit: true)))
    }

    @Test("a 304 that says no-store ends the storing")
    func revalidatedNoStore() {
        let (verdict, _) = StoringRules.judgeRevalidated(
            stored: RulesFixture.fields(["Cache-Control: max-age=90"]),
            notModified: RulesFixture.fields(["Cache-Control: no-store"]), heuristic: .seconds(30),
            needsPermission: false, receivedAt: RulesFixture.now, responseDelay: .zero)
        #expect(verdict == .refuse(.noStore))
    }
}

@Suite("Vary")
struct VaryTests {
    private func names(_ lines: String...) -> [String]? {
        Vary.names(in: RulesFixture.fields(lines))?.map(\.canonicalName)
    }

    private func key(_ vary: String, _ lines: String...) -> String? {
        Vary.names(in: RulesFixture.fields(["Vary: \(vary)"])).map { Vary.key($0, of: RulesFixture.fields(lines)) }
    }

    @Test("names are listed once, in an order that upstream's order does not change")
    func order() {
        #expect(names() == [])
        #expect(names("Vary: ") == [])
        #expect(names("Vary: Origin, accept ,\tACCEPT,,") == ["accept", "origin"])
        #expect(names("Vary: accept", "Vary: Origin") == ["accept", "origin"])
    }

    @Test(
        "a star, and what is no name, cannot be matched",
        arguments: ["*", "accept, *", "*, accept", "a b", "ä", "a;b"])
    func unmatchable(value: String) {
        #expect(names("Vary: origin", "Vary: \(value)") == nil)
    }

    @Test("the key is the same for the same values, whatever else the requests carry")
    func sameKeys() {
        #expect(Vary.key([], of: RulesFixture.fields(["Accept: a"])) == "")
        #expect(key("Accept", "Accept: a", "X: 1") == key("accept", "X: 2", "ACCEPT: a"))
        #expect(key("accept, origin", "Origin: o", "Accept: a") == key("origin, accept", "Accept: a", "Origin: o"))
        #expect(key("accept", "X: 1") == key("accept", "X: 2"), "absent in both")
        #expect(key("accept", "Accept: a", "Accept: b") == key("accept", "Accept: a, b"), "lines make one list")
    }

    @Test("the key differs where the values do")
    func otherKeys() {
        let keys = [
            key("accept, origin"), key("accept, origin", "Accept: "), key("accept, origin", "Origin: "),
            key("accept, origin", "Accept: a"), key("accept, origin", "Accept: A"), key("accept, origin", "Origin: a"),
            key("accept, origin", "Accept: a", "Origin: a"), key("accept, origin", "Accept: a", "Accept: b"),
            key("accept, origin", "Accept: b", "Accept: a"), key("accept, origin", "Accept: origin:a"),
            key("accept, origin", "Accept: ä"), key("accept, origin", "Accept: %c3%a4"),
            key("accept, origin", "Accept: ö"),
        ]
        #expect(Set(keys).count == keys.count, "\(keys)")
    }

    @Test("values that are no UTF-8 are told apart")
    func bytes() throws {
        let name = try #require(HTTPField.Name("x-name"))
        func key(_ bytes: [UInt8]) -> String {
            var fields = HTTPFields()
            fields.append(HTTPField(name: name, lenientValue: bytes))
            return Vary.key([name], of: fields)
        }
        #expect(key([0x61, 0xE4]) != key([0x61, 0xF6]))
    }
}
