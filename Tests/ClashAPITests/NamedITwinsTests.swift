// Ids in every spelling, and what a call names: the rules of scope and protection as values.

import HTTPTypes
import Testing

@testable import ClashAPI

@Suite struct NamedITwinsTests {
    private static let guid = SampleIDs.project

    @Test("a GUID is the same in every spelling, and what is none is none")
    func spellings() throws {
        let id = try #require(EntityID(Self.guid))
        #expect(id.text == Self.guid)
        let bare = Self.guid.filter { $0 != "-" }
        let hex = "{0x0a1b2c3d,0x4e5f,0x4a6b,{0x8c,0x7d,0x9e,0x0f,0x1a,0x2b,0x3c,0x4d}}"
        for text in [
            Self.guid.uppercased(), "{\(Self.guid)}", "(\(Self.guid))", bare, bare.uppercased(), "{\(bare)}",
            " \(Self.guid)\t", "%7B\(Self.guid)%7D", "%257B\(Self.guid)%257D", Self.guid.replacing("-", with: "%2d"),
            hex, "{0xa1b2c3d,0x4E5F,0X4a6b,{0x8c, 0x7d,0x9e,0xf,0x1a,0x2b,0x3c,0x4d}}",
        ] {
            #expect(EntityID(text) == id, "\(text)")
        }
        for text in [
            "", "{}", "()", "{", Self.guid + "0", String(Self.guid.dropLast()), "{\(Self.guid)", "(\(Self.guid)}",
            Self.guid.replacing("-", with: "_"), "x" + Self.guid.dropFirst(), "{0x1,0x2,0x3}", "{,,,,,,,,,,}",
            SampleIDs.run, String(repeating: "%", count: 40), String(repeating: "a", count: 300),
        ] {
            #expect(EntityID(text) == nil, "\(text)")
        }
        #expect(EntityID("00000000-0000-0000-0000-000000000001") != EntityID("00000000-0000-0001-0000-000000000000"))
    }

    @Test("a v1 id is the same with padding, spare bits, in either alphabet; it carries project and entity")
    func v1() throws {
        let project = try #require(EntityID(SampleIDs.project))
        let run = try #require(EntityID(SampleIDs.runGUID))
        let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
        let last = try #require(SampleIDs.run.last.flatMap { letters.firstIndex(of: $0) })
        let standard = SampleIDs.run.replacing("-", with: "+").replacing("_", with: "/")
        for text in [
            SampleIDs.run, SampleIDs.run + "=", SampleIDs.run + "%3D", standard + "=",
            String(SampleIDs.run.dropLast()) + String(letters[last | 3]), SampleIDs.result,
        ] {
            #expect(AnyID(text) == .v1(project: project, entity: run), "\(text)")
        }
        #expect(AnyID(SampleIDs.runGUID.uppercased()) == .guid(run))
        for text in [
            "", "AbC", String(SampleIDs.run.dropLast()), SampleIDs.run + "A", SampleIDs.run.replacing("A", with: "!"),
        ]
        where text != SampleIDs.run {
            #expect(AnyID(text) == nil, "\(text)")
        }
    }

