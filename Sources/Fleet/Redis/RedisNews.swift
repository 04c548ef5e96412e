// Reads the fleet's news on a connection of its own, because its questions wait: the shell of `RedisNewsState`.

import Ground
import NIOCore

/// One reader, for one member.
struct RedisNews: Sendable {
    let link: RedisLink
    let keys: RedisKeys
    let script: RedisScript
    let member: FleetMemberID
    let maxLag: Duration
    let time: Time

    /// A question waits so long for news; several fit into a lease.
    private var wait: Duration { min(max(maxLag / 4, .milliseconds(5)), .seconds(1)) }

    /// What a listener may have before it that it has not taken: then something is dropped, and it is told that there is a gap.
    static let backlog = 10_000

    /// Goes on until its task is cancelled.
    func run(_ continuation: AsyncStream<FleetNews>.Continuation) async {
        var state = RedisNewsState()
        var isKnown = true
        while !Task.isCancelled {
            do throws(RedisTrouble) {
                let line = try await link.line(within: .seconds(1))
                do throws(RedisTrouble) {
                    let news = try await ask(line, isKnown, &state)
                    isKnown = true
                    for new in news {
                        if case .dropped = continuation.yield(new) { _ = state.lose() }
                    }
                } catch .noScript {
                    isKnown = false
                } catch {
                    link.told(error, on: line)
                    throw error
                }
            } catch {
                // The link looks for the server meanwhile; what the server refuses is not asked for in a loop.
                try? await time.sleep(time.now() + .milliseconds(50))
            }
        }
        continuation.finish()
    }

    private func ask(
        _ line: RedisLink.Line, _ isKnown: Bool, _ state: inout RedisNewsState
    ) async throws(RedisTrouble) -> [FleetNews] {
        let watch = script.command(
            byDigest: isKnown, keys: keys.common,
            arguments: [.text(line.greeting.runID), .member(member), .number(maxLag.wholeMilliseconds)])
        let read = RedisCommand(
            "XREAD", "BLOCK", String(wait.wholeMilliseconds), "COUNT", String(RedisNewsState.batch), "STREAMS",
            keys.stream, state.place)
        let asked = time.now()
        let answers = await line.connection.call([watch, read], within: wait + .milliseconds(500))
        guard answers.count == 2 else { throw .closed }
        let watched = try RedisNewsState.Watch(answers[0].get(), server: line.greeting.runID)
        return state.take(watched, try RedisNewsState.entries(answers[1].get(), for: member), asked: asked)
    }
}

extension RedisNewsState.Watch {
    init(_ value: RESPValue, server: String) throws(RedisTrouble) {
        guard let items = value.items, items.count == 4, items[0].text == "ok", let born = items[1].text,
            let number = items[2].number, let place = items[3].text
        else { throw .unexpected("the script that watches") }
        self.init(server: server, born: born, number: Int(clamping: number), place: place)
    }
}

extension RedisNewsState {
    /// The entries of a reply to XREAD.
    static func entries(_ value: RESPValue, for member: FleetMemberID) throws(RedisTrouble) -> [Entry] {
        if value == .null { return [] }
        guard let streams = value.items, streams.count == 1, let stream = streams[0].items, stream.count == 2,
            let list = stream[1].items
        else { throw .unexpected("XREAD") }
        var entries: [Entry] = []
        for item in list {
            guard let parts = item.items, parts.count == 2, let place = parts[0].text, let flat = parts[1].items else {
                throw .unexpected("XREAD")
            }
            var fields: [String: RESPValue] = [:]
            for index in stride(from: 0, to: flat.count - 1, by: 2) {
                if let name = flat[index].text { fields[name] = flat[index + 1] }
            }
            entries.append(
                Entry(place: place, number: Int(clamping: fields["n"]?.number ?? 0), kind: kind(fields, member)))
        }
        return entries
    }

    private static func kind(_ fields: [String: RESPValue], _ member: FleetMemberID) -> Entry.Kind {
        if fields["m"]?.text == member.text { return .own }
        switch fields["k"]?.text {
        case "i":
            guard let bytes = fields["t"]?.bytes, bytes.count % 8 == 0 else { return .unknown }
            let tags = stride(from: 0, to: bytes.count, by: 8).map { start in
                bytes[start..<(start + 8)].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            }
            return .invalidated(tags: tags, everything: fields["e"]?.text == "1")
        case "p":
            guard let scope = fields["s"]?.text, let cause = fields["c"]?.text, let left = fields["l"]?.number else {
                return .unknown
            }
            return .paused(scope: scope, cause: cause, left: Int(clamping: left))
        default: return .unknown
        }
    }
}
