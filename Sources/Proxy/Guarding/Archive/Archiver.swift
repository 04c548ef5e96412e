// `deletes.archive`: before a delete, what it destroys is read from upstream and kept. Each read is a call like others, with a turn
// and a deadline of its own; its bytes pass to the disk as they come.

import Audit
import ClashAPI
import CurlTransport
import Ground
import HTTPTypes

/// Keeps what deletes destroy, under one configuration. Usable from every thread.
struct Archiver: Sendable {
    /// Sends a read and brings upstream's answer.
    typealias Read = (UpstreamCall) async throws(FlowExit) -> UpstreamResponse

    let store: ArchiveStore
    /// Whether nothing is deleted that is not kept.
    let isRequired: Bool

    /// Why an object is not kept.
    private enum Miss: Error {
        case callerLeft
        /// - Parameter exit: what the read ended with, if that is the reason.
        case reason(String, retryAfter: Duration? = nil, exit: FlowExit? = nil)
    }

    private static let mostOfSmall = 64 << 10

    /// What the intent of the call says. Throws 503 where it must be kept and cannot be.
    ///
    /// - Parameter missed: told how a read has ended because of which nothing is sent.
    func keep(
        _ call: UpstreamCall, _ read: Read, missed: (FlowExit) async -> Void
    ) async throws(FlowExit) -> [AuditArchived] {
        switch ArchivePlan(call.match) {
        case .nothing: return []
        case .unknown(let why): return [try await miss(.reason(why), missed)]
        case .objects(let ids):
            var kept: [AuditArchived] = []
            for id in ids {
                do throws(Miss) {
                    if let file = try await keep(id, call, read) { kept.append(.file(file)) }
                } catch {
                    kept.append(try await miss(error, missed))
                }
            }
            return kept
        }
    }

    private func miss(_ miss: Miss, _ missed: (FlowExit) async -> Void) async throws(FlowExit) -> AuditArchived {
        guard case .reason(let why, let wait, let exit) = miss else { throw .callerLeft }
        guard isRequired else { return .missing(why: why) }
        if let exit { await missed(exit) }
        throw .failed(
            Failure(
                .archiveUnavailable,
                "What the call would delete cannot be archived (deletes.archive), so nothing is deleted: \(why)",
                retryAfter: max(wait ?? .seconds(5), .seconds(1)), detail: why))
    }

    /// Nil where upstream says that there is nothing.
    private func keep(_ id: String, _ call: UpstreamCall, _ read: Read) async throws(Miss) -> ArchivedFile? {
        guard let target = call.match.readTarget(of: id) else {
            throw .reason("'\(id)' is no id that could be read")
        }
        if call.match.operation.version == .v2 { return try await keep(target, .report, call, read) }
        guard let run = try await small(target, .run, call, read) else { return nil }
        switch ResultOfRun(run) {
        case .none: return nil
        case .untold: throw .reason("upstream does not say where the result of the run is")
        case .at(let target, _): return try await keep(target, .result, call, read)
        }
    }

    /// The answer to a read; nil where upstream says that the object is not there.
    private func answer(
        _ target: String, _ kind: ObjectKind, _ call: UpstreamCall, _ read: Read
    ) async throws(Miss) -> UpstreamResponse? {
        let response: UpstreamResponse
        do throws(FlowExit) {
            response = try await read(call.reading(target))
        } catch {
            throw Self.miss(error)
        }
        switch response.status.code {
        case 200 where response.isJSON: return response
        case 200:
            response.body.cancel()
            throw .reason("upstream's answer is no JSON")
        case 404, 410:
            let body = try await whole(response, call)
            if MissingObject.isMeant(by: body, kind: kind) || MissingObject.isOfITwin(body) { return nil }
            throw .reason("upstream answered \(response.status.code), and not about the object")
        case let status:
            response.body.cancel()
            throw .reason("upstream answered \(status)")
        }
    }

    private func small(
        _ target: String, _ kind: ObjectKind, _ call: UpstreamCall, _ read: Read
    ) async throws(Miss) -> [UInt8]? {
        guard let response = try await answer(target, kind, call, read) else { return nil }
        return try await whole(response, call)
    }

    private func whole(_ response: UpstreamResponse, _ call: UpstreamCall) async throws(Miss) -> [UInt8] {
        var bytes: [UInt8] = []
        while let more = try await next(response, call) {
            bytes += more
            guard bytes.count <= Self.mostOfSmall else {
                response.body.cancel()
                throw .reason("upstream's answer is longer than such answers are")
            }
        }
        return bytes
    }

    private func keep(
        _ target: String, _ kind: ObjectKind, _ call: UpstreamCall, _ read: Read
    ) async throws(Miss) -> ArchivedFile? {
        guard let response = try await answer(target, kind, call, read) else { return nil }
        defer { response.body.cancel() }
        let writer: ArchiveWriter
        do throws(ArchiveTrouble) {
            writer = try store.begin()
        } catch {
            throw trouble(error)
        }
        do throws(Miss) {
            var end = WholeJSON()
            while let bytes = try await next(response, call) {
                end.consume(bytes)
                do throws(ArchiveTrouble) {
                    try await writer.add(bytes)
                } catch {
                    throw trouble(error)
                }
            }
            guard response.body.endIsProven, end.isWhole else { throw .reason("upstream's answer broke off") }
            do throws(ArchiveTrouble) {
                let file = try await writer.finish(year: store.year)
                store.worked()
                return file
            } catch {
                throw trouble(error)
            }
        } catch {
            await writer.giveUp()
            throw error
        }
    }

    private func next(_ response: UpstreamResponse, _ call: UpstreamCall) async throws(Miss) -> [UInt8]? {
        do throws(FlowExit) {
            return try await response.body.nextBytes(CallTraits(isSafe: true))
        } catch {
            throw Self.miss(error)
        }
    }

    private static func miss(_ exit: FlowExit) -> Miss {
        switch exit {
        case .callerLeft: .callerLeft
        case .failed(let failure): .reason(failure.message, retryAfter: failure.retryAfter, exit: exit)
        }
    }

    private func trouble(_ trouble: ArchiveTrouble) -> Miss {
        store.failed(trouble, isRequired: isRequired)
        return .reason(trouble.description)
    }
}

/// Whether a body is one JSON object from its first byte to its last, as far as brackets and strings tell.
private struct WholeJSON {
    private var end = JSONEnd()
    private var first: UInt8?

    mutating func consume(_ bytes: [UInt8]) {
        if first == nil { first = bytes.first { $0 != 0x20 && $0 != 0x09 && $0 != 0x0A && $0 != 0x0D } }
        end.consume(bytes)
    }

    var isWhole: Bool { first == UInt8(ascii: "{") && !end.isInside }
}
