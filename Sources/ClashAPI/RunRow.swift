// The runs that a list shows, as far as a start wants to know of them: which test, which run of it, when.

import Ground

/// A run in a list: a report of v2, a run of v1.
package struct RunRow: Sendable, Equatable {
    /// As the list spells it.
    package let id: String
    /// The tag of its test; nil: the list does not say.
    package let test: String?
    /// The work behind it, which changes when a report is run again in place (v2).
    package let job: String?
    /// The changeset, in lower case (v2).
    package let changeset: String?
    /// When upstream says that it was begun, in microseconds since 1970; nil: it does not, or not in RFC 3339.
    package let executed: Int64?
    /// As spelled, numbers in digits.
    package let status: String?

    /// One for all spellings of its id.
    package var key: String { Tag.object(.run, id) }
}

/// The first page of a list of runs.
package struct RunPage: Sendable, Equatable {
    /// In the list's order.
    package let rows: [RunRow]
    /// Whether the list has no further page.
    package let isWhole: Bool

    /// Nil for what is no such page, or has a row without an id.
    package init?(_ page: [UInt8], _ version: APIVersion) {
        guard let json = JSON(page), let list = json[version == .v1 ? "runs" : "reports"]?.array else { return nil }
        let rows = list.compactMap { RunRow($0, version) }
        guard rows.count == list.count else { return nil }
        self.rows = rows
        isWhole = json["_links"]?["next"]?["href"]?.string == nil
    }
}

extension RunRow {
    fileprivate init?(_ row: JSON, _ version: APIVersion) {
        guard let id = row["id"]?.string, !id.isEmpty else { return nil }
        self.id = id
        job = row["jobId"]?.string
        changeset = row["changesetId"]?.string?.lowercased()
        let time = row[version == .v1 ? "executedDateTime" : "executed"]?.string.flatMap { RFC3339.time($0) }
        executed = time.map { $0.seconds * 1_000_000 + Int64($0.nanoseconds) / 1_000 }
        switch row["status"] {
        case .string(let text): status = text
        case .number(let number): status = Int(exactly: number).map { "\($0)" }
        default: status = nil
        }
        let named =
            version == .v1
            ? row["_links"]?["test"]?["href"]?.string.flatMap(Self.lastSegment)
            : row["configurationId"]?.string
        test = named.map { Tag.object(.test, $0) }
    }

    private static func lastSegment(_ link: String) -> String? {
        link.split(separator: "?", maxSplits: 1).first?.split(separator: "/").last.map(String.init)
    }
}
