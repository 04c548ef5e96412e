// A start of one run, by what it asks for: what a list of runs is held against to find it again.

import Ground

/// One test that is to be run. A value that outlives the process: see `json`.
package struct RunStart: Sendable, Equatable {
    /// The API that it goes to.
    package let version: APIVersion
    /// The test, as the call spells it.
    package let testID: String
    /// The iTwin, as it can stand in a target.
    package let itwin: String
    /// The iModel, where its id is a GUID.
    package let iModelID: String?
    /// The changeset (v2), where its id is a GUID.
    package let changesetID: String?
    /// Whether the run may go on under the id of an earlier report.
    package let isInPlace: Bool

    /// The tag of the test: one for all spellings and both versions.
    package var test: String { Tag.object(.test, testID) }

    /// Nil for what is no start of exactly one test in one iTwin, as far as the call says so: its runs cannot be told.
    package init?(_ match: OperationMatch, body: [UInt8]) {
        guard match.operation.countsAsRun, match.operationClass == .run, !match.body.isUnreadable,
            !match.body.idsAreIncomplete, match.body.testIDs.count == 1, let test = match.body.testIDs.first
        else { return nil }
        let itwin = match.operation.version == .v2 ? match.route.pathITwin : ClashID(test)?.projectID
        guard let itwin, !itwin.isEmpty, itwin.utf8.allSatisfy(ASCII.isUnreserved) else { return nil }
        (version, testID, self.itwin) = (match.operation.version, test, itwin)
        iModelID = match.body.iModelIDs.count == 1 ? match.body.iModelIDs.first.flatMap(Self.guid) : nil
        changesetID = JSON(body)?["jobs"]?.array?.first?["changesetId"]?.string.flatMap(Self.guid)
        isInPlace = match.isInPlaceRun
    }

    private static func guid(_ text: String) -> String? { GUID.isGUID(text) ? text.lowercased() : nil }

    /// The target of a GET of the list that shows its run.
    package var listTarget: String {
        version == .v2
            ? "/clash-detection/itwins/\(itwin)/reports?$top=100" : "/clashdetection/runs?projectId=\(itwin)"
    }

    /// What that GET asks for besides: only runs of its iModel (v2), all that is known of each (v1).
    package var listFields: [(name: String, value: String)] {
        if version == .v1 { return [("Prefer", "return=representation")] }
        return iModelID.map { [("repository-id", $0)] } ?? []
    }

    // MARK: On disk

    /// For `init(json:)` of a later process.
    package var json: JSONObject {
        var object = JSONObject()
        object.add("version", version == .v1 ? 1 : 2)
        object.add("test", testID)
        object.add("itwin", itwin)
        object.add("imodel", iModelID)
        object.add("changeset", changesetID)
        object.add("inPlace", isInPlace)
        return object
    }

    /// What `json` wrote; nil for anything else.
    package init?(json: JSON) {
        guard let number = json["version"]?.number, let test = json["test"]?.string, let itwin = json["itwin"]?.string,
            case .bool(let isInPlace)? = json["inPlace"], itwin.utf8.allSatisfy(ASCII.isUnreserved)
        else { return nil }
        (version, testID, self.itwin) = (number == 1 ? .v1 : .v2, test, itwin)
        iModelID = json["imodel"]?.string.flatMap(Self.guid)
        changesetID = json["changeset"]?.string.flatMap(Self.guid)
        self.isInPlace = isInPlace
    }
}
