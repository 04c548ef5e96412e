// Takes an answer off upstream as fast as it comes, whatever its tool does: a place upstream is as long as its call, and a
// tool that reads slowly holds none. What waits for the tool counts as held; an answer that is too large for that, or for
// which there is no room, is under way as long as its tool reads, and such answers have half of the places together.

import CurlTransport
import Edge
import RateLimiting

/// One answer that is being taken off. Ended by whoever began it, in every case.
struct ReadAhead {
    /// Where the tool's bytes come from.
    let body: RelayedBody
    private let growing: GrowingBody
    private let task: Task<Void, Never>

    /// Of what is shorter, the rest fits into the buffers on the way.
    private static let smallBytes = 64 << 10

    /// Nil where there is nothing to gain: the answer is short, or here already.
    ///
    /// - Parameters:
    ///   - limit: the largest answer that is held.
    ///   - place: what its call holds upstream.
    /// - Throws: the answer is too large to hold, and too many such are under way.
    init?(
        _ answer: any UpstreamBody, limit: Int, place: Gate.Place?, _ visit: Visit, _ call: CallTraits
    ) throws(FlowExit) {
        if answer.isBufferedComplete { return nil }
        if let length = answer.declaredLength {
            if length <= Self.smallBytes { return nil }
            if length > limit {
                // A change was made, so its tool hears of it in any case.
                if place?.becomesLong() == false, call.isSafe {
                    answer.cancel()
                    throw .failed(.tooManyLongNow)
                }
                return nil
            }
        }
        let growing = GrowingBody(visit.answerRoom)
        self.growing = growing
        body = RelayedBody(growing, declaredLength: answer.declaredLength)
        task = Task(executorPreference: visit.wire.executor) {
            await Self.take(answer, into: growing, limit: limit, place: place, call)
        }
    }

    /// The tool has all of it, or is gone.
    func end() {
        growing.leave()
        task.cancel()
    }

    private static func take(
        _ answer: any UpstreamBody, into growing: GrowingBody, limit: Int, place: Gate.Place?, _ call: CallTraits
    ) async {
        var count = 0
        do throws(FlowExit) {
            while let bytes = try await answer.nextBytes(call) {
                count += bytes.count
                if growing.append(bytes), count <= limit { continue }
                // As above, a change is passed on in any case.
                if growing.isLeft || (place?.becomesLong() == false && call.isSafe) {
                    answer.cancel()
                    return growing.end(.failed(.tooManyLongNow))
                }
                return growing.end(.rest(answer))
            }
            growing.end(.whole)
        } catch {
            if case .failed(let failure) = error {
                growing.end(.failed(failure))
            } else {
                growing.end(.failed(.cancelled))
            }
        }
    }
}

extension Failure {
    /// Nobody hears of it: its tool is gone.
    fileprivate static let cancelled = Failure(.internalError, "The answer was given up.")
}
