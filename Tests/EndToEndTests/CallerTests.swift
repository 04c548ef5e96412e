// Who may call, and what: keys, permissions by class, in every spelling of a delete.

import Proxy
import TestSupport
import Testing

@testable import Configuration

@Suite(.timeLimit(.minutes(8))) struct CallerTests {
    private static let v1Run = "/clashdetection/runs/AbC"
    private static let deletion = "/clash-detection/itwins/i/reports/jobs/deletion"
    private static let deleteBody = #"{"jobs":["1"],"operation":"delete"}"#

    @Test("without a key, or with a wrong one, a call gets 401 and WWW-Authenticate and goes nowhere")
    func keys() async throws {
        try await withCallers(["reader": "read"]) { rig, received, keys in
            let path = "/clashdetection/tests"
            for headers in [[], [("Authorization", "Basic eDp5")], [("Authorization", "Bearer ")], [("X-Api-Key", "")]]
            {
                let answer = try await rig.get(path, headers)
                answer.expectError(401, "HeaderNotFound", reason: "caller-key-missing", target: "Authorization")
            }
            let key = keys["reader"] ?? ""
            let wrong = [
                ("Authorization", "Bearer cpk_wrong"), ("X-Api-Key", "cpk_wrong"), ("X-Api-Key", key + "x"),
                ("X-Api-Key", key.uppercased()), ("X-Api-Key", String(key.dropLast())),
                ("Authorization", "Bearer \(key) x"),
            ]
            for header in wrong {
                let answer = try await rig.get(path, [header])
                answer.expectError(401, "InvalidCallerKey", reason: "caller-key-unknown")
                #expect(!answer.text.contains(header.1))
            }
            #expect(received.count == 0)
            for header in [("Authorization", "Bearer \(key)"), ("authorization", "bearer  \(key)"), ("X-Api-Key", key)]
            {
                #expect(try await rig.get(path, [header]).status == 200, "\(header.0)")
            }
            let both = try await rig.get(path, [("Authorization", "Bearer my.own.jwt"), ("x-api-key", key)])
            #expect(both.status == 200)
            #expect(received.all.allSatisfy { $0.values("X-Api-Key").isEmpty })
            #expect(received.all.allSatisfy { $0.values("Authorization").allSatisfy { $0.hasPrefix("Bearer ey") } })
        }
    }

    @Test("a stranger learns nothing: the key is asked for before path and body are judged")
    func order() async throws {
        try await withCallers(["reader": "read"]) { rig, _, _ in
            for target in ["/nowhere", Self.v1Run, Self.deletion] {
                let answer = try await rig.call("POST", target, [("Content-Length", "99999999999")])
                answer.expectError(401, "HeaderNotFound", reason: "caller-key-missing", target)
            }
        }
    }

    @Test("each class of operation needs its right, and 403 says which ones the caller has")
    func permissions() async throws {
        try await withCallers(["reader": "read", "writer": "read,write", "runner": "run", "deleter": "delete"]) {
            rig, received, keys in
            let calls: [(String, String, String, String?)] = [
                ("read", "GET", "/clashdetection/tests", nil), ("read", "HEAD", "/clashdetection/tests", nil),
                ("read", "OPTIONS", "/clashdetection/tests", nil), ("write", "POST", "/clashdetection/tests", "{}"),
                ("write", "PUT", "/clashdetection/tests/1", "{}"), ("run", "POST", "/clashdetection/runs", "{}"),
                ("run", "POST", "/clash-detection/itwins/i/runs/jobs", #"{"operation":"cancel","jobs":["1"]}"#),
                ("delete", "DELETE", Self.v1Run, nil), ("delete", "POST", Self.deletion, Self.deleteBody),
                ("write", "PATCH", "/clash-detection/itwins/i/suppression-rules/1", "{}"),
                ("write", "POST", "/clash-detection/unknown", "{}"),
                ("delete", "DELETE", "/clash-detection/unknown", nil),
            ]
            let rights = ["reader": ["read"], "writer": ["read", "write"], "runner": ["run"], "deleter": ["delete"]]
            for (name, allowed) in rights {
                for (needed, method, target, body) in calls {
                    let before = received.count
                    let answer = try await rig.call(method, target, [("X-Api-Key", keys[name] ?? "")], body: body)
                    if allowed.contains(needed) {
                        #expect(answer.status == 200, "\(name) \(method) \(target)")
                    } else if method == "HEAD" {
                        #expect(answer.status == 403 && answer.body.isEmpty)
                    } else {
                        answer.expectError(403, "InsufficientPermissions", reason: "permission-denied")
                        #expect(answer.text.contains(allowed.joined(separator: ", ")))
                        #expect(received.count == before, "\(name) \(method) \(target) was not sent")
                    }
                }
            }
        }
    }

    @Test(
        "a delete needs the delete right in every spelling of its path",
        arguments: [
            "/clash-detection/itwins/i/reports/jobs/deletion", "/clash-detection/itwins/i/reports/jobs/deletion/",
            "/clash-detection/itwins/i/reports/jobs/DELETION", "/Clash-Detection/ITWINS/i/Reports/Jobs/Deletion",
            "/clash-detection/itwins/i/reports/jobs/%64eletion", "/clash-detection/itwins/i/reports/jobs/de%6Cetion",
            "/clash-detection/itwins/i//reports//jobs//deletion", "/clash-detection//itwins/i/reports/jobs/deletion",
            "/clash-detection/itwins/i/reports/jobs/deletion;x", "/clash-detection/itwins/i/reports/jobs/deletion;x=1/",
            "/clash-detection/itwins/i/reports;v/jobs;w/deletion",
            "/clash-detection/itwins/i/reports/jobs/deletion?x=y",
            "/clash-detection/itwins/i/tests/jobs/deletion", "/clash-detection/itwins/i/anything/jobs/deletion",
            "/clash-detection/itwins/i/reports/bulkdeletion", "/clashdetection/runs/deletion/AbC",
            "/clash-detection/itwins/i/reports/jobs/deletion%3Bx", "/clash-detection/itwins/i/reports/jobs/deletion%20",
        ])
    func spellings(target: String) async throws {
        try await withCallers(["writer": "read,write,run"]) { rig, received, keys in
            let key = ("X-Api-Key", keys["writer"] ?? "")
            for body in [#"{"jobs":["1"]}"#, "", "plain text"] {
                let answer = try await rig.call("POST", target, [key], body: body)
                answer.expectError(403, "InsufficientPermissions", reason: "permission-denied")
            }
            #expect(received.count == 0)
        }
    }

    @Test(
        "a body that says delete makes any POST, PUT or PATCH a delete, however it is written",
        arguments: [
            #"{"jobs":["1"],"operation":"delete"}"#, #"{"operation":"DELETE"}"#,
            #" {"a":{"b":[1]},"operation" : "delete" } "#,
            #"{"operation":"\u0064elete"}"#, #"{"\u006fperation":"delete"}"#,
            #"{"operation":"run","operation":"delete"}"#,
            #"{"operation":"delete","operation":"run"}"#, #"{"Operation":"delete"}"#, #"{"operation":" delete "}"#,
        ])
    func bodies(body: String) async throws {
        try await withCallers(["writer": "read,write,run"]) { rig, received, keys in
            let key = ("X-Api-Key", keys["writer"] ?? "")
            for (method, target) in [
                ("POST", "/clash-detection/itwins/i/runs/jobs"), ("PUT", "/clash-detection/itwins/i/tests/1"),
                ("PATCH", "/clash-detection/itwins/i/unknown"), ("POST", "/clashdetection/tests"),
            ] {
                let answer = try await rig.call(method, target, [key], body: body)
                answer.expectError(403, "InsufficientPermissions", reason: "permission-denied", "\(method) \(target)")
            }
            #expect(received.count == 0)
        }
    }

    @Test("a body that cannot be read counts as a delete")
    func unreadable() async throws {
        try await withCallers(["writer": "read,write,run"]) { rig, received, keys in
            let key = ("X-Api-Key", keys["writer"] ?? "")
            let bodies: [([(String, String)], String)] = [
                ([("Content-Encoding", "gzip")], "\u{1f}\u{8b}\u{8}"), ([("Content-Encoding", "br")], "{}"),
                ([("Content-Type", "application/json; charset=utf-16")], "{}"),
                ([], "{\"operation\":\"run\""), ([], "{\"operation\": run}"),
                ([], "\u{feff}{\"operation\":\"delete\"}"),
                ([], "/*c*/{\"operation\":\"delete\"}"),
                ([("Content-Type", "application/x-www-form-urlencoded")], "operation=delete&jobs=ID"),
                ([], "x({\"operation\":\"delete\"})"), ([], ")]}',\n{\"operation\":\"delete\"}"),
                ([("Content-Type", "application/xml")], "<operation>delete</operation>"),
                ([("Content-Type", "multipart/form-data; boundary=b")], "--b\r\n\r\ndelete\r\n--b--"),
            ]
            for (headers, body) in bodies {
                let answer = try await rig.call(
                    "POST", "/clash-detection/itwins/i/runs/jobs", [key] + headers, body: body)
                answer.expectError(403, "InsufficientPermissions", reason: "permission-denied", body)
            }
            #expect(received.count == 0)
            for none in ["", " \r\n"] {
                let answer = try await rig.call("POST", "/clash-detection/itwins/i/runs/jobs", [key], body: none)
                #expect(answer.status == 200, "\(answer.text)")
            }
        }
    }

    /// A rig with callers (name: rights) in front of an origin that takes everything.
    private func withCallers(
        _ callers: [String: String], _ body: @escaping (Rig, Received, [String: String]) async throws -> Void
    ) async throws {
        let received = Received()
        let origin = origin(received) { _, request in
            request.requestLine.hasPrefix("HEAD") ? "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" : ok
        }
        var keys: [String: String] = [:]
        var tables = ""
        for (name, rights) in callers {
            let made = try KeyGenerator.make(name: name, allow: rights)
            keys[name] = made.key.withValue { $0 }
            tables += made.table
        }
        let file = tables
        let known = keys
        try await withRig { options in
            options.origin = origin
            options.file = file
        } _: { rig in
            try await body(rig, received, known)
        }
        origin.stop()
    }
}
