// The audit log as a test finds it on disk: lines as they stand, members in their order. Not read with the product's own
// reader, which could share a mistake with its writer.

import FoundationEssentials
import Simulator
import TestSupport

/// A record.
struct AuditLine: Decodable, Sendable {
    struct Caller: Decodable, Sendable, Equatable {
        let name: String
        let address: String?
        let via: String?
        let issuer: String?
        let subject: String?
    }

    let seq: Int
    let time: String
    let event: String
    let id: String?
    let intent: Int?
    let operation: String?
    let method: String?
    let target: String?
    let objects: [String]?
    let itwin: String?
    let caller: Caller?
    let reason: String?
    let status: Int?
    let result: String?
    let attempts: Int?
    let duration: Int?
    let prev: String
    let hash: String

    private enum CodingKeys: String, CodingKey {
        case seq, time, event, id, intent, operation, method, target, objects, itwin, caller, reason, status, result
        case attempts, prev, hash
        case duration = "duration_ms"
    }
}

/// A line with its text.
struct AuditText: Sendable {
    let text: String
    let line: AuditLine

    /// The names of its members, in their order.
    var members: [String] {
        var (names, depth, start, isText, isEscaped) = ([String](), 0, 0, false, false)
        let bytes = Array(text.utf8)
        for (index, byte) in bytes.enumerated() {
            if isText {
                if !isEscaped, byte == UInt8(ascii: "\"") {
                    isText = false
                    let isKey = index + 1 < bytes.count && bytes[index + 1] == UInt8(ascii: ":")
                    if depth == 1, isKey { names.append(String(decoding: bytes[start + 1..<index], as: UTF8.self)) }
                }
                isEscaped = !isEscaped && byte == UInt8(ascii: "\\")
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): (isText, start) = (true, index)
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
            default: break
            }
        }
        return names
    }

    /// The JSON of the snapshot as it stands.
    var snapshot: String? {
        guard let start = text.firstRange(of: ",\"snapshot\":"), let end = text.firstRange(of: ",\"prev\":\"") else {
            return nil
        }
        return String(text[start.upperBound..<end.lowerBound])
    }
}

enum AuditLogFile {
    /// All whole lines of a log's folder, in the order of its files.
    static func lines(_ folder: String) throws -> [AuditText] {
        let names = try FileManager.default.contentsOfDirectory(atPath: folder)
            .filter { $0.hasPrefix("audit-") && $0.hasSuffix(".jsonl") }.sorted()
        return try names.flatMap { name in
            let text = String(decoding: try Data(contentsOf: URL(filePath: "\(folder)/\(name)")), as: UTF8.self)
            let whole = text.prefix(upTo: text.lastIndex(of: "\n") ?? text.startIndex)
            return try whole.split(separator: "\n").map { line in
                AuditText(
                    text: String(line), line: try JSONDecoder().decode(AuditLine.self, from: Data(line.utf8)))
            }
        }
    }
}

extension Rig {
    /// The log's folder, unless a flag put it elsewhere.
    var auditFolder: String { folder.path + "/audit" }

    /// All records but `opened` and `closed`.
    func records(in folder: String? = nil) throws -> [AuditText] {
        try AuditLogFile.lines(folder ?? auditFolder).filter { $0.line.event != "opened" && $0.line.event != "closed" }
    }

    /// The records of one call.
    func records(of id: String, in folder: String? = nil) throws -> [AuditText] {
        try records(in: folder).filter { $0.line.id == id }
    }

    /// Events of one call with their results: `["intent", "outcome deleted"]`.
    func story(of id: String, in folder: String? = nil) throws -> [String] {
        try records(of: id, in: folder).map {
            [$0.line.event, $0.line.result].compactMap { $0 }.joined(separator: " ")
        }
    }

    /// A request to the admin listener.
    func admin(_ path: String) async throws -> RawResponse {
        let client = try RawClient(port: adminPort)
        defer { client.close() }
        return try await client.exchange("GET \(path) HTTP/1.1\r\nHost: localhost\r\n\r\n")
    }

    // MARK: Deletes

    /// A v1 DELETE of a run (by its report's id).
    func deleteRun(_ report: String, id: String, _ headers: [(String, String)] = []) async throws -> RawResponse {
        let run = simulator.legacyID(project: iTwin, entity: report) ?? ""
        return try await call("DELETE", "/clashdetection/runs/\(run)", [("x-correlation-id", id)] + headers)
    }

    /// The v2 deletion of a report.
    func deleteReport(_ report: String, id: String, _ headers: [(String, String)] = []) async throws -> RawResponse {
        try await call(
            "POST", "\(v2)/reports/jobs/deletion", [("x-correlation-id", id)] + headers,
            body: #"{"jobs":["\#(report)"],"operation":"delete"}"#)
    }
}
