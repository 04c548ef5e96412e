// Whose windows a call spends. There is one book for the proxy's own client; where tools bring their own tokens there is
// one for each client that accepted tokens belong to, and one for all tokens that upstream has not answered yet: what
// those claim is not verified, so it must cost nobody else anything.
//
// What stays true:
//  1. Book 0 is the proxy's own; with passed tokens it is shared by the clients for whom there was no room.
//  2. With passed tokens book 1 is the newcomers': a tenth of every window for all of them together.
//  3. A newcomer's call takes no turn of the client it claims, but waits while that client's calls must, and while it is
//     under way one call of that client's hard windows is kept for it: if upstream accepts the token, it counts there.

import Ground

struct ClientBooks: Sendable {
    typealias ID = UInt64

    /// What is known of a token.
    private struct Standing: Sendable {
        /// Its client's book, once upstream has accepted the token.
        var book: Int?
        /// Of this token alone.
        var coolDowns = CoolDownTable()
        var lastUse: UInt64 = 0
    }

    static let own = 0
    private static let newcomers = 1
    private static let firstClient = 2

    private let capacity: Int
    private let tokenCapacity: Int
    let passesTokens: Bool
    private var windows: [GateWindow]
    private var runWindows: [GateWindow]
    private var isHeld: Bool
    private(set) var books: [ClientBook]
    /// Whose the books from `firstClient` on are, and when each was used last.
    private var owners: [(client: String, lastUse: UInt64)] = []
    private var indices: [String: Int] = [:]
    private var tokens: [String: Standing] = [:]
    /// Newcomers' calls under way, with the book of the client that they claim.
    private var claims: [ID: Int] = [:]
    private var uses: UInt64 = 0

    /// - Parameters:
    ///   - capacity: clients with a book of their own, at most.
    ///   - tokenCapacity: tokens that are remembered, at most.
    init(
        _ limits: GateLimits, passesTokens: Bool, now: Nanoseconds, capacity: Int = 256, tokenCapacity: Int = 4096
    ) {
        self.passesTokens = passesTokens
        self.capacity = capacity
        self.tokenCapacity = tokenCapacity
        windows = limits.windows
        runWindows = limits.runWindows
        isHeld = !limits.observe
        books = []
        books.append(newBook(now: now))
        if passesTokens {
            books.append(
                ClientBook(
                    windows: windows.map(\.tenth), runWindows: runWindows.map(\.tenth), isHeld: isHeld, now: now))
        }
    }

    /// Stands in for the books while they are lent to somebody; knows nobody.
    init() {
        passesTokens = false
        (capacity, tokenCapacity) = (0, 0)
        (windows, runWindows, isHeld, books) = ([], [], true, [])
    }

    /// Clients and tokens that are known.
    var known: (clients: Int, tokens: Int) { (owners.count, tokens.count) }

    // MARK: Whose

    /// The book that a call with this token spends from now.
    func index(of token: GateRequest.Token?) -> Int {
        guard passesTokens else { return Self.own }
        return token.flatMap { tokens[$0.id]?.book } ?? Self.newcomers
    }

    /// Whether calls of two tokens are held by the same pauses.
    func sharePauses(_ one: GateRequest.Token?, _ other: GateRequest.Token?) -> Bool {
        let index = index(of: one)
        guard index == self.index(of: other) else { return false }
        return !passesTokens || index != Self.newcomers || one == other
    }

    /// The windows that hold for a call.
    func limits(of token: GateRequest.Token?) -> (windows: [GateWindow], runWindows: [GateWindow]) {
        guard passesTokens, index(of: token) == Self.newcomers else { return (windows, runWindows) }
        return (windows.map(\.tenth), runWindows.map(\.tenth))
    }

    // MARK: When

    /// Passes the time for those that every event looks at; the others are brought along as they are asked.
    mutating func advance(to now: Nanoseconds) { bring(Self.own, to: now) }

    /// The book of a call, brought to `now`.
    mutating func book(of token: GateRequest.Token?, now: Nanoseconds) -> ClientBook {
        let index = index(of: token)
        bring(index, to: now)
        return books[index]
    }

