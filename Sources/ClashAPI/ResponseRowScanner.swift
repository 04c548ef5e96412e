// Reads off an answer's body what the cache wants to know: which objects it shows, and whether their runs have ended.
// A push scanner in one pass; ids are decoded, nothing else.

/// What an answer's body says about its rows.
package struct ResponseRows: Sendable, Equatable {
    /// Number of rows seen.
    package internal(set) var count = 0
    /// The rows' `id`s, in order; a row without one is left out.
    package internal(set) var ids: [String] = []
    /// The rows' statuses as spelled, numbers in digits, in order; a row without one is left out.
    package internal(set) var statuses: [String] = []
    /// Tags of everything the rows name: themselves, their tests, iModels and jobs.
    package internal(set) var tags: [String] = []
    /// Ids of rows that show a run that has ended.
    package internal(set) var endedIDs: [String] = []
    /// Ids of rows that show a run that has not.
    package internal(set) var unendedIDs: [String] = []
    /// The `count` of a page: how many rows its list has, as spelled.
    package internal(set) var listCount: String?
    /// All ids that the body holds anywhere.
    package internal(set) var held = HeldIDs()
    /// Whether every row that should have a status has a final one. True for lists without run status.
    package internal(set) var allTerminal = true
    /// Whether the body was one complete JSON document and nothing was left out of `ids` and `tags`.
    package internal(set) var isComplete = false
    /// Whether the body stopped in the middle of its JSON.
    package internal(set) var endedInside = false

    /// Whether a status says that a run has ended: 1, 2, 7, 9 or completed, completedToLimit, failed, cancelled.
    package static func isTerminal(_ status: String) -> Bool {
        switch status.lowercased() {
        case "1", "2", "7", "9", "completed", "completedtolimit", "failed", "cancelled", "canceled": true
        default: false
        }
    }
}

