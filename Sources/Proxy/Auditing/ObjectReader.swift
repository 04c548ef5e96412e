// Reads one object of a call: before a delete to keep what goes, after it to learn what came of it.
// A read is a call like others; its failure stops nothing.

import ClashAPI
import CurlTransport
import Ground
import HTTPTypes
import RateLimiting
import Tokens

/// On whose behalf an object is read.
struct Reading: Sendable {
    /// Of the call that it is read for.
    let correlationID: String
    let caller: String
    /// The tool's own credentials, in pass-through mode.
    let authorization: HTTPField?
    /// The same for the gate.
    var token: GateRequest.Token?
    /// Of the call that it is read for; nil where nothing is traced.
    var trace: RequestTrace?

    var tag: RequestTag { RequestTag(id: correlationID, caller: caller, trace: trace?.id) }
}

/// Small reads on the proxy's own behalf.
struct ObjectReader: Sendable {
    let sender: UpstreamSender
    /// What is stored of an object, in the words of the API; nil where nothing is, or stored answers are kept apart.
    let cached: @Sendable (OperationMatch, _ id: String) -> [UInt8]?
    /// Ends with the process.
    let settling: SettlingTasks
    let environment: Environment

    /// What one read brings is here by then, or not at all.
    private static let patience = Duration.seconds(5)
    private static let maxSettledObjects = 10
    private static let maxSnapshotBytes = 64 << 10
    static let maxPageBytes = 1 << 20
    private static let maxErrorBytes = 64 << 10

    /// What the cache holds of what a delete is about to destroy.
    func stored(_ match: OperationMatch) -> [UInt8]? {
        guard match.deletesWhatItNames, let id = match.objectIDs.first, let stored = cached(match, id) else {
            return nil
        }
        return stored.count <= Self.maxSnapshotBytes ? stored : nil
    }

    /// Whether the API has a small read of what a delete is about to destroy.
    func hasSnapshot(of match: OperationMatch) -> Bool {
        guard match.deletesWhatItNames, let id = match.objectIDs.first else { return false }
        return match.isReportDelete ? match.route.pathITwin != nil : match.readTarget(of: id) != nil
    }

    /// What a delete is about to destroy, as JSON; nil where the API has no small read for it, or the read failed.
    ///
    /// - Parameters:
    ///   - permit: the delete's turn, which covers this read. Upstream's refusal of it holds for the delete too.
    ///   - place: where it is read.
    func snapshot(
        _ match: OperationMatch, _ reading: Reading, _ permit: borrowing Gate.Permit, _ place: Gate.Place
    ) async -> [UInt8]? {
        guard match.deletesWhatItNames, let id = match.objectIDs.first else { return nil }
        if match.isReportDelete {
            // The report itself can be 40 MB; its row in the list says what it was.
            guard let itwin = match.route.pathITwin else { return nil }
            let list = "/clash-detection/itwins/\(itwin)/reports?$top=100"
            let page = await body(of: list, .v2, reading, permit, place, limit: Self.maxPageBytes)
            return page.flatMap { ListRow.find(id, in: $0) }
        }
        guard let target = match.readTarget(of: id) else { return nil }
        return await body(of: target, match.operation.version, reading, permit, place, limit: Self.maxSnapshotBytes)
    }

    /// What became of the objects of a delete that nobody answered: all gone, all still there when last looked at, or not
    /// to be known. Takes as long as `LookSchedule.span` unless they are gone.
    func settle(_ match: OperationMatch, objects: [String], _ reading: Reading) async -> ObjectFate {
        let targets = objects.compactMap { match.readTarget(of: $0) }
        guard match.deletesWhatItNames, !targets.isEmpty, targets.count == objects.count,
            targets.count <= Self.maxSettledObjects
        else { return .unknown }
        var schedule = LookSchedule(objects: targets.count, now: environment.now())
        return await withTaskGroup(of: Look?.self) { group in
            defer { group.cancelAll() }
            // The earliest that a sleeper of the group wakes.
            var sleepsUntil: ContinuousClock.Instant?
            while !Task.isCancelled {
                switch schedule.next(now: environment.now()) {
                case .over(let fate): return fate
                case .look(let index):
                    let (target, end) = (targets[index], schedule.end)
                    group.addTask {
                        Look(index: index, sight: await look(at: target, match, reading, until: end))
                    }
                case .wait(let until):
                    if sleepsUntil.map({ until < $0 }) ?? true {
                        sleepsUntil = until
                        group.addTask { [environment] in
                            try? await environment.sleep(until)
                            return nil
                        }
                    }
                    guard let ended = await group.next() else { continue }
                    guard let ended else {
                        sleepsUntil = nil
                        continue
                    }
                    if let sight = ended.sight { schedule.saw(sight, of: ended.index) } else { schedule.cannotLook() }
                }
            }
            return .unknown
        }
    }

    /// A look that has ended; without a sight it could not be made.
    private struct Look: Sendable {
        let index: Int
        let sight: LookSchedule.Sight?
    }

