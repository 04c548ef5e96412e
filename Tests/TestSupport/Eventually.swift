// Waiting for what other threads, processes or sockets bring about.

/// What a test waited for did not come about.
public struct NeverHappened: Error, CustomStringConvertible {
    /// What it was.
    public let what: String
    /// Says so.
    public init(what: String) { self.what = what }
    /// For the test's report.
    public var description: String { "never happened: \(what)" }
}

/// Waits until a condition that others bring about holds; the deadline of 20 s only fails a hang.
///
/// - Parameters:
///   - what: said when it does not come about.
///   - seen: what there was instead, asked for then.
public func eventually(
    _ what: String, seen: () -> String = { "" }, _ condition: () throws -> Bool
) async throws {
    let clock = ContinuousClock()
    let deadline = clock.now + .seconds(20)
    while try !condition() {
        guard clock.now < deadline else { throw NeverHappened(what: what + seen()) }
        try await Task.sleep(for: .milliseconds(5))
    }
}
