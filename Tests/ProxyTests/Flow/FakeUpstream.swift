// Upstream as a script: what each request is answered with is the test's to say, and no socket is opened.

import CurlTransport
import Ground
import HTTPTypes
import Synchronization

@testable import Proxy

/// Answers by a closure that gets the request and its number, counted from 1. Usable from every thread.
final class FakeUpstream: Upstream {
    typealias Script = @Sendable (UpstreamRequest, Int) async throws(TransferFailure) -> UpstreamResponse

    private let state: Mutex<(script: Script, requests: [UpstreamRequest])>

    init(_ script: @escaping Script = { _, number in .json(#"{"number":\#(number)}"#) }) {
        state = Mutex((script, []))
    }

    /// What came, in order.
    var requests: [UpstreamRequest] { state.withLock { $0.requests } }

    /// As `METHOD target`.
    var calls: [String] { requests.map { "\($0.method.rawValue) \($0.target)" } }

    /// From now on.
    func answer(_ script: @escaping Script) { state.withLock { $0.script = script } }

    func execute(_ request: UpstreamRequest) async throws(TransferFailure) -> UpstreamResponse {
        let (script, number) = state.withLock { state in
            var kept = request
            // Its place is the transfer's, and goes back with that.
            kept.ended = nil
            state.requests.append(kept)
            return (state.script, state.requests.count)
        }
        let response: UpstreamResponse
        do throws(TransferFailure) {
            response = try await script(request, number)
        } catch {
            request.ended?()
            throw error
        }
        if let body = response.body as? FakeBody { body.whenOver(request.ended) }
        return response
    }

    func connect(to origin: Origin) async throws(TransferFailure) {}
}

/// A body whose bytes are all there, or that ends in a failure; every read hands out one chunk.
final class FakeBody: UpstreamBody {
    private let rest: Mutex<[[UInt8]]>
    private let failure: TransferFailure?
    let declaredLength: Int?
    let endIsProven: Bool
    private let end = Mutex((isCancelled: false, isOver: false, tell: (@Sendable () -> Void)?.none))

    init(_ chunks: [[UInt8]], declaresLength: Bool = true, endIsProven: Bool = true, failure: TransferFailure? = nil) {
        rest = Mutex(chunks)
        declaredLength = declaresLength ? chunks.reduce(0) { $0 + $1.count } : nil
        self.endIsProven = endIsProven
        self.failure = failure
    }

    func next() async throws(TransferFailure) -> [UInt8]? {
        if let chunk = rest.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) { return chunk }
        over()
        if let failure { throw failure }
        return nil
    }

    func cancel() {
        end.withLock { if !$0.isOver { $0.isCancelled = true } }
        over()
    }

    /// `tell` is called once, when the body has been read to its end or given up.
    func whenOver(_ tell: (@Sendable () -> Void)?) { end.withLock { $0.tell = tell } }

    private func over() {
        let tell = end.withLock { end in
            end.isOver = true
            return end.tell.take()
        }
        tell?()
    }

    /// Given up before its end.
    var isCancelled: Bool { end.withLock { $0.isCancelled } }
    var isBufferedComplete: Bool { failure == nil && rest.withLock { $0.count } <= 1 }
    var trailers: HTTPFields { HTTPFields() }
}

extension UpstreamResponse {
    /// An answer with these bytes.
    static func with(
        _ code: Int = 200, _ pairs: KeyValuePairs<String, String> = [:], body: any UpstreamBody = FakeBody([])
    ) -> UpstreamResponse {
        UpstreamResponse(
            status: HTTPResponse.Status(code: code), fields: ProxyTests.fields(pairs), body: body,
            facts: Facts(connectionReused: false, connect: .zero, firstByte: .zero))
    }

    /// A JSON document.
    static func json(
        _ text: String, _ code: Int = 200, _ pairs: KeyValuePairs<String, String> = [:]
    ) -> UpstreamResponse {
        var response = ProxyTests.fields(pairs)
        response[.contentType] = "application/json"
        return UpstreamResponse(
            status: HTTPResponse.Status(code: code), fields: response, body: FakeBody([Array(text.utf8)]),
            facts: Facts(connectionReused: false, connect: .zero, firstByte: .zero))
    }
}
