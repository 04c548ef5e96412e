// What members tell each other: pauses, and pages that are no longer true.

import Ground
import Synchronization

extension RedisLedger {
    package func pause(_ pause: FleetPause, by member: FleetMemberID) async throws(FleetError) {
        _ = try await ask(scripts.pause, "the script that pauses", within: times.must) {
            [.text($0), .member(member), .text(pause.scope), .text(pause.cause), .bounded(pause.left)]
        }
    }

    package func invalidate(
        _ tags: [UInt64], everything: Bool, by member: FleetMemberID
    ) async throws(FleetError) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(tags.count * 8)
        for tag in tags { withUnsafeBytes(of: tag.bigEndian) { bytes += $0 } }
        let packed = bytes
        do throws(FleetError) {
            var answer = try await ask(scripts.invalidate, "the script that invalidates", within: times.tell) {
                [.text($0), .member(member), .bytes(packed), .text(everything ? "1" : "0")]
            }
            let (number, born) = (try answer.number(), try answer.text())
            return RedisNewsID(number: number, born: born, member: member.text, longest: try answer.number()).text
        } catch {
            _ = core.withLock { $0.untold.insert(member) }
            throw error
        }
    }

    /// The engine answers this member: what it could not tell before it tells now. Not what it was, but that it was something.
    func tellUntold(by member: FleetMemberID) {
        guard core.withLock({ $0.untold.remove(member) != nil }) else { return }
        Task { [weak self] in _ = try? await self?.invalidate([], everything: true, by: member) }
    }

    package func applied(_ id: String, by member: FleetMemberID) async throws(FleetError) {
        guard let id = RedisNewsID(text: id) else { return }
        _ = try await ask(scripts.applied, "the script that takes receipts", within: times.must) {
            [.text($0), .member(member), .number(id.number), .text(id.born)]
        }
    }

    package func awaitApplied(_ id: String, maxLag: Duration) async {
        // Who cannot tell which news it was waits for the longest that it knows of.
        let news = RedisNewsID(text: id)
        let lag = max(maxLag, self.maxLag, .milliseconds(min(news?.longest ?? 0, 60_000)))
        let until = time.now() + lag
        var pause: Duration = .milliseconds(1)
        while let news, time.now() < until {
            guard let left = await timeToWait(news, lag) else { break }
            if left == 0 { return }
            await sleep(until: min(time.now() + min(pause, .milliseconds(left)), until))
            pause = min(pause * 2, .milliseconds(20))
        }
        await sleep(until: until)
    }

    package func news(for member: FleetMemberID) -> AsyncStream<FleetNews> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: FleetNews.self, bufferingPolicy: .bufferingOldest(RedisNews.backlog))
        let news = RedisNews(
            link: newsLink, keys: keys, script: scripts.watch, member: member, maxLag: maxLag, time: time)
        let task = Task { await news.run(continuation) }
        continuation.onTermination = { _ in task.cancel() }
        let former = core.withLock { $0.readers.updateValue(task, forKey: member) }
        former?.cancel()
        // A lease begins when it is taken, for then all that came before it has been done.
        return AsyncStream { [weak self] in
            var news = stream.makeAsyncIterator()
            let next = await news.next()
            if let next { self?.taken(next) }
            return next
        }
    }

    /// Milliseconds for which somebody may still show what this news named; nil where that is not known.
    private func timeToWait(_ news: RedisNewsID, _ lag: Duration) async -> Int? {
        var answer = try? await ask(scripts.awaited, "the script that waits", within: times.tell) {
            [.text($0), .text(news.member), .number(news.number), .text(news.born), .number(lag.wholeMilliseconds)]
        }
        guard let left = try? answer?.number(), left >= 0 else { return nil }
        return left
    }

    /// Sleeps also when its task is cancelled: what it waits for holds for others.
    private func sleep(until instant: ContinuousClock.Instant) async {
        await Task { [time] in try? await time.sleep(instant) }.value
    }
}
