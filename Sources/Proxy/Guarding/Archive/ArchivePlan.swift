// Which objects of a delete are kept: whole reports (v2), and the results of runs (v1).

import ClashAPI
import Ground

/// What is to be read before a delete.
enum ArchivePlan: Equatable {
    /// Objects of other kinds: there is nothing to keep.
    case nothing
    /// By these ids.
    case objects([String])
    /// Nobody can tell what it is about; why.
    case unknown(String)

    init(_ match: OperationMatch) {
        guard match.operationClass == .delete else {
            self = .nothing
            return
        }
        if match.body.isUnreadable {
            let mayDelete = match.route.possibleOperations.contains(where: Self.isKept)
            self = mayDelete ? .unknown("the body of the delete cannot be read") : .nothing
        } else if !Self.isKept(match.operation) {
            self = .nothing
        } else if match.body.idsAreIncomplete || match.objectIDs.isEmpty {
            self = .unknown("the delete names nothing by its id")
        } else {
            self = .objects(match.objectIDs)
        }
    }

    /// Suppressions are named by their report, which stays when they go.
    private static func isKept(_ operation: Operation) -> Bool {
        guard operation.operationClass == .delete, operation.family == nil else { return false }
        switch (operation.version, operation.objectKind) {
        case (.v2, .report): return !operation.name.hasPrefix("v2.manual-suppressions.")
        case (.v1, .run): return true
        default: return false
        }
    }
}

/// Where the result of a v1 run is, by the answer to a read of the run.
enum ResultOfRun: Equatable {
    /// It is read there.
    case at(target: String, id: String)
    /// It has none.
    case none
    /// The answer does not say.
    case untold

    init(_ body: [UInt8]) {
        guard let document = JSON(body), case .object(let run)? = document["run"] else {
            self = .untold
            return
        }
        switch run["resultId"] {
        case .string(let id) where id.isEmpty: self = .none
        case .string(let id):
            let isPlain = id.utf8.allSatisfy { byte in
                byte &- 0x30 < 10 || byte | 0x20 &- 0x61 < 26 || byte == 0x2D || byte == 0x5F
            }
            self = isPlain ? .at(target: "/clashdetection/results/" + id, id: id) : .untold
        case .null: self = .none
        // Only a run that has not ended can do without.
        case nil: self = Self.hasEnded(run["status"]?.string) ? .untold : .none
        default: self = .untold
        }
    }

    private static func hasEnded(_ status: String?) -> Bool {
        ["completed", "completedtolimit"].contains(status?.lowercased() ?? "completed")
    }
}
