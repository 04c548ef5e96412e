// Finds the facts in a request's JSON as it streams by. Names match in either case, since upstream's readers do so;
// every occurrence counts, so that a duplicate cannot hide another. Memory is bounded.

import Ground

struct RequestBodyScanner: Sendable {
    /// Ids kept of one body; longer bodies are legal, but no documented call takes more than one id.
    static let maxIDs = 256
    /// As they stand, escapes and all.
    private static let maxIDBytes = 256

    private enum Role: Sendable {
        /// The top-level object, or an object in a top-level array.
        case top
        case topArray
        case jobs
        case job
        /// An array in `suppressionRules`.
        case rules
        case other
    }

    private enum Field: Sendable {
        case operation, jobs, id, test, iModel, project, inPlace, rules, template, other
    }

    private(set) var facts = RequestBodyFacts(form: .json)
    private var scanner = JSONScanner(maxDepth: 128)
    private var roles: [Role] = []
    private var field = Field.other
    private var key = JSONTextReader(limit: 128)
    private var value = JSONTextReader(limit: 512)
    private var idCount = 0
    private let watched: Set<EntityID>

    /// - Parameter watched: ids that are looked for in every string.
    init(watching watched: Set<EntityID> = []) { self.watched = watched }

    /// Reads on; false when the input is not JSON.
    mutating func consume(_ chunk: Span<UInt8>) -> Bool {
        var offset = 0
        while true {
            switch scanner.next(in: chunk, at: &offset) {
            case .objectStart: openContainer(isObject: true)
            case .arrayStart: openContainer(isObject: false)
            case .objectEnd, .arrayEnd:
                roles.removeLast()
                field = fieldOfElements
            case .key(let text): if key.add(text, in: chunk) { field = fieldNamed(key.decoded()) }
            case .string(let text): if value.add(text, in: chunk) { readString() }
            case .number(let text): if value.add(text, in: chunk) { readNumber() }
            case .literal(let literal): readLiteral(literal)
            case .needsInput: return true
            case .invalid: return false
            }
        }
    }

    /// Whether the input was one complete document.
    mutating func finish() -> Bool { scanner.finish() }

    private mutating func openContainer(isObject: Bool) {
        let role: Role =
            switch (roles.last, isObject) {
            case (nil, true), (.topArray, true): .top
            case (nil, false): .topArray
            case (.top, _) where field == .jobs: isObject ? .job : .jobs
            case (.jobs, true): .job
            case (.top, false) where field == .rules: .rules
            default: .other
            }
        if field == .operation { facts.saysDelete = true }
        if field == .inPlace { facts.saysInPlace = true }
        if role != .rules { readOddValue() }
        roles.append(role)
        field = fieldOfElements
    }

    /// What the elements of the innermost array are, if it is one.
    private var fieldOfElements: Field {
        switch roles.last {
        case .jobs: .id
        case .rules: .rules
        default: .other
        }
    }

    /// What should be an id and is no string.
    private mutating func readOddValue() {
        switch field {
        case .project: facts.hasOddITwin = true
        case .test, .rules, .template: facts.hasOddReference = true
        case .operation, .jobs, .id, .iModel, .inPlace, .other: break
        }
    }

    private func fieldNamed(_ name: [UInt8]?) -> Field {
        guard let role = roles.last, role == .top || role == .job, let name else { return .other }
        switch String(decoding: name.map(ASCII.folded), as: UTF8.self) {
        case "operation": return .operation
        case "jobs": return role == .top ? .jobs : .other
        case "testid": return .test
        case "imodelid": return .iModel
        case "projectid", "itwinid": return .project
        case "inplace": return .inPlace
        case "suppressionrules": return .rules
        case "templateid": return .template
        case "id", "reportid", "clashreportid": return role == .job ? .id : .other
        default: return .other
        }
    }

    private mutating func readString() {
        if !watched.isEmpty, facts.watchedID == nil { lookForWatched() }
        switch field {
        case .operation: readOperation(value.decoded())
        case .inPlace: facts.saysInPlace = facts.saysInPlace || InPlace.isOn(value.decoded())
        case .jobs, .id: keep(\.jobIDs)
        case .test: keep(\.testIDs)
        case .iModel: keep(\.iModelIDs)
        case .project: keep(\.projectIDs)
        case .rules, .template: readReference()
        case .other: break
        }
    }

    private mutating func lookForWatched() {
        // Shorter ones are no ids.
        guard value.bytes.count >= 32, let text = value.decodedString() else { return }
        facts.watchedID = AnyID(text)?.firstNamed(of: watched)
    }

    private mutating func readReference() {
        guard let project = value.decodedString().flatMap({ AnyID($0) })?.project else {
            facts.hasOddReference = true
            return
        }
        guard !facts.referenceProjects.contains(project) else { return }
        guard facts.referenceProjects.count < RequestBodyScanner.maxIDs else {
            facts.idsAreIncomplete = true
            return
        }
        facts.referenceProjects.append(project)
    }

    private mutating func readNumber() {
        switch field {
        case .jobs, .id: keep(\.jobIDs)
        case .operation: facts.saysDelete = true
        case .inPlace: facts.saysInPlace = true
        case .test, .project, .rules, .template: readOddValue()
        case .iModel, .other: break
        }
    }

    private mutating func readLiteral(_ literal: JSONScanner.Literal) {
        if literal == .null { return }
        if field == .operation { facts.saysDelete = true }
        if field == .inPlace, literal == .true { facts.saysInPlace = true }
        readOddValue()
    }

    /// Upstream's readers may trim words, take several of them, or take an enumeration's number for its name.
    private mutating func readOperation(_ word: [UInt8]?) {
        guard let word else {
            facts.saysDelete = true
            return
        }
        let text = String(decoding: word.map(ASCII.folded), as: UTF8.self)
        let isDeletion = ["delet", "remov", "purge"].contains { text.contains($0) }
        if isDeletion || word.contains(where: { 0x30...0x39 ~= $0 }) { facts.saysDelete = true }
        if text.contains("cancel") { facts.saysCancel = true }
    }

    private mutating func keep(_ list: WritableKeyPath<RequestBodyFacts, [String]>) {
        guard idCount < Self.maxIDs, !value.overflowed, value.bytes.count <= Self.maxIDBytes else {
            facts.idsAreIncomplete = true
            return
        }
        guard let id = value.decodedString() else {
            facts.idsAreIncomplete = true
            facts.idsAreNoText = true
            return
        }
        idCount += 1
        facts[keyPath: list].append(id)
    }
}

/// The two spellings of "overwrite earlier results": v2's header and v1's body member.
enum InPlace {
    /// Whether the value asks for it; anything that is not plainly "no" does.
    static func isOn(_ value: [UInt8]?) -> Bool {
        guard let value else { return true }
        let word = String(decoding: value.map(ASCII.folded), as: UTF8.self).filter { $0 != " " && $0 != "\t" }
        return !word.isEmpty && word != "false"
    }
}
