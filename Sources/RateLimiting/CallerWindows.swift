// Hard windows of single callers, beside those of the subscription: exact, and not spread. A caller without any is not
// known here.
//
// What stays true: in each window sends and reservations of its caller together never exceed its limit (unless nothing
// is held, or the limit was lowered).

import DequeModule
import Ground

/// The own windows of callers, by name.
struct CallerWindows: Sendable {
    private struct Book: Sendable {
        let limits: [GateWindow]
        var windows: [SlidingWindow]
        /// Admitted and not yet sent.
        var reserved = 0

        init(_ limits: [GateWindow]) {
            self.limits = limits
            windows = limits.map(SlidingWindow.init)
        }

        /// With other limits. Each window goes on with the count of the shortest that was at least as long as it, or of
        /// the longest.
        func changed(to limits: [GateWindow]) -> Book {
            var book = Book(limits)
            book.reserved = reserved
            let former = windows.sorted { $0.span < $1.span }
            for index in book.windows.indices {
                book.windows[index].adopt(reserved: reserved)
                let span = book.windows[index].span
                if let other = former.first(where: { $0.span >= span }) ?? former.last {
                    book.windows[index].inherit(from: other)
                }
            }
            return book
        }

        mutating func advance(to now: Nanoseconds) {
            for index in windows.indices { windows[index].advance(to: now) }
        }

        var isUnspent: Bool { reserved == 0 && windows.allSatisfy { $0.spent == 0 } }
    }

    private var books: [String: Book] = [:]
    private var sweepAt = 64

    /// Callers that are remembered.
    var count: Int { books.count }

    /// When the `turns`-th call of its caller from now may be admitted, if all before it are sent as soon as they may:
    /// `now` where it has no windows of its own.
    func opening(of request: GateRequest, turns: Int = 1, now: Nanoseconds) -> Nanoseconds {
        guard let book = book(of: request) else { return now }
        return book.windows.reduce(now) { max($0, $1.opening(ofCall: turns, now: now)) }
    }

    /// The window that opens last for such a call; nil where it has none.
    func tightest(for request: GateRequest, turns: Int, now: Nanoseconds) -> GateWindow? {
        guard let book = book(of: request) else { return request.windows.first }
        return zip(book.limits, book.windows)
            .max { $0.1.opening(ofCall: turns, now: now) < $1.1.opening(ofCall: turns, now: now) }?.0
    }

    /// How the windows of a call's caller stand, in the order in which they are configured.
    func windows(of request: GateRequest, now: Nanoseconds) -> [(limit: GateWindow, window: SlidingWindow)] {
        var book = book(of: request) ?? Book(request.windows)
        book.advance(to: now)
        return Array(zip(book.limits, book.windows))
    }

    mutating func reserve(_ request: GateRequest, now: Nanoseconds) {
        guard !request.windows.isEmpty else { return }
        if books[request.caller] == nil, books.count >= sweepAt { sweep(now: now) }
        var book = book(of: request) ?? Book(request.windows)
        book.advance(to: now)
        book.reserved += 1
        for index in book.windows.indices { book.windows[index].reserve() }
        books[request.caller] = book
    }

    /// A reservation ends without a send. True: its caller may go on who could not.
    mutating func cancelReservation(_ request: GateRequest) -> Bool {
        guard !request.windows.isEmpty, var book = books[request.caller] else { return false }
        book.reserved -= 1
        for index in book.windows.indices { book.windows[index].cancelReservation() }
        books[request.caller] = book
        return true
    }

    /// A reserved send goes out.
    mutating func send(_ request: GateRequest, now: Nanoseconds) {
        guard !request.windows.isEmpty, var book = books[request.caller] else { return }
        book.advance(to: now)
        book.reserved -= 1
        for index in book.windows.indices { book.windows[index].send(now: now) }
        books[request.caller] = book
    }

    /// The caller's book with the limits that hold for this call.
    private func book(of request: GateRequest) -> Book? {
        guard !request.windows.isEmpty, let book = books[request.caller] else { return nil }
        return book.limits == request.windows ? book : book.changed(to: request.windows)
    }

    /// Forgets callers of whom nothing counts any more.
    private mutating func sweep(now: Nanoseconds) {
        for name in Array(books.keys) {
            books[name]?.advance(to: now)
            if books[name]?.isUnspent == true { books[name] = nil }
        }
        sweepAt = 2 * books.count + 64
    }
}

extension SlidingWindow {
    /// When the `count`-th call from now can be reserved, if those before it are sent as soon as they can be. Time need not
    /// have been passed.
    func opening(ofCall count: Int, now: Nanoseconds) -> Nanoseconds {
        var missing = reserved + count - limit
        for sends in log where expiry(sends) > now { missing += sends.count }
        guard missing > 0 else { return now }
        for sends in log where expiry(sends) > now {
            missing -= sends.count
            if missing <= 0 { return expiry(sends) }
        }
        // Those that are reserved or go before it are sent now at the earliest, `limit` of them in a span.
        return now + Nanoseconds((missing + limit - 1) / limit) * (span + 1)
    }
}