    /// The book of the client that has used most of one of its windows, brought to `now`: what operators are shown. What
    /// unknown tokens have is no client's budget.
    mutating func busiest(now: Nanoseconds) -> ClientBook {
        var busiest = Self.own
        for index in books.indices where index != Self.newcomers || !passesTokens {
            bring(index, to: now)
            if books[index].share > books[busiest].share { busiest = index }
        }
        return books[busiest]
    }

    /// When the next call may go that is none of the urgent ones, lanes aside, as far as all calls have that in common.
    func openingOfAll(now: Nanoseconds) -> Nanoseconds {
        passesTokens ? now : books[Self.own].openingOfAll(now: now)
    }

    /// When the next call of a lane may go.
    mutating func opening(of lane: Lane, now: Nanoseconds) -> Nanoseconds {
        let index = index(of: lane.token)
        bring(index, to: now)
        let opening = books[index].opening(of: lane, now: now)
        guard passesTokens, index == Self.newcomers else { return opening }
        let pauses = standing(of: lane.token)?.coolDowns
        let alone = pauses.map { max($0.openingOfAll(now: now), $0.opening(of: lane, now: now)) } ?? now
        guard let claimed = claimed(by: lane.token) else { return max(opening, alone) }
        bring(claimed, to: now)
        return max(opening, alone, books[claimed].opening(of: lane, now: now))
    }

    /// The latest end of the pauses that hold a lane's calls; nil if none does.
    mutating func pauseEnd(for lane: Lane, now: Nanoseconds) -> Nanoseconds? {
        tables(of: lane.token, now: now).compactMap { $0.end(for: lane, now: now) }.max()
    }

    /// Whether a call of a lane that was let in at `since` has to wait, or to queue again, because of a pause that began
    /// later.
    mutating func pauseHasBegun(since: Nanoseconds, for lane: Lane, now: Nanoseconds) -> Bool {
        guard passesTokens else { return books[Self.own].coolDowns.hasBegun(since: since, for: lane, now: now) }
        return tables(of: lane.token, now: now).contains { $0.hasBegun(since: since, for: lane, now: now) }
    }

    mutating func tables(of token: GateRequest.Token?, now: Nanoseconds) -> [CoolDownTable] {
        let index = index(of: token)
        bring(index, to: now)
        guard passesTokens, index == Self.newcomers else { return [books[index].coolDowns] }
        var tables = standing(of: token).map { [$0.coolDowns] } ?? []
        if let claimed = claimed(by: token) {
            bring(claimed, to: now)
            tables.append(books[claimed].coolDowns)
        }
        return tables
    }

    // MARK: What calls do

    /// A call is let in. Returns the book in which a send is reserved for it.
    mutating func reserve(_ id: ID, _ lane: Lane, now: Nanoseconds, paced: Bool) -> Int {
        let index = index(of: lane.token)
        bring(index, to: now)
        books[index].reserve(lane, now: now, paced: paced)
        guard passesTokens else { return index }
        uses += 1
        if index >= Self.firstClient { owners[index - Self.firstClient].lastUse = uses }
        if let token = lane.token { tokens[token.id]?.lastUse = uses }
        if index == Self.newcomers, let claimed = claimed(by: lane.token) {
            bring(claimed, to: now)
            books[claimed].reserve(lane, now: now, paced: false)
            claims[id] = claimed
        }
        return index
    }

    mutating func send(from book: Int, _ lane: Lane, now: Nanoseconds) {
        bring(book, to: now)
        books[book].send(lane, now: now)
    }

    /// A reservation ends without a send.
    mutating func cancelReservation(in book: Int, _ lane: Lane, paced: Bool) {
        books[book].cancelReservation(lane, paced: paced)
    }

    /// The place of a call is back.
    mutating func left(_ id: ID, _ book: Int, _ lane: Lane) {
        books[book].left()
        guard passesTokens, let claimed = claims.removeValue(forKey: id) else { return }
        books[claimed].cancelReservation(lane, paced: false)
        books[claimed].left()
    }

