// The operation table made ready for matching: patterns as small numbers, built once.

struct RouteTable: Sendable {
    static let shared = RouteTable(OperationTable.rows)

    enum Pattern: Sendable, Equatable {
        case word(UInt8)
        case itwin
        case id
        /// One or more segments.
        case rest
    }

    struct Route: Sendable {
        let row: OperationRow
        let pattern: [Pattern]
        /// The rows that a word in the body turns this one into.
        var whenCancel: Int?
        var whenDelete: Int?
    }

    let vocabulary: PathVocabulary
    let v1Word: UInt8
    let v2Word: UInt8
    let itwinsWord: UInt8
    private(set) var routes: [Route]

    init(_ rows: [OperationRow]) {
        let paths = rows.map { RouteTable.segments($0.path) }
        var words: [String] = []
        for word in paths.joined() where !word.hasPrefix("{") && word != "**" && !words.contains(word) {
            words.append(word)
        }
        let vocabulary = PathVocabulary(words)
        self.vocabulary = vocabulary
        v1Word = vocabulary.index(of: "clashdetection")
        v2Word = vocabulary.index(of: "clash-detection")
        itwinsWord = vocabulary.index(of: "itwins")
        routes = zip(rows, paths).map { row, path in
            Route(
                row: row,
                pattern: path.map { segment in
                    switch segment {
                    case "{itwin}": .itwin
                    case "{id}": .id
                    case "**": .rest
                    default: .word(vocabulary.index(of: segment))
                    }
                })
        }
        for index in routes.indices {
            routes[index].whenCancel = alternative(to: index, when: .cancel)
            routes[index].whenDelete = alternative(to: index, when: .delete)
        }
    }

    private static func segments(_ path: String) -> [String] {
        let segments = path.split(separator: "/").map(String.init)
        switch segments.first {
        case "P": return ["clash-detection", "itwins", "{itwin}"] + segments.dropFirst()
        case "V": return ["clashdetection"] + segments.dropFirst()
        default: return segments
        }
    }

    private func alternative(to index: Int, when word: BodyWord) -> Int? {
        let route = routes[index]
        guard route.row.when == nil else { return nil }
        return routes.firstIndex {
            $0.row.when == word && $0.row.verb == route.row.verb && $0.pattern == route.pattern
        }
    }

    /// The first route for this method and path, bodies left aside.
    func firstMatch(_ verb: Verb, _ path: borrowing PathScan) -> Int? {
        for index in routes.indices {
            if routes[index].row.verb == verb, routes[index].row.when == nil, matches(routes[index].pattern, path) {
                return index
            }
        }
        return nil
    }

    private func matches(_ pattern: [Pattern], _ path: borrowing PathScan) -> Bool {
        if pattern.last == .rest {
            guard path.count >= pattern.count else { return false }
        } else {
            guard path.count == pattern.count else { return false }
        }
        for position in pattern.indices {
            if case .word(let word) = pattern[position], path.segments[position].word != word { return false }
        }
        return true
    }
}

/// An HTTP method as far as the table cares.
enum Verb: Sendable {
    /// GET, and HEAD which is answered from it.
    case get
    case post
    case put
    case patch
    case delete
    case options
    case other

    /// Whether the method promises to change nothing (RFC 9110 section 9.2.1).
    var isSafe: Bool { self == .get || self == .options }

    /// Whether a request body could turn such a request into a delete.
    var bodyMatters: Bool {
        switch self {
        case .get, .options, .delete: false
        case .post, .put, .patch, .other: true
        }
    }

    init(_ method: String) {
        switch method {
        case "GET", "HEAD": self = .get
        case "POST": self = .post
        case "PUT": self = .put
        case "PATCH": self = .patch
        case "DELETE": self = .delete
        case "OPTIONS": self = .options
        // Methods are case-sensitive, but not every server knows; nothing may slip past as "delete".
        default: self = method.lowercased() == "delete" ? .delete : .other
        }
    }
}
