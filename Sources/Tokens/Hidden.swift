// A value that no description, debug print or dump shows. Everything in this module that carries a secret stores it in
// one of these, so that hiding it is a property of the type and not of each place that prints.

/// A secret. Only code that says `.value` sees it.
struct Hidden<Value: Sendable>: Sendable {
    let value: Value

    init(_ value: Value) { self.value = value }
}

extension Hidden: Equatable where Value: Equatable {}

extension Hidden: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    var description: String { "(hidden)" }
    var debugDescription: String { "(hidden)" }
    var customMirror: Mirror { Mirror(self, children: []) }
}