    /// Looks at one object, before everybody else's calls and within the hard windows. Nil where the limits of the rate allow
    /// no look any more: all else may be better the next time.
    private func look(
        at target: String, _ match: OperationMatch, _ reading: Reading, until end: ContinuousClock.Instant
    ) async -> LookSchedule.Sight? {
        let version = match.operation.version
        let request = settlingTurn(version, reading, until: end)
        guard await authorization(reading) != nil else { return .nothing }
        var permit: Gate.Permit
        do throws(Gate.Refusal) {
            permit = try await sender.pacing.gate.admit(request)
        } catch {
            return error.reason == .deadline || error.reason == .coolDown ? nil : .nothing
        }
        if let fleet = sender.fleet, !sender.pacing.observes {
            guard let pass = await fleet.pass(request, deadline: end), fleet.holds(pass) else { return nil }
        }
        guard let place = permit.trySend() else { return .nothing }
        guard let response = await read(target, version, reading, permit, place) else { return .nothing }
        defer { response.body.cancel() }
        switch response.status.code {
        case 404, 410: return await isGone(match, response) ? .gone : .nothing
        case 200: return .there
        default:
            // Upstream may have asked for a pause that outlasts all looks.
            let pause = sender.pacing.gate.pause(for: request) ?? .zero
            return environment.now() + pause < end ? .nothing : nil
        }
    }

    /// How a look asks for its turn: before everybody else's calls.
    func settlingTurn(
        _ version: APIVersion, _ reading: Reading, until end: ContinuousClock.Instant
    ) -> GateRequest {
        GateRequest(
            caller: "clash-proxy", priority: .settling, operation: "settle", api: .init(version),
            wait: end - environment.now(), token: reading.token)
    }

    /// Whether the answer speaks of the object: a gateway on the way knows nothing of it, nor does one who misses its iTwin.
    private func isGone(_ match: OperationMatch, _ response: UpstreamResponse) async -> Bool {
        guard let kind = match.operation.objectKind, let body = await whole(response, limit: Self.maxErrorBytes) else {
            return false
        }
        return MissingObject.isMeant(by: body, kind: kind)
    }

    private func body(
        of target: String, _ version: APIVersion, _ reading: Reading, _ permit: borrowing Gate.Permit,
        _ place: Gate.Place, limit: Int
    ) async -> [UInt8]? {
        guard let response = await read(target, version, reading, permit, place), response.status == .ok else {
            return nil
        }
        guard let bytes = await whole(response, limit: limit) else { return nil }
        return response.body.endIsProven ? bytes : nil
    }

    /// A body to its end; nil where it breaks off or is too large.
    func whole(_ response: UpstreamResponse, limit: Int) async -> [UInt8]? {
        var bytes: [UInt8] = []
        do {
            while let chunk = try await response.body.next() {
                bytes += chunk
                guard bytes.count <= limit else {
                    response.body.cancel()
                    return nil
                }
            }
        } catch {
            return nil
        }
        return bytes
    }

    func authorization(_ reading: Reading) async -> HTTPField? {
        guard case .own(let tokens) = sender.credentials else { return reading.authorization }
        return (try? await tokens.current()).map { HTTPField(name: .authorization, value: $0.headerValue) }
    }

    /// - Parameter fields: that it sends besides.
    func read(
        _ target: String, _ version: APIVersion, _ reading: Reading, _ permit: borrowing Gate.Permit,
        _ place: Gate.Place, fields: HTTPFields = [:]
    ) async -> UpstreamResponse? {
        guard let authorization = await authorization(reading) else { return nil }
        var request = UpstreamRequest(origin: sender.settings.origin, target: target)
        request.fields.append(authorization)
        request.fields[.accept] = version.mediaType
        request.fields[.correlationID] = reading.correlationID
        request.fields[.acceptEncoding] = "identity"
        for field in fields { request.fields.append(field) }
        request.decodesContent = true
        request.fields.append(sender.settings.via("1.1"))
        request.repeatable = false
        request.cancellation = .always
        request.firstByteTimeout = Self.patience
        request.stallTimeout = Self.patience
        let operation = ClashAPI.match(method: .get, target: target).operation
        return try? await sender.sendOnce(
            request, operation, permit, place, for: reading.tag, as: reading.trace?.beginCall(at: environment.now()))
    }
}

extension OperationMatch {
    /// Whether a read of the ids that the call names says what became of it: it deletes these very objects, and no
    /// others. Suppressions are named by their report, which stays when they go.
    var deletesWhatItNames: Bool {
        operation.operationClass == .delete && operation != Self.removeSuppressions && !body.isUnreadable
            && !body.idsAreIncomplete
    }

    /// The report itself can be 40 MB; its row in the list is what is read.
    fileprivate var isReportDelete: Bool { operation.version == .v2 && operation.objectKind == .report }

    private static let removeSuppressions = Operation.named("v2.manual-suppressions.remove")
}

/// What a read says about an object.
enum ObjectFate: Sendable {
    case gone, there, unknown
}
