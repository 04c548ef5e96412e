// What the tests of this module share: an endpoint whose answers a test gives by hand, one that answers by itself, and
// answers as a token endpoint would send them.

import Ground
import Synchronization
import TestSupport
import Tokens

typealias Posted = Result<TokenEndpointAnswer, TokenEndpointFailure>

/// Every request waits until the test answers it.
final class HandEndpoint: TokenEndpoint {
    /// One request that waits for its answer.
    final class Request: Sendable {
        let request: TokenRequest
        private let continuation: Mutex<CheckedContinuation<Posted, Never>?>

        init(_ request: TokenRequest, _ continuation: CheckedContinuation<Posted, Never>) {
            self.request = request
            self.continuation = Mutex(continuation)
        }

        /// The first answer counts.
        func answer(_ posted: Posted) {
            let continuation = continuation.withLock { $0.take() }
            continuation?.resume(returning: posted)
        }
    }

    private let arrived: AsyncStream<Request>
    private let arrival: AsyncStream<Request>.Continuation
    private let count = Mutex(0)
    private let heedsCancellation: Bool

    init(heedsCancellation: Bool = true) {
        (arrived, arrival) = AsyncStream.makeStream()
        self.heedsCancellation = heedsCancellation
    }

    var requestCount: Int { count.withLock { $0 } }

    /// The next request that has not been looked at, once it is there.
    func next() async throws -> Request {
        for await request in arrived { return request }
        throw CancellationError()
    }

    func post(_ request: TokenRequest) async throws(TokenEndpointFailure) -> TokenEndpointAnswer {
        let pending = Mutex<Request?>(nil)
        let posted = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let waiting = Request(request, continuation)
                pending.withLock { $0 = waiting }
                count.withLock { $0 += 1 }
                arrival.yield(waiting)
                if heedsCancellation, Task.isCancelled { waiting.answer(.failure(.unreachable(detail: "cancelled"))) }
            }
        } onCancel: {
            guard heedsCancellation else { return }
            pending.withLock { $0 }?.answer(.failure(.unreachable(detail: "cancelled")))
        }
        return try posted.get()
    }
}

/// Answers the n-th request (from 1) with what the function says.
final class AutomaticEndpoint: TokenEndpoint {
    private let count = Mutex(0)
    private let reply: @Sendable (Int) -> Posted

    init(_ reply: @escaping @Sendable (Int) -> Posted) { self.reply = reply }

    var requestCount: Int { count.withLock { $0 } }

    func post(_ request: TokenRequest) async throws(TokenEndpointFailure) -> TokenEndpointAnswer {
        let number = count.withLock {
            $0 += 1
            return $0
        }
        await Task.yield()
        return try reply(number).get()
    }
}

/// An answer that grants `token`; `life` is the JSON of `expires_in`.
func granting(_ token: String, life: String = "3600") -> TokenEndpointAnswer {
    json(#"{"access_token":"\#(token)","token_type":"Bearer","expires_in":\#(life)}"#)
}

func json(_ body: String, status: Int = 200, retryAfter: Duration? = nil) -> TokenEndpointAnswer {
    TokenEndpointAnswer(
        status: status, contentType: "application/json", body: Array(body.utf8), retryAfter: retryAfter)
}

extension Time {
    /// A hand-moved clock, and always the same chance. The time of day goes with it, `ahead` by so much.
    static func hand(
        _ clock: TestClock, random: Double = 0.5, ahead: @escaping @Sendable () -> Duration = { .zero }
    ) -> Time {
        Time(
            now: { clock.now },
            sleep: { try await clock.sleep(until: $0) },
            random: { random },
            wallTime: { WallTime(sinceEpoch: .seconds(1_800_000_000) + clock.elapsed + ahead()) }
        )
    }
}

/// Keeps the events of a source, and lets a test await them one by one.
final class EventLog: Sendable {
    private let events = Mutex<[TokenEvent]>([])
    private let stream: AsyncStream<TokenEvent>
    private let continuation: AsyncStream<TokenEvent>.Continuation

    init() { (stream, continuation) = AsyncStream.makeStream() }

    var all: [TokenEvent] { events.withLock { $0 } }

    var record: @Sendable (TokenEvent) -> Void {
        { event in
            self.events.withLock { $0.append(event) }
            self.continuation.yield(event)
        }
    }

    /// The next failure that has not been looked at, once it is there; other events before it are skipped.
    func nextFailure() async throws -> TokenFailure {
        for await event in stream {
            if case .failed(let failure, _) = event { return failure }
        }
        throw CancellationError()
    }

    /// Returns once the token of that generation is there; events before it are skipped.
    func fetched(generation: UInt64) async throws {
        for await event in stream {
            if case .fetched(generation, _, _) = event { return }
        }
        throw CancellationError()
    }

    /// Returns once a try has begun; events before it are skipped.
    func nextRequest() async throws {
        for await event in stream where event == .requested { return }
        throw CancellationError()
    }
}
