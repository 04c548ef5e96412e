// `Prefer: wait=N` is an instruction to this proxy; every other preference is upstream's (RFC 7240).

import HTTPTypes

enum Prefer {
    /// The shortest `wait` in whole seconds, or nil.
    static func wait(in fields: HTTPFields) -> Duration? {
        var shortest: Int?
        for value in fields[values: .prefer] {
            for element in value.listElements {
                guard let seconds = waitSeconds(element) else { continue }
                shortest = min(shortest ?? seconds, seconds)
            }
        }
        return shortest.map { .seconds($0) }
    }

    /// Takes `wait` out and leaves the other preferences as they were.
    static func removeWait(from fields: inout HTTPFields) {
        guard fields.contains(.prefer) else { return }
        let values = fields[values: .prefer]
        guard values.contains(where: { $0.listElements.contains { waitSeconds($0) != nil } }) else { return }
        fields[values: .prefer] = values.compactMap { value in
            let kept = value.listElements.filter { waitSeconds($0) == nil }
            return kept.isEmpty ? nil : kept.joined(separator: ", ")
        }
    }

    private static func waitSeconds(_ preference: String) -> Int? {
        let parts = preference.split(separator: "=", maxSplits: 1).map(\.trimmedSpaces)
        guard parts.count == 2, parts[0].lowercased() == "wait" else { return nil }
        let digits = parts[1].hasPrefix("\"") ? String(parts[1].dropFirst().prefix { $0 != "\"" }) : parts[1]
        guard let seconds = Int(digits), seconds >= 0 else { return nil }
        return min(seconds, 86_400)
    }
}