    /// Upstream has answered a call, that was sent from `book`, in a way that shows that it accepts the token. True: that
    /// is new, and the token's calls spend other windows from now on.
    mutating func accepted(_ id: ID, _ book: Int, _ lane: Lane, now: Nanoseconds) -> Bool {
        guard passesTokens, book == Self.newcomers, let token = lane.token, token.canBeAccepted else { return false }
        let isNew = tokens[token.id]?.book == nil
        let index = tokens[token.id]?.book ?? makeBook(of: token.client, now: now)
        bring(index, to: now)
        if let claimed = claims.removeValue(forKey: id) {
            if claimed == index { books[claimed].send(lane, now: now) } else { recount(claimed, index, lane, now: now) }
            books[claimed].left()
        } else {
            books[index].record(lane, now: now)
        }
        guard isNew else { return false }
        remember(token, now: now)
        tokens[token.id]?.book = index
        return true
    }

    private mutating func recount(_ claimed: Int, _ index: Int, _ lane: Lane, now: Nanoseconds) {
        books[claimed].cancelReservation(lane, paced: false)
        books[index].record(lane, now: now)
    }

    /// Upstream refused a call for now. `whose`: what is closed, where tools bring their own tokens.
    mutating func refused(
        _ lane: Lane, cause: LimitCause, told: Nanoseconds?, sentAt: Nanoseconds, now: Nanoseconds, jitter: Double
    ) -> (closing: CoolDownTable.Closing, whose: String?) {
        let scope = CoolDownScope(cause, operation: lane.operation, api: lane.api)
        let index = index(of: lane.token)
        if passesTokens, index == Self.newcomers {
            let token = lane.token ?? .none
            remember(token, now: now)
            var standing = tokens[token.id] ?? Standing()
            standing.coolDowns.advance(to: now)
            let closing = standing.coolDowns.refused(
                scope, cause: cause, told: told, sentAt: sentAt, now: now, jitter: jitter)
            tokens[token.id] = standing
            return (closing, "token:" + token.id)
        }
        bring(index, to: now)
        let closing = books[index].coolDowns.refused(
            scope, cause: cause, told: told, sentAt: sentAt, now: now, jitter: jitter)
        books[index].learn(from: closing, countsAsRun: lane.countsAsRun, now: now)
        return (closing, index >= Self.firstClient ? owners[index - Self.firstClient].client : nil)
    }

    /// See `Gate.othersSent`.
    mutating func othersSent(calls: Int, runs: Int, now: Nanoseconds) {
        bring(Self.own, to: now)
        books[Self.own].othersSent(calls: calls, runs: runs, now: now)
    }

    /// See `Gate.adopt`.
    mutating func adopt(_ sends: [[EarlierSends]], now: Nanoseconds) {
        bring(Self.own, to: now)
        books[Self.own].adopt(sends, isHeld: isHeld, now: now)
    }

    /// A pause of the proxy's own client that was told to somebody else.
    mutating func closedByOthers(
        _ scope: CoolDownScope, cause: LimitCause, now: Nanoseconds, end: Nanoseconds
    ) -> CoolDownTable.Closing? {
        bring(Self.own, to: now)
        return books[Self.own].coolDowns.closedByOthers(scope, cause: cause, now: now, end: end)
    }

    // MARK: All together

    /// Whether nothing is closed or opening, and nobody uses anything.
    func isQuiet(now: Nanoseconds) -> Bool { books.allSatisfy { $0.users == 0 } && pauses(now: now).isEmpty }

    /// All pauses that hold or are opening.
    func pauses(now: Nanoseconds) -> [CoolDown] {
        let all = books.lazy.map(\.coolDowns) + tokens.values.lazy.map(\.coolDowns)
        return all.flatMap { $0.entries.filter { $0.rampEnd > now } }
    }

    /// Nanoseconds from call to call at the present pace of a call's book.
    mutating func interval(of lane: Lane, now: Nanoseconds) -> Double {
        let index = index(of: lane.token)
        bring(index, to: now)
        return books[index].interval(countsAsRun: lane.countsAsRun)
    }

    /// How long the call that goes after `turns - 1` others, of them `runs` starts of runs, will have waited for the pace.
    mutating func wait(turns: Int, runs: Int, of lane: Lane, now: Nanoseconds) -> Nanoseconds {
        let index = index(of: lane.token)
        bring(index, to: now)
        var wait = books[index].wait(turns: turns, runs: runs, of: lane, now: now)
        if let pause = passesTokens ? pauseEnd(for: lane, now: now) : nil { wait = max(wait, pause - now) }
        return wait
    }

