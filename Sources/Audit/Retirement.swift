// `audit.keep`: whole files whose newest record is old enough leave the log. First the record that tells it is durable, then
// they are removed, the oldest first; a crash in between leaves files that the next start removes.

import Ground

/// What is to be retired.
struct RetirementPlan: Sendable, Equatable {
    var part: RetiredPart
    var files: [LogFileName]
}

struct Retirement {
    let folder: LogFolder
    let fileSystem: any FileSystem

    /// The oldest files, none of them the last, that hold nothing younger than `limit` and nothing behind `newest`; nil
    /// where there are none.
    ///
    /// - Parameter why: told why files that are old enough have to stay: what was changed is evidence.
    func plan(before limit: AuditTime, upTo newest: UInt64, why: (String) -> Void) throws(FileFailure)
        -> RetirementPlan?
    {
        let files = try folder.files(in: fileSystem)
        guard let first = files.first, files.count > 1 else { return nil }
        let base = first.first > 1 ? try LogScan(folder: folder, fileSystem: fileSystem).retired() : nil
        guard first.first == (base?.last.seq ?? 0) + 1 else {
            why("records before \(first.text) are missing")
            return nil
        }
        var verifier = ChainVerifier(after: base?.last ?? .empty)
        var tree = base?.tree ?? MerkleTree()
        var plan: RetirementPlan?
        for name in files.dropLast() {
            guard let last = try lastRecord(of: name), last.time < limit, last.seq <= newest else { break }
            if let defect = try read(name, &verifier, &tree) {
                why(defect)
                break
            }
            guard let head = verifier.head else { break }
            plan = RetirementPlan(part: RetiredPart(last: head, tree: tree), files: (plan?.files ?? []) + [name])
        }
        return plan
    }

    /// Takes away the files that hold no record behind `seq`.
    func remove(upTo seq: UInt64) throws(FileFailure) {
        let files = try folder.files(in: fileSystem)
        var isChanged = false
        for (file, next) in zip(files, files.dropFirst()) where next.first <= seq + 1 {
            try fileSystem.remove(folder.path(of: file.text))
            isChanged = true
        }
        if isChanged { try fileSystem.syncFolder(folder.path) }
    }

    private func read(
        _ name: LogFileName, _ verifier: inout ChainVerifier, _ tree: inout MerkleTree
    ) throws(FileFailure) -> String? {
        let file = try fileSystem.open(folder.path(of: name.text), .read)
        defer { fileSystem.close(file) }
        var reader = LineReader(file, in: fileSystem, size: try fileSystem.status(file).size)
        while let line = try reader.next() {
            let defect = reader.with(line) { bytes in
                tree.append(bytes)
                return verifier.check(bytes)
            }
            guard defect == nil, line.isTerminated else {
                return "line \(line.number) of \(name.text) \((defect ?? .malformed).text)"
            }
        }
        return nil
    }

    private func lastRecord(of name: LogFileName) throws(FileFailure) -> (seq: UInt64, time: AuditTime)? {
        let file = try fileSystem.open(folder.path(of: name.text), .read)
        defer { fileSystem.close(file) }
        let size = try fileSystem.status(file).size
        var reader = LineReader(file, in: fileSystem, from: max(0, size - Int64(LineReader.maxLineBytes)), size: size)
        var found: (seq: UInt64, time: AuditTime)?
        while let line = try reader.next() {
            found = reader.with(line) { bytes in
                LineStart(bytes).flatMap { start in
                    AuditTime(bytes.text(start.time)).map { (seq: start.seq, time: $0) }
                }
            }
        }
        return found
    }
}

extension AuditLog {
    /// What became of a retirement.
    package enum Retired: Sendable, Equatable {
        /// Nothing was old enough.
        case nothing
        /// So many files are gone; `last` was their last record.
        case files(Int, last: UInt64)
        /// Why files that are old enough are still there.
        case kept(String)
    }

    /// Takes away whole files that hold nothing younger than `limit` and nothing behind the record `newest`. Reads them before,
    /// on a thread of its own.
    ///
    /// - Parameter setting: what the record says of the reason, such as `audit.keep = "24h"`.
    package func retire(before limit: AuditTime, upTo newest: UInt64, setting: String) async -> Retired {
        let retirement = Retirement(folder: folder, fileSystem: core.options.fileSystem)
        let planned = await OffThread.run { () -> Result<(RetirementPlan?, String?), FileFailure> in
            Result { () throws(FileFailure) in
                var why: String?
                let plan = try retirement.plan(before: limit, upTo: newest) { why = $0 }
                return (plan, why)
            }
        }
        switch planned {
        case .failure(let failure): return .kept(failure.description)
        case .success((nil, let why)): return why.map { .kept($0) } ?? .nothing
        case .success((let plan?, _)):
            let files = plan.files.count == 1 ? "1 file" : "\(plan.files.count) files"
            let reason = "\(core.options.software); \(setting): \(files) retired, last record \(plan.part.last)"
            switch await core.submit(.retired(plan.part, reason: reason)) {
            case .refused(let trouble), .kept(let trouble): return .kept(trouble.detail)
            case .written: break
            }
            let removed = await OffThread.run {
                Result { () throws(FileFailure) in try retirement.remove(upTo: plan.part.last.seq) }
            }
            if case .failure(let failure) = removed { return .kept(failure.description) }
            return .files(plan.files.count, last: plan.part.last.seq)
        }
    }
}
