// traceparent and tracestate, by the specification and by what its own test suite holds implementations to:
// https://www.w3.org/TR/trace-context/ and https://github.com/w3c/trace-context/tree/main/test

import HTTPTypes
import Testing

@testable import Proxy

@Suite struct TraceContextTests {
    private static let trace = "0af7651916cd43dd8448eb211c80319c"
    private static let span = "b7ad6b7169203331"
    private static let good = "00-\(trace)-\(span)-01"

    @Test("a valid traceparent is taken as it says")
    func valid() throws {
        let context = try #require(TraceContext(parent: Self.good))
        #expect(context.trace.text == Self.trace && context.parent.text == Self.span)
        #expect(context.isSampled && !context.isRandom && context.state == nil)
        #expect(TraceContext(parent: "00-\(Self.trace)-\(Self.span)-00")?.isSampled == false)
        #expect(TraceContext(parent: "00-\(Self.trace)-\(Self.span)-02")?.isSampled == false)
        #expect(TraceContext(parent: "00-\(Self.trace)-\(Self.span)-02")?.isRandom == true)
        #expect(TraceContext(parent: "00-\(Self.trace)-\(Self.span)-ff")?.isSampled == true)
    }

    @Test("what later versions add is not looked at, and what they must not change is")
    func laterVersions() {
        for version in ["01", "cc", "fe"] {
            #expect(TraceContext(parent: "\(version)-\(Self.trace)-\(Self.span)-01") != nil)
            #expect(TraceContext(parent: "\(version)-\(Self.trace)-\(Self.span)-01-what-the-future-brings") != nil)
            #expect(TraceContext(parent: "\(version)-\(Self.trace)-\(Self.span)-01.what") == nil)
            #expect(TraceContext(parent: "\(version)-\(Self.trace)-\(Self.span)-0") == nil)
        }
        #expect(TraceContext(parent: "00-\(Self.trace)-\(Self.span)-01-more") == nil)
        #expect(TraceContext(parent: "ff-\(Self.trace)-\(Self.span)-01") == nil)
    }

    @Test(
        "what is not valid is nothing at all",
        arguments: [
            "", "00", "00-", good + " ", " " + good, good + "-", good.uppercased(), "0-\(trace)-\(span)-01",
            "00-\(String(repeating: "0", count: 32))-\(span)-01", "00-\(trace)-\(String(repeating: "0", count: 16))-01",
            "00-\(trace.dropLast())-\(span)-01", "00-\(trace)0-\(span)-01", "00-\(trace)-\(span.dropLast())-01",
            "00-\(trace)-\(span)-1", "00-\(trace)-\(span)-001", "0x-\(trace)-\(span)-01", "00-\(trace)-\(span)-0x",
            "00_\(trace)_\(span)_01", "00-\(trace.dropLast())g-\(span)-01", "00-\(trace.dropLast())A-\(span)-01",
            "00-\(trace)-\(span.dropLast())é-01", "00-\(trace)-\(span.dropLast())--01",
        ])
    func invalid(_ text: String) {
        #expect(TraceContext(parent: text) == nil)
    }

    @Test("two of them are none")
    func repeated() {
        #expect(TraceContext(fields(["traceparent": Self.good])) != nil)
        #expect(TraceContext(fields(["traceparent": Self.good, "Traceparent": Self.good])) == nil)
        #expect(TraceContext(fields(["tracestate": "a=1"])) == nil)
    }

    private func state(_ values: String...) -> String? { TraceContext(parent: Self.good, state: values)?.state }

    @Test("a tracestate goes on as it is, of several fields as one list")
    func state() {
        #expect(state("foo=1") == "foo=1" && state("foo=1,bar=2", "baz=3") == "foo=1,bar=2,baz=3")
        #expect(state("foo=1 \t , \t bar=2, \t baz=3") == "foo=1,bar=2,baz=3")
        #expect(state("foo=1,", "", ",bar=2") == "foo=1,bar=2" && state("", ",,") == nil)
        #expect(state("foo=\t 1") == nil && state("foo= 1") == "foo= 1")
        // What is there twice may stay so.
        #expect(state("foo=1,foo=1") == "foo=1,foo=1")
        #expect(state("a-0_*/z@b=!\"#~") == "a-0_*/z@b=!\"#~" && state("0t@v=1") == "0t@v=1")
    }

    @Test("a tracestate that breaks a rule is not told on, and costs the traceparent nothing")
    func brokenState() {
        for broken in [
            "foo", "foo=", "=1", "foo=1=2", "Foo=1", "foo@=1", "@foo=1", "foo@@bar=1", "foo@bar@baz=1", "fo o=1", "0=1",
            "foo=1,bar", "foo=bar\u{7F}", "foo=é", "foo .=1", "a@0b=1",
        ] {
            #expect(state(broken) == nil, "\(broken)")
        }
        #expect(TraceContext(parent: Self.good, state: ["foo"]) != nil)
    }

    @Test("its limits: 32 members, 256 characters of key and value, 241 of a tenant and 14 of its system")
    func limits() {
        func z(_ count: Int) -> String { String(repeating: "z", count: count) }
        let members = (1...32).map { "bar\($0)=\($0)" }.joined(separator: ",")
        #expect(state(members) == members && state(members + ",bar33=33") == nil)
        #expect(state("\(z(256))=1") != nil && state("\(z(257))=1") == nil)
        #expect(state("\(z(241))@\(z(14))=1") != nil)
        #expect(state("\(z(242))@v=1") == nil && state("t@\(z(15))=1") == nil)
        #expect(state("a=\(z(256))") != nil && state("a=\(z(257))") == nil)
    }

    @Test("ids are never zero and never the same")
    func ids() {
        let ids = TraceIDs(seed: (0 &- 0x9E37_79B9_7F4A_7C15, 0))
        var spans = Set<SpanID>()
        for _ in 0..<10_000 { spans.insert(ids.nextSpan()) }
        #expect(spans.count == 10_000 && !spans.contains(SpanID(bits: 0)))
        #expect(ids.nextTrace() != ids.nextTrace())
        #expect(TraceID(high: 1, low: 0xabc).text == "00000000000000010000000000000abc")
    }
}
