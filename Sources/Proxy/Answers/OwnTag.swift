// The proxy's own entity tags in what tools send: upstream knows none of them.

import HTTPTypes

/// Own tags are known by how they begin, after a restart too.
enum OwnTag {
    /// Begins the digest of every body that is kept, and so its tags.
    static let mark = "cp-"

    /// Throws 412 where `If-Match` names nothing but tags of ours: whether they still hold only upstream could say, and it
    /// has never seen one.
    static func checkMatch(_ fields: HTTPFields) throws(Failure) {
        guard fields.contains(.ifMatch) else { return }
        let tags = fields[values: .ifMatch].flatMap(\.listElements)
        guard !tags.isEmpty, tags.allSatisfy(isOwn) else { return }
        throw Failure(
            .preconditionFailed,
            "The ETag in If-Match is this proxy's own, and upstream knows no such tag: "
                + "send the request without If-Match.", target: "If-Match")
    }

    /// Takes own tags out of the lists that go upstream. `If-Range` stays as it is: with a tag that upstream does not
    /// know it gets the whole, without one it might get a part of something else.
    static func remove(from fields: inout HTTPFields) {
        for name in [HTTPField.Name.ifMatch, .ifNoneMatch] where fields.contains(name) {
            let values = fields[values: name]
            guard values.contains(where: { $0.listElements.contains(where: isOwn) }) else { continue }
            fields[values: name] = values.compactMap { value in
                let foreign = value.listElements.filter { !isOwn($0) }
                return foreign.isEmpty ? nil : foreign.joined(separator: ", ")
            }
        }
    }

    /// Whether one of ours is among the tags of a field.
    static func stands(in fields: HTTPFields, _ name: HTTPField.Name) -> Bool {
        fields[values: name].contains { $0.listElements.contains(where: isOwn) }
    }

    /// Whether it is one, or has one in it where the list is malformed: no other tag has a quote inside.
    private static func isOwn(_ tag: String) -> Bool { tag.contains("\"" + mark) }
}
