// Reads one object of a call: before a delete to keep what goes, after it to learn what came of it.
// A read is a call like others (the permit of its delete covers it); its failure stops nothing.

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
    /// The tool's own credentials, in pass-through mode.
    let authorization: HTTPField?
    /// Whose calls upstream counts together, in pass-through mode.
    var gateKey: String?
}

/// Small reads on the proxy's own behalf.
struct ObjectReader: Sendable {
    let transport: any Upstream
    let credentials: Credentials
    /// What is stored of an object, in the words of the API; nil where nothing is, or stored answers are kept apart.
    let cached: @Sendable (OperationMatch, _ id: String) -> [UInt8]?
    let settings: UpstreamSettings
    let pacing: Pacing
    let events: EventLog
    let environment: Environment

    /// What is asked for is known by then, or not at all.
    private static let patience = Duration.seconds(5)
    private static let maxSettledObjects = 10
    private static let maxSnapshotBytes = 64 << 10
    private static let maxPageBytes = 1 << 20
    private static let pausesForJobs: [Duration] = [.milliseconds(500), .seconds(2)]

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
    /// - Parameter permit: the delete's turn, which covers this read. Upstream's refusal of it holds for the delete too.
    func snapshot(
        _ match: OperationMatch, _ reading: Reading, _ permit: borrowing Gate.Permit
    ) async -> [UInt8]? {
        guard match.deletesWhatItNames, let id = match.objectIDs.first else { return nil }
        if match.isReportDelete {
            // The report itself can be 40 MB; its row in the list says what it was.
            guard let itwin = match.route.pathITwin else { return nil }
            let list = "/clash-detection/itwins/\(itwin)/reports?$top=100"
            let page = await body(of: list, .v2, reading, permit, limit: Self.maxPageBytes)
            return page.flatMap { ListRow.find(id, in: $0) }
        }
        guard let target = match.readTarget(of: id) else { return nil }
        return await body(of: target, match.operation.version, reading, permit, limit: Self.maxSnapshotBytes)
    }

    /// What became of the objects of a delete that nobody answered: all gone, all there, or not to be known in time.
    /// `justSent`: a v2 deletion is a job, which upstream may still be working on: "still there" counts only when it
    /// stays so.
    func settle(
        _ match: OperationMatch, objects: [String], _ reading: Reading, justSent: Bool
    ) async -> ObjectFate {
        let targets = objects.compactMap { match.readTarget(of: $0) }
        guard match.deletesWhatItNames, !targets.isEmpty, targets.count == objects.count,
            targets.count <= Self.maxSettledObjects
        else { return .unknown }
        let isJob = match.operation.version == .v2 && match.operation.objectKind != .rule
        let pauses = isJob && justSent ? Self.pausesForJobs : []
        return await withTaskGroup(of: ObjectFate.self) { group in
            for target in targets {
                group.addTask { await fate(of: target, match.operation, reading, pauses: pauses) }
            }
            group.addTask {
                try? await environment.sleep(environment.now() + Self.patience)
                return .unknown
            }
            defer { group.cancelAll() }
            guard let first = await group.next(), first != .unknown else { return .unknown }
            for _ in targets.dropFirst() {
                guard await group.next() == first else { return .unknown }
            }
            return first
        }
    }

    private func fate(
        of target: String, _ operation: Operation, _ reading: Reading, pauses: [Duration]
    ) async -> ObjectFate {
        var fate = await look(at: target, operation.version, reading)
        for pause in pauses where fate == .there {
            try? await environment.sleep(environment.now() + pause)
            fate = await look(at: target, operation.version, reading)
        }
        return fate
    }

    private func look(at target: String, _ version: APIVersion, _ reading: Reading) async -> ObjectFate {
        let request = GateRequest(
            caller: "clash-proxy", operation: "settle", api: .init(version), changes: true, wait: Self.patience)
        // Nobody could say how the delete went, so its turn is over; the look at its object needs one of its own.
        guard var permit = try? await pacing.gate(reading.gateKey).admit(request), permit.trySend(),
            let response = await read(target, version, reading, permit)
        else { return .unknown }
        defer { response.body.cancel() }
        switch response.status.code {
        case 404, 410: return .gone
        case 200: return .there
        default: return .unknown
        }
    }

    private func body(
        of target: String, _ version: APIVersion, _ reading: Reading, _ permit: borrowing Gate.Permit, limit: Int
    ) async -> [UInt8]? {
        guard let response = await read(target, version, reading, permit), response.status == .ok else { return nil }
        var bytes: [UInt8] = []
        while let chunk = try? await response.body.next() {
            bytes += chunk
            guard bytes.count <= limit else {
                response.body.cancel()
                return nil
            }
        }
        return response.body.endIsProven ? bytes : nil
    }

    private func authorization(_ reading: Reading) async -> HTTPField? {
        guard case .own(let tokens) = credentials else { return reading.authorization }
        return (try? await tokens.current()).map { HTTPField(name: .authorization, value: $0.headerValue) }
    }

    private func read(
        _ target: String, _ version: APIVersion, _ reading: Reading, _ permit: borrowing Gate.Permit
    ) async -> UpstreamResponse? {
        guard let authorization = await authorization(reading) else { return nil }
        var request = UpstreamRequest(origin: settings.origin, target: target)
        request.fields.append(authorization)
        request.fields[.accept] = "application/vnd.bentley.itwin-platform.\(version == .v1 ? "v1" : "v2")+json"
        request.fields[.correlationID] = reading.correlationID
        request.fields[.acceptEncoding] = "identity"
        request.decodesContent = true
        request.fields.append(settings.via)
        request.repeatable = false
        request.cancellation = .always
        request.firstByteTimeout = Self.patience
        request.stallTimeout = Self.patience
        let response: UpstreamResponse
        do throws(TransferFailure) {
            response = try await transport.execute(request)
        } catch {
            events.failed(error, id: reading.correlationID)
            return nil
        }
        events.answered(response.fields, id: reading.correlationID)
        if response.isRateLimited {
            let wait = response.retryAfter(wallSeconds: environment.wallTime().seconds)
            let closing = permit.refused(cause: response.limitCause, retryAfter: wait)
            events.paused(closing, gate: reading.gateKey, id: reading.correlationID)
        }
        return response
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
