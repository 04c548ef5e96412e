// Finds out what became of a start of a run that nobody answered, by reads of the list of runs. Never a second start.

import ClashAPI
import CurlTransport
import Ground
import HTTPTypes
import RateLimiting

/// Usable from every thread.
struct StartSettler: Sendable {
    let reader: ObjectReader
    let environment: Environment

    /// A run that was begun later than so long after the runs before were read is none that the start can have made.
    private static let mostDelay = Duration.seconds(300)

    /// - Parameters:
    ///   - isCrowded: whether another start may have made what this one seems to have made.
    func settle(_ lead: OnceLead, _ reading: Reading, isCrowded: @escaping @Sendable () -> Bool) async -> StartFate {
        guard let start = lead.call.start else {
            return .unknown("the call does not name one test in one iTwin, so its run cannot be told from others")
        }
        guard let known = lead.known else {
            return .unknown(await sight(of: start, reading))
        }
        var looks = StartLooks(now: environment.now())
        while !Task.isCancelled {
            if isCrowded() {
                return .unknown("another start of the same test was under way, and a new run may be either's")
            }
            switch looks.next(now: environment.now()) {
            case .over(let fate): return fate
            case .wait(let until): try? await environment.sleep(until)
            case .look:
                let sight = await look(start, known, since: lead.readAt, reading, until: looks.lastLook)
                looks.saw(sight, now: environment.now())
            }
        }
        return .unknown("this proxy was ending")
    }

    /// What is seen of a start before which the runs of its test could not be read: none of them proves anything, and its caller is
    /// told of them all the same.
    private func sight(of start: RunStart, _ reading: Reading) async -> String {
        let words = "the runs of the test were not known from before, so a new one cannot be told"
        let end = environment.now() + StartLooks.span
        guard case .page(let page) = await reader.runs(start, reading, until: end) else {
            return words + "; now they could not be read either"
        }
        guard !page.rows.isEmpty else { return words + "; now no run is in the list" }
        let ids = page.rows.prefix(3).map(\.id).joined(separator: ", ")
        return words + "; the first in the list are now: \(ids)"
    }

    private func look(
        _ start: RunStart, _ known: KnownRuns, since: ContinuousClock.Instant?, _ reading: Reading,
        until end: ContinuousClock.Instant
    ) async -> StartLooks.Sight {
        let span = since.map { min(environment.now() - $0, Self.mostDelay) } ?? Self.mostDelay
        switch await reader.runs(start, reading, until: end) {
        case .page(let page): return .page(known.find(start, in: page, within: span))
        case .nothing: return .nothing
        case .noRoom: return .never
        }
    }
}

extension ObjectReader {
    /// What a read of a list of runs brings.
    enum RunsRead {
        case page(RunPage)
        case nothing
        /// The limits of the rate allow no such read any more.
        case noRoom
    }

    /// Reads the list that shows the run of a start, before everybody else's calls and within the hard windows.
    func runs(_ start: RunStart, _ reading: Reading, until end: ContinuousClock.Instant) async -> RunsRead {
        let request = settlingTurn(start.version, reading, until: end)
        guard await authorization(reading) != nil else { return .nothing }
        var permit: Gate.Permit
        do throws(Gate.Refusal) {
            permit = try await sender.pacing.gate.admit(request)
        } catch {
            return error.reason == .deadline || error.reason == .coolDown ? .noRoom : .nothing
        }
        guard let place = permit.trySend(),
            let response = await read(
                start.listTarget, start.version, reading, permit, place, fields: start.readFields)
        else { return .nothing }
        guard response.status == .ok, let bytes = await whole(response, limit: Self.maxPageBytes),
            response.body.endIsProven, let page = RunPage(bytes, start.version)
        else {
            response.body.cancel()
            return .nothing
        }
        return .page(page)
    }
}

extension RunStart {
    /// `listFields` as a request has them.
    var readFields: HTTPFields {
        listFields.reduce(into: HTTPFields()) { fields, field in
            if let name = HTTPField.Name(field.name) { fields[name] = field.value }
        }
    }
}

extension KeptAnswer {
    /// What upstream would have answered to a start that has made this run; nil for what is no start.
    init?(_ lead: OnceLead, _ row: RunRow, _ settler: StartSettler) {
        guard let start = lead.call.start else { return nil }
        self.init(
            status: start.answerStatus, fields: [.contentType: "application/json"],
            body: start.answer(row, base: settler.reader.sender.settings.origin.url))
    }
}

extension StartFate {
    var isStarted: Bool { if case .started = self { true } else { false } }
}

extension Failure {
    /// A start of a run that nobody answered.
    static func startUnknown(detail: String) -> Failure {
        Failure(
            .outcomeUnknown, "The start of the run was sent and no answer came, so a run may or may not have begun",
            detail: detail)
    }

    /// With what was seen since.
    func seeing(_ words: String) -> Failure {
        var failure = self
        failure.message += ": \(words). Look at the runs of the test before you start it again."
        failure.wasSent = true
        return failure
    }
}
