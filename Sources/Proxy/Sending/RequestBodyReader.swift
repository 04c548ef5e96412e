// Reads a request body as far as its class depends on it, and streams what does not need to be held.
//
// A v2 delete is a POST whose JSON body says so: a body that may be such a thing is read to its end (within
// listen.max_body_bytes) before anything is decided or sent. Bodies that can not be are streamed with back-pressure.

import ClashAPI
import CurlTransport
import HTTPTypes
import NIOCore

enum RequestBodyReader {
    /// The body, and the operation that it makes of the request.
    static func read(_ exchange: Exchange, _ route: RouteMatch) async throws(FlowExit) -> (CallBody, OperationMatch) {
        if exchange.head.framing == .none {
            return (.none, route.resolve(headers: exchange.head.fields))
        }
        let fields = exchange.head.fields
        guard route.bodyDecides else { return (.streamed(prefix: []), route.resolve(headers: fields)) }
        var classifier = BodyClassifier(route: route, headers: fields)
        var held: [UInt8] = []
        while let part = try await nextPart(exchange) {
            let bytes = Array(part.readableBytesView)
            held += bytes
            if case .decided(let facts) = classifier.consume(bytes) {
                return (.streamed(prefix: held), route.resolve(body: facts, headers: fields))
            }
        }
        return (.bytes(held), route.resolve(body: classifier.finish(), headers: fields))
    }

    private static func nextPart(_ exchange: Exchange) async throws(FlowExit) -> ByteBuffer? {
        do throws(RequestBodyError) {
            return try await exchange.nextBodyPart()
        } catch {
            switch error {
            case .failed(let failure): throw .failed(failure)
            case .callerLeft: throw .callerLeft
            }
        }
    }

    /// Starts to feed a streamed body into the transfer; nil when there is nothing to feed. A body that breaks off
    /// fails the transfer, so that upstream never takes it for whole.
    static func startPump(
        _ exchange: Exchange, _ body: CallBody, into request: inout UpstreamRequest
    ) -> Task<Void, Never>? {
        guard case .streamed(let prefix) = body else { return nil }
        let pipe = RequestBodyPipe()
        request.body = .stream(pipe, length: exchange.head.framing.declaredLength)
        let bound = NIOLoopBound(exchange, eventLoop: exchange.executor.eventLoop)
        return Task(executorPreference: exchange.executor) {
            do {
                if !prefix.isEmpty { try await pipe.write(prefix) }
                while let part = try await bound.value.nextBodyPart() {
                    try await pipe.write(Array(part.readableBytesView))
                }
                pipe.finish()
            } catch {
                pipe.fail()
            }
        }
    }
}