    @Test("each operation of the table says where its iTwin stands, and a call that names it there is complete")
    func places() throws {
        for operation in Operation.all {
            #expect((operation.itwinPlace != nil) == operation.isKnown, "\(operation.name)")
            if operation.version == .v2, operation.isKnown { #expect(operation.itwinPlace == .path) }
        }
        let project = SampleIDs.project
        let calls: [(HTTPRequest.Method, String, String, ITwinPlace?)] = [
            (.get, "/clash-detection/itwins/\(project)/tests", "", .path),
            (.get, "/clashdetection/tests?projectId=\(project)", "", .query),
            (.post, "/clashdetection/tests", #"{"projectId":"\#(project)"}"#, .body),
            (.get, "/clashdetection/runs/\(SampleIDs.run)", "", .id),
            (.get, "/clashdetection/results/\(SampleIDs.result)", "", .id),
            (.post, "/clashdetection/runs", #"{"testId":"\#(SampleIDs.test)"}"#, .test),
            (.get, "/clash-detection/itwins/\(project)/what", "", nil),
        ]
        for (method, target, body, place) in calls {
            let match = resolve(method, target, body: body)
            let named = match.namedITwins(match.body)
            #expect(match.operation.itwinPlace == place, "\(target)")
            #expect(named.isComplete && named.unreadable == nil, "\(target)")
            #expect(named.names.map(\.id.text) == [project], "\(target)")
        }
    }

    @Test("an iTwin that is named elsewhere than its operation looks for it does not make the call complete")
    func elsewhere() {
        for (method, target, body) in [
            (HTTPRequest.Method.get, "/clashdetection/tests", ""),
            (.post, "/clashdetection/tests?projectId=\(SampleIDs.project)", "{}"),
            (.post, "/clashdetection/runs?projectId=\(SampleIDs.project)", "{}"),
            (.get, "/clashdetection/nowhere", ""),
        ] {
            let match = resolve(method, target, body: body)
            #expect(!match.namedITwins(match.body).isComplete, "\(target)")
        }
        // What a body may yet say.
        #expect(ClashAPI.match(method: .post, target: "/clashdetection/tests").namedITwins.mayGetComplete)
        #expect(!ClashAPI.match(method: .get, target: "/clashdetection/tests").namedITwins.mayGetComplete)
    }

    @Test("an iTwin that only another reader of the query would see cannot be told; what all read alike can")
    func readings() throws {
        let (mine, foreign) = (Self.guid, "99999999-2222-4333-8444-555555555555")
        func named(_ query: String) -> NamedITwins {
            ClashAPI.match(method: .get, target: "/clashdetection/tests?" + query).namedITwins
        }
        for query in [
            "projectId=\(mine)&x=1;projectId=\(foreign)", "x=1;projectId=\(foreign)&projectId=\(mine)",
            "projectId=\(mine);projectId=\(foreign)", "projectId=\(mine)&;iTwinId=\(foreign)",
            "projectId=\(mine)&project%2549d=\(foreign)", "projectId=\(mine)&%2570rojectId=\(foreign)",
            "projectId=\(mine)&project%252549d=\(foreign)", "projectId=\(mine)&x=1%26projectId=\(foreign)",
            "projectId=\(mine)&x=1%3BprojectId%3D\(foreign)", "projectId=\(mine)&x=1%2526iTwinId%253D\(foreign)",
            "projectId=\(mine)&projectId%3D\(foreign)", "projectId=\(mine)&x=1;projectId=other",
            "projectId=\(mine)&x%3Bprojectid%3d%257B\(foreign)%257D",
        ] {
            #expect(named(query).unreadable == .id(.query), "\(query)")
        }
        for query in [
            "projectId=\(mine)", "%24top=5&projectId=\(mine)", "projectId=%7B\(mine)%7D&%24skip=10",
            "project%49d=\(mine)&x=%2541%253B", "projectId=\(mine)&x=1;y=2", "projectId=\(mine)&$search=a%26b%3Bc",
            "projectId=\(mine)&x=1;projectId=\(mine.uppercased())", "projectId=\(mine)&x=1;projectId=",
        ] {
            let named = named(query)
            #expect(named.unreadable == nil && named.isComplete && named.names.map(\.id.text) == [mine], "\(query)")
        }
        #expect(!named("x=1;projectId=\(mine)").isComplete)
    }

    @Test("watched ids are found in a query however it is read")
    func watchedInQueries() throws {
        let run = try #require(EntityID(SampleIDs.runGUID))
        for query in [
            "a=\(SampleIDs.runGUID)", "a=1;b=\(SampleIDs.runGUID)", "a=1%26b=\(SampleIDs.run)",
            "a=1%253Bb%253D\(SampleIDs.run)",
        ] {
            let route = ClashAPI.match(method: .delete, target: "/clashdetection/runs?" + query)
            #expect(route.firstNamed(of: [run]) == run, "\(query)")
        }
        #expect(ClashAPI.match(method: .delete, target: "/clashdetection/runs?a=1;b=2").firstNamed(of: [run]) == nil)
    }

    @Test("watched ids are found in any string of a body, however deep, and by v1 id or GUID alike")
    func watched() throws {
        let run = try #require(EntityID(SampleIDs.runGUID))
        let project = try #require(EntityID(SampleIDs.project))
        let route = ClashAPI.match(method: .post, target: "/clash-detection/x")
        for (body, ids, isFound) in [
            (#"{"a":[{"b":{"c":"\#(SampleIDs.runGUID.uppercased())"}}]}"#, [run], true),
            (#"["\#(SampleIDs.run)"]"#, [run], true), (#"["\#(SampleIDs.run)"]"#, [project], true),
            (#"["\#(SampleIDs.result)="]"#, [run], true), (#"["\#(SampleIDs.test)"]"#, [run], false),
            (#"{"\#(SampleIDs.runGUID)":1}"#, [run], false),
            (
                #"{"a":"\#(SampleIDs.runGUID.map { "\\u00\(String($0.asciiValue ?? 0, radix: 16))" }.joined())"}"#,
                [run], true
            ),
        ] {
            for size in [1, 7, 1000] {
                var classifier = BodyClassifier(route: route, headers: [:], watching: Set(ids))
                var rest = Array(body.utf8)[...]
                while !rest.isEmpty {
                    _ = classifier.consume(Array(rest.prefix(size)))
                    rest = rest.dropFirst(size)
                }
                #expect((classifier.finish().watchedID != nil) == isFound, "\(body)")
            }
        }
    }

    @Test("own paths are known in every spelling, and nothing else is taken for one")
    func ownPaths() {
        func own(_ target: String) -> [String]? { ClashAPI.match(method: .get, target: target).ownPath }
        #expect(own("/_proxy/me") == ["me"] && own("//%5Fproxy/ME?x") == ["me"] && own("/_PROXY;a=1") == [])
        #expect(own("/;a/;b=_proxy/_proxy?me") == [])
        #expect(own("/clash-detection/_proxy/me") == nil && own("/_proxyme") == nil && own("/") == nil)
    }
}
