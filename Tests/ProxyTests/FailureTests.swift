// The error table and the bytes that come of it.

import ClashAPI
import FoundationEssentials
import Ground
import HTTPTypes
import Testing

@testable import Proxy

@Suite struct FailureTests {
    private static let table: [(FailureReason, Int, String)] = [
        (.invalidRequest, 400, "InvalidRequest"), (.callerKeyMissing, 401, "HeaderNotFound"),
        (.callerKeyUnknown, 401, "InvalidCallerKey"), (.permissionDenied, 403, "InsufficientPermissions"),
        (.originNotAllowed, 403, "OriginNotAllowed"), (.protected, 403, "Protected"),
        (.operationNotFound, 404, "OperationNotFound"),
        (.bodyTooLarge, 413, "RequestTooLarge"), (.targetTooLong, 414, "RequestTooLarge"),
        (.headersTooLarge, 431, "RequestTooLarge"), (.rateLimited, 429, "RateLimitExceeded"),
        (.queueFull, 429, "RateLimitExceeded"), (.upstreamUnreachable, 502, "UpstreamUnreachable"),
        (.upstreamNotTrusted, 502, "UpstreamUnreachable"), (.upstreamInvalidResponse, 502, "UpstreamInvalidResponse"),
        (.upstreamTimeout, 504, "UpstreamTimeout"), (.outcomeUnknown, 504, "OutcomeUnknown"),
        (.tokenUnavailable, 503, "TokenUnavailable"), (.tooManyConnections, 503, "TooManyConnections"),
        (.shuttingDown, 503, "ShuttingDown"), (.internalError, 500, "InternalError"),
    ]

    @Test("each reason has the status and code of the table")
    func rows() {
        for (reason, status, code) in Self.table {
            let row = reason.row(.v2)
            #expect(row.status.code == status && row.code == code, "\(reason)")
        }
    }

    @Test("the status agrees with who caused the failure")
    func causes() {
        for reason in FailureReason.allCases {
            let code = reason.row(.v2).status.code
            switch Failure(reason, "").cause {
            case .tool: #expect((400..<500).contains(code) || [501, 504, 505, 508].contains(code), "\(reason)")
            case .proxy: #expect([429, 500, 503].contains(code), "\(reason)")
            case .upstream: #expect([502, 504].contains(code), "\(reason)")
            }
        }
    }

    @Test("v1 has its own word for too many requests")
    func versions() {
        #expect(FailureReason.rateLimited.row(.v1).code == "TooManyRequests")
        #expect(FailureReason.queueFull.row(.v1).code == "TooManyRequests")
        #expect(FailureReason.rateLimited.row(.other).code == "RateLimitExceeded")
    }

    @Test("reasons are distinct and fit into a quoted string")
    func reasons() {
        let names = FailureReason.allCases.map(\.rawValue)
        #expect(Set(names).count == names.count)
        #expect(names.allSatisfy { $0.utf8.allSatisfy { (0x61...0x7A).contains($0) || $0 == 0x2D } })
    }

    @Test("an answer is whole: who speaks, which request, when to come back, in words as well")
    func answer() throws {
        let failure = Failure(
            .tokenUnavailable, "No \"token\"\n\u{1}é.", target: "a\\b", retryAfter: .milliseconds(1_200),
            detail: "hidden")
        let (status, fields, body) = failure.answer(context(cors: "https://a.example"))
        #expect(status.code == 503)
        #expect(
            fields.lines.prefix(3).elementsEqual([
                "Content-Type: application/json", "Date: Sun, 06 Nov 1994 08:49:37 GMT", "Retry-After: 2",
            ]))
        #expect(
            fields.lines.contains(
                "Proxy-Status: clash-proxy; error=proxy_configuration_error; details=\"token-unavailable\""))
        #expect(fields.lines.contains("x-correlation-id: id-1") && fields.lines.contains("Via: 1.1 clash-proxy"))
        #expect(fields.lines.contains("Access-Control-Allow-Origin: https://a.example"))
        let parsed = try JSONDecoder().decode([String: [String: String]].self, from: Data(body))
        #expect(
            parsed == [
                "error": [
                    "code": "TokenUnavailable", "target": "a\\b",
                    "message": "No \"token\"\n\u{1}é. Try again in 2 s. [x-correlation-id: id-1]",
                ]
            ])
        #expect(!String(decoding: body, as: UTF8.self).contains("hidden"))
    }

    @Test("only 401 asks for credentials, and only waits have Retry-After")
    func fields() {
        for (reason, status, _) in Self.table {
            let (_, fields, _) = Failure(reason, "m").answer(context())
            #expect((fields[.wwwAuthenticate] == "Bearer") == (status == 401), "\(reason)")
            #expect(fields[.retryAfter] == nil && fields[.accessControlAllowOrigin] == nil)
        }
    }

    private func context(cors: String? = nil) -> FailureContext {
        FailureContext(correlationID: "id-1", corsOrigin: cors, wallTime: WallTime(seconds: 784_111_777))
    }
}