/// Scans one answer's body, chunk by chunk. Memory grows with the ids, up to `maxRows` rows.
package struct ResponseRowScanner: Sendable {
    /// Rows whose ids are kept; no documented page has more than 500.
    package static let maxRows = 4096

    private enum Role: Sendable {
        case top, rows, row, other
    }

    private enum Field: Sendable {
        case rows, count, id, status, test, repository, job, other
    }

    private let operation: Operation
    private let rowsKey: [UInt8]
    private var scanner = JSONScanner(maxDepth: JSONScanner.depthLimit)
    private var rows = ResponseRows()
    private var roles: [Role] = []
    private var field = Field.other
    private var rowHasTerminalStatus = false
    private var rowID: String?
    private var isFull = false
    private var isBroken = false
    private var key = JSONTextReader(limit: 128)
    private var value = JSONTextReader(limit: 256)
    /// Of strings that come in parts or with escapes.
    private var long = JSONTextReader(limit: 16 << 10)
    /// Whether the last member's name says that it holds an id, or several.
    private var namesID = false

    /// - Parameter operation: whose answer it is; it says where the rows are and what their ids are.
    package init(operation: Operation) {
        self.operation = operation
        switch operation.rows {
        case .none: rowsKey = []
        case .array(let key), .object(let key): rowsKey = Array(key.utf8)
        }
    }

    /// Reads the next bytes of the decoded body.
    package mutating func consume(_ chunk: [UInt8]) { consume(chunk.span) }

    /// Reads the next bytes of the decoded body.
    package mutating func consume(_ chunk: Span<UInt8>) {
        var offset = 0
        while !isBroken {
            switch scanner.next(in: chunk, at: &offset) {
            case .objectStart: open(isObject: true)
            case .arrayStart: open(isObject: false)
            case .objectEnd, .arrayEnd: close()
            case .key(let text): readKey(text, chunk)
            case .string(let text):
                hold(text, chunk, isNamed: namesID)
                if field != .other, value.add(text, in: chunk) { readValue() }
            case .number(let text):
                if field != .other, value.add(text, in: chunk) { readValue() }
            case .literal: break
            case .needsInput: return
            case .invalid: isBroken = true
            }
        }
    }

    /// What was found, at the end of the body.
    package mutating func finish() -> ResponseRows {
        rows.endedInside = !isBroken && scanner.isInside
        rows.isComplete = !isBroken && scanner.finish() && !isFull
        if !rows.isComplete { rows.allTerminal = false }
        // A single object that should be there and is not has no final status either.
        if rows.count == 0, operation.rowsHaveStatus, case .object = operation.rows { rows.allTerminal = false }
        rows.tags = rows.tags.uniqued()
        return rows
    }

    private mutating func open(isObject: Bool) {
        let role: Role =
            switch (roles.last, isObject) {
            case (nil, true): .top
            case (.top, false) where field == .rows: .rows
            case (.top, true) where field == .rows: .row
            case (.rows, true): .row
            default: .other
            }
        if role == .row {
            rows.count += 1
            rowHasTerminalStatus = false
            rowID = nil
        }
        roles.append(role)
        field = .other
        if isObject { namesID = false }
    }

    private mutating func close() {
        field = .other
        namesID = false
        guard roles.popLast() == .row, operation.rowsHaveStatus else { return }
        if !rowHasTerminalStatus { rows.allTerminal = false }
        guard let rowID else { return }
        if rowHasTerminalStatus { rows.endedIDs.append(rowID) } else { rows.unendedIDs.append(rowID) }
    }

    /// Notes the ids in a string or name.
    @inline(__always)
    private mutating func hold(_ text: JSONScanner.Text, _ chunk: Span<UInt8>, isNamed: Bool) {
        if long.isPlain(text) {
            rows.held.add(from: chunk, text.range, isNamed: isNamed)
        } else {
            holdPart(text, chunk, isNamed: isNamed)
        }
    }

    private mutating func holdPart(_ text: JSONScanner.Text, _ chunk: Span<UInt8>, isNamed: Bool) {
        guard long.add(text, in: chunk) else { return }
        guard let bytes = long.decoded() else { return rows.held.giveUp() }
        rows.held.add(from: bytes.span, bytes.indices, isNamed: isNamed)
    }

    private mutating func readKey(_ text: JSONScanner.Text, _ chunk: Span<UInt8>) {
        hold(text, chunk, isNamed: false)
        if key.isPlain(text) {
            readName(chunk, text.range)
        } else if key.add(text, in: chunk) {
            let name = key.decoded() ?? []
            readName(name.span, name.indices)
        }
    }

    private mutating func readName(_ bytes: Span<UInt8>, _ name: Range<Int>) {
        namesID = Self.isNameOfID(bytes, name)
        if roles.last == .top || roles.last == .row { field = fieldNamed(bytes, name) }
    }

    /// `id`, `testId`, `ruleIDs` and the like.
    private static func isNameOfID(_ bytes: Span<UInt8>, _ name: Range<Int>) -> Bool {
        var end = name.upperBound
        if name.count > 2, bytes[end - 1] == 0x73 { end -= 1 }
        guard end - name.lowerBound >= 2, bytes[end - 1] == 0x64 || bytes[end - 1] == 0x44 else { return false }
        return bytes[end - 2] == 0x49 || (bytes[end - 2] == 0x69 && end - name.lowerBound == 2)
    }

    private func fieldNamed(_ bytes: Span<UInt8>, _ name: Range<Int>) -> Field {
        if roles.last == .top {
            if bytes.equals("count", in: name) { return .count }
            return !rowsKey.isEmpty && bytes.equals(rowsKey, in: name) ? .rows : .other
        }
        switch name.count {
        case 2: return bytes.equals("id", in: name) ? .id : .other
        case 5: return bytes.equals("jobId", in: name) ? .job : .other
        case 6:
            if bytes.equals("status", in: name) { return .status }
            return bytes.equals("testId", in: name) ? .test : .other
        case 8: return bytes.equals("iModelId", in: name) ? .repository : .other
        case 12: return bytes.equals("repositoryId", in: name) ? .repository : .other
        case 15: return bytes.equals("configurationId", in: name) ? .test : .other
        default: return .other
        }
    }

    private mutating func readValue() {
        guard let text = value.decodedString() else { return }
        if field == .count { rows.listCount = text }
        guard roles.last == .row else { return }
        guard rows.count <= ResponseRowScanner.maxRows else {
            isFull = true
            return
        }
        switch field {
        case .id:
            rows.ids.append(text)
            rowID = text
            if let kind = operation.objectKind, operation.family != .manualSuppressions {
                rows.tags.append(Tag.object(kind, text))
            }
        case .status:
            rows.statuses.append(text)
            rowHasTerminalStatus = ResponseRows.isTerminal(text)
        case .test: rows.tags.append(Tag.object(.test, text))
        case .repository: rows.tags.append(Tag.repository(text))
        case .job: rows.tags.append(Tag.job(text))
        case .rows, .count, .other: break
        }
    }
}
