// An honest upstream: reports of iTwins, lists of them in pages, deletes that are done at once or as jobs that take their
// time. Whatever it is asked it answers as it stands at that moment.

import TestSupport

/// What can be asked for.
enum Resource: Hashable, Sendable {
    case page(itwin: Int, number: Int)
    case report(id: Int, itwin: Int)

    var itwin: Int {
        switch self {
        case .page(let itwin, _), .report(_, let itwin): itwin
        }
    }

    var target: String {
        switch self {
        case .page(let itwin, 0): list(itwin)
        case .page(let itwin, let number): "\(list(itwin))?page=\(number)"
        case .report(let id, _): "/reports/\(id)"
        }
    }

    var listTarget: String? {
        if case .page(let itwin, _) = self { list(itwin) } else { nil }
    }

    var isFirstPage: Bool {
        if case .page(_, 0) = self { true } else { false }
    }

    private func list(_ itwin: Int) -> String { "/itwins/\(itwin)/reports" }
}

/// One answer of upstream.
struct Shown {
    let text: String
    let reports: [Int]
    /// Of `reports`, those whose deletion was answered and is not done yet.
    let lingering: Set<Int>
    let isVaried: Bool
    /// How many rows the list has, where upstream says so.
    var count: Int?
}

struct ModelUpstream {
    typealias Instant = ContinuousClock.Instant

    private struct Report {
        let id: Int
        var revision = 0
        /// When it is gone; nil while it is to stay.
        var goneAt: Instant?
    }

    private var itwins: [[Report]]
    private var lastID = 0
    /// Whose reports are answered in the tool's language.
    var varies: [Bool]
    private static let pageSize = 4
    /// The one iTwin whose lists do not say how many rows they have.
    static let uncounted = 2

    init(itwins count: Int, using random: inout SeededGenerator) {
        itwins = Array(repeating: [], count: count)
        varies = (0..<count).map { $0 == 0 }
        for itwin in 0..<count {
            for _ in 0..<Int.random(in: 2...14, using: &random) { create(itwin) }
        }
    }

    /// The newest comes first, so that every later page shifts.
    mutating func create(_ itwin: Int) {
        lastID += 1
        itwins[itwin].insert(Report(id: lastID), at: 0)
    }

    mutating func update(_ id: Int, _ itwin: Int) {
        guard let index = itwins[itwin].firstIndex(where: { $0.id == id }) else { return }
        itwins[itwin][index].revision += 1
    }

    mutating func delete(_ id: Int, _ itwin: Int, goneAt: Instant) {
        guard let index = itwins[itwin].firstIndex(where: { $0.id == id && $0.goneAt == nil }) else { return }
        itwins[itwin][index].goneAt = goneAt
    }

    func anyReport(_ itwin: Int, using random: inout SeededGenerator) -> Int? {
        itwins[itwin].filter { $0.goneAt == nil }.randomElement(using: &random)?.id
    }

    /// What it answers now; nil for a report that it does not have.
    func show(_ resource: Resource, partition: String, language: String, now: Instant) -> Shown? {
        let there = itwins[resource.itwin].filter { report in report.goneAt.map { $0 > now } ?? true }
        let rows: [Report]
        var isVaried = false
        var count: Int?
        switch resource {
        case .page(_, let number):
            rows = Array(there.dropFirst(number * Self.pageSize).prefix(Self.pageSize))
            if resource.itwin != Self.uncounted { count = there.count }
        case .report(let id, let itwin):
            guard let report = there.first(where: { $0.id == id }) else { return nil }
            rows = [report]
            isVaried = varies[itwin]
        }
        let body =
            rows.map { "\($0.id):\($0.revision)" }.joined(separator: ",") + (count.map { "of\($0)" } ?? "")
        return Shown(
            text: "\(partition)|\(resource.target)|\(isVaried ? language : "any")|\(body)", reports: rows.map(\.id),
            lingering: Set(rows.filter { $0.goneAt != nil }.map(\.id)), isVaried: isVaried,
            count: count)
    }
}