    /// Until when calls of a lane can surely not go; `now` if they may or might.
    mutating func closedUntil(_ lane: Lane, now: Nanoseconds) -> Nanoseconds {
        let book = book(of: lane.token, now: now)
        return max(book.closedUntil(lane, now: now), passesTokens ? pauseEnd(for: lane, now: now) ?? now : now)
    }

    /// Puts other limits in force. What was spent stays spent.
    mutating func change(to limits: GateLimits, isModeNew: Bool, now: Nanoseconds) {
        isHeld = !limits.observe
        let areNew = isModeNew || limits.windows != windows
        let areRunsNew = isModeNew || limits.runWindows != runWindows
        (windows, runWindows) = (limits.windows, limits.runWindows)
        for index in books.indices {
            let isForNewcomers = passesTokens && index == Self.newcomers
            bring(index, to: now)
            books[index].change(
                windows: areNew ? windows.map { isForNewcomers ? $0.tenth : $0 } : nil,
                runWindows: areRunsNew ? runWindows.map { isForNewcomers ? $0.tenth : $0 } : nil,
                isHeld: isHeld, now: now)
        }
    }

    // MARK: Inside

    private mutating func bring(_ index: Int, to now: Nanoseconds) {
        if books[index].now < now { books[index].advance(to: now) }
    }

    private func newBook(now: Nanoseconds) -> ClientBook {
        ClientBook(windows: windows, runWindows: runWindows, isHeld: isHeld, now: now)
    }

    private func standing(of token: GateRequest.Token?) -> Standing? { tokens[(token ?? .none).id] }

    /// The book of the client that a newcomer says it belongs to, brought to `now`; nil of those who are none.
    mutating func claimedBook(by token: GateRequest.Token?, now: Nanoseconds) -> ClientBook? {
        guard index(of: token) == Self.newcomers, let index = claimed(by: token) else { return nil }
        bring(index, to: now)
        return books[index]
    }

    /// The book of the client that a newcomer says it belongs to, if there is one.
    private func claimed(by token: GateRequest.Token?) -> Int? { token.flatMap { indices[$0.client] } }

    /// The book of a client. Where there are too many, the idle one that was used least lately makes room; with none
    /// idle, further clients share one.
    private mutating func makeBook(of client: String, now: Nanoseconds) -> Int {
        if let index = indices[client] { return index }
        uses += 1
        if owners.count < capacity {
            indices[client] = books.count
            books.append(newBook(now: now))
            owners.append((client, uses))
            return books.count - 1
        }
        for index in books.indices { bring(index, to: now) }
        let idle = owners.indices.filter { books[$0 + Self.firstClient].isIdle }
        guard let oldest = idle.min(by: { owners[$0].lastUse < owners[$1].lastUse }) else { return Self.own }
        let index = oldest + Self.firstClient
        indices[owners[oldest].client] = nil
        // Its tokens are as new again.
        tokens = tokens.filter { $0.value.book != index }
        books[index] = newBook(now: now)
        owners[oldest] = (client, uses)
        indices[client] = index
        return index
    }

    /// Makes room for a token in the memory: of too many, what holds nothing goes first, then what was used least lately.
    private mutating func remember(_ token: GateRequest.Token, now: Nanoseconds) {
        guard tokens[token.id] == nil else { return }
        if tokens.count >= tokenCapacity {
            tokens = tokens.filter { $0.value.book != nil || $0.value.coolDowns.entries.contains { $0.rampEnd > now } }
        }
        if tokens.count >= tokenCapacity, let oldest = tokens.min(by: { $0.value.lastUse < $1.value.lastUse }) {
            tokens[oldest.key] = nil
        }
        uses += 1
        tokens[token.id] = Standing(lastUse: uses)
    }
}

extension GateWindow {
    /// What all newcomers together may spend of it.
    fileprivate var tenth: GateWindow { GateWindow(limit: max(limit / 10, 1), span: span) }
}
