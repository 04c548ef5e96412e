// What a flow waits for of its tool ends with its task.

import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization
import Testing

@testable import Edge

@Suite struct ExchangeWaitTests {
    /// A tool that neither sends nor takes anything.
    private final class SilentTool: ExchangeConnection {
        let isWritable = false
        var framed: (any FramedAnswers)? { nil }
        private let waiting: AsyncStream<Void>.Continuation
        private(set) var wait: ConnectionState.Wait?

        init(_ waiting: AsyncStream<Void>.Continuation) { self.waiting = waiting }

        func waits(for wait: ConnectionState.Wait) {
            self.wait = wait
            waiting.yield()
        }
        func waitEnded() { wait = nil }
        func send(_ bytes: ByteBuffer, flush: Bool) {}
        func exchangeFinished(_ exchange: Exchange, isReusable: Bool) {}
    }

    private enum Ended { case callerLeft, otherwise }

    @Test(
        "a wait for a body part ends quietly when its task is cancelled, and so does one for room",
        arguments: [true, false])
    func cancelled(forBody: Bool) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let executor = EventLoopExecutor(group.next())
        let (waits, waiting) = AsyncStream<Void>.makeStream()
        let task = Task(executorPreference: executor) { () -> Ended in
            let tool = SilentTool(waiting)
            guard
                let head = try? RequestHead(
                    decoded(.POST, "/x", [("Host", "h"), ("Content-Length", "2")]))
            else { return .otherwise }
            let exchange = Exchange(
                head: head, known: nil,
                client: Peer(address: "peer"), offeredID: nil, maxBodyBytes: 10,
                connection: tool, executor: executor)
            if forBody {
                do throws(RequestBodyError) { _ = try await exchange.nextBodyPart() } catch {
                    guard case .callerLeft = error, tool.wait == nil else { return .otherwise }
                    return .callerLeft
                }
            } else {
                exchange.begin(.ok, [:], .chunked)
                do throws(CallerLeft) { try await exchange.write([1]) } catch {
                    return tool.wait == nil ? .callerLeft : .otherwise
                }
            }
            return .otherwise
        }
        for await _ in waits { break }
        task.cancel()
        #expect(await task.value == .callerLeft)
        try await group.shutdownGracefully()
    }
}
