// The answers of the scripts as what they mean. Whatever else comes is `RedisTrouble.unexpected`, or foreign.

/// Takes the parts of an answer one after the other.
struct RedisAnswer {
    private var items: ArraySlice<RESPValue>
    private let what: String

    /// - Parameters:
    ///   - value: the reply; its first part is a word, `ok` or why not.
    ///   - what: for messages.
    init(_ value: RESPValue, to what: String) throws(FleetError) {
        guard let items = value.items, let word = items.first?.text else { throw Self.unexpected(what) }
        self.items = items.dropFirst()
        self.what = what
        switch word {
        case "ok": return
        case "unknown": throw .unknownMember
        case "fenced": throw .fenced
        case "full": throw .full(members: Int(clamping: items.dropFirst().first?.number ?? 0))
        case "format":
            throw .foreign(
                "the keys cp1:* there were written by another version (format \(RedisTrouble.printable(items.last?.text ?? "")))"
            )
        default: throw Self.unexpected(what)
        }
    }

    var isEmpty: Bool { items.isEmpty }

    mutating func value() throws(FleetError) -> RESPValue {
        guard let value = items.popFirst() else { throw Self.unexpected(what) }
        return value
    }

    mutating func number() throws(FleetError) -> Int {
        guard let number = try value().number else { throw Self.unexpected(what) }
        return Int(clamping: number)
    }

    mutating func text() throws(FleetError) -> String {
        guard let text = try value().text else { throw Self.unexpected(what) }
        return text
    }

    mutating func bytes() throws(FleetError) -> [UInt8] {
        guard let bytes = try value().bytes else { throw Self.unexpected(what) }
        return bytes
    }

    mutating func list() throws(FleetError) -> RedisAnswer {
        guard let items = try value().items else { throw Self.unexpected(what) }
        return RedisAnswer(items: items[...], what: what)
    }

    /// What is left, as whole numbers.
    mutating func numbers() throws(FleetError) -> [Int] {
        var numbers: [Int] = []
        while !isEmpty { numbers.append(try number()) }
        return numbers
    }

    private init(items: ArraySlice<RESPValue>, what: String) {
        self.items = items
        self.what = what
    }

    private static func unexpected(_ what: String) -> FleetError {
        .cut(RedisTrouble.unexpected(RedisTrouble.printable(what)).text)
    }
}

extension RedisAnswer {
    /// How it stands, and the engine's time in milliseconds.
    mutating func view() throws(FleetError) -> (view: FleetView, now: Int) {
        let now = try number()
        var view = FleetView(
            seq: try number(), epoch: try number(), learning: try number(), calls: try number(), runs: try number(),
            used: [], pauses: [], members: [])
        var used = try list()
        view.used = try used.numbers()
        var pauses = try list()
        while !pauses.isEmpty {
            let (scope, cause) = (try pauses.text(), try pauses.text())
            view.pauses.append(FleetPause(scope: scope, cause: cause, left: try pauses.number()))
        }
        view.pauses.sort { $0.scope < $1.scope }
        var members = try list()
        while !members.isEmpty {
            if let id = FleetMemberID(text: try members.text()) { view.members.append(id) }
        }
        view.members.sort()
        return (view, now)
    }

    /// Of a join, behind the view.
    mutating func joined(_ view: FleetView) throws(FleetError) -> FleetJoined {
        let isFirst = try number() == 1
        var histories = try list()
        var history: [[FleetCount]] = []
        while !histories.isEmpty {
            var parts = try histories.list()
            var counts: [FleetCount] = []
            while !parts.isEmpty {
                let age = try parts.number()
                counts.append(FleetCount(age: age, count: try parts.number()))
            }
            history.append(counts)
        }
        return FleetJoined(view: view, history: history, isFirst: isFirst)
    }

    /// Of `acquire`, behind the view.
    mutating func grant(_ view: FleetView, asks: Int) throws(FleetError) -> FleetGrant {
        var parts = try list()
        let granted = try parts.numbers()
        guard granted.count == asks, granted.allSatisfy({ $0 >= 0 }) else { throw Self.unexpected(what) }
        return FleetGrant(view: view, granted: granted, wait: try number())
    }
}
