// What an object of the API is called, and how it stands: for people who are about to delete it. Of a report of 40 MB the
// beginning will do.

import Ground

/// What the answer to a read of one object says about it, as far as it was read.
package struct ObjectSummary: Sendable, Equatable {
    /// Of a report: its configuration's.
    package private(set) var name: String?
    /// As JSON: v2 has numbers for the states of a run, v1 words.
    package private(set) var status: String?
    /// The iTwin or, in v1, the project that it is in.
    package private(set) var itwin: String?
    /// When it was made, or run, as upstream writes it.
    package private(set) var createdAt: String?

    /// Reads an answer, or its beginning. What is no JSON says nothing.
    package init(beginning bytes: [UInt8]) {
        var scanner = JSONScanner()
        var (key, value) = (JSONTextReader(limit: 64), JSONTextReader(limit: 1024))
        var offset = 0
        // The member of the answer that the scanner is in.
        var member = ""
        while true {
            let event = scanner.next(in: bytes.span, at: &offset)
            // What tells about the object stands in the answer itself, or in the member that holds it.
            let isAbout = scanner.depth == 1 || (scanner.depth == 2 && Self.holders.contains(member))
            switch event {
            case .needsInput, .invalid: return
            case .key(let text):
                guard key.add(text, in: bytes.span), scanner.depth == 1 else { continue }
                member = key.decodedString() ?? ""
            case .string(let text) where isAbout:
                guard value.add(text, in: bytes.span), let word = value.decodedString() else { continue }
                keep(word, JSONText.quoted(word), of: key.decodedString())
            case .number(let text) where isAbout:
                guard value.add(text, in: bytes.span), let number = value.decodedString() else { continue }
                keep(nil, number, of: key.decodedString())
            default: break
            }
        }
    }

    /// Members of answers that hold what was asked for; that of a report is its list row, and stands before its clashes.
    private static let holders: Set<String> = ["metadata", "run", "suppressionRule", "test"]

    private mutating func keep(_ word: String?, _ json: String, of key: String?) {
        switch key {
        case "name", "displayName", "configurationName": name = name ?? word
        case "status": status = status ?? json
        case "iTwinId", "projectId": itwin = itwin ?? word
        case "createdAt", "creationDate", "creationDateTime", "executed", "executedDateTime":
            createdAt = createdAt ?? word
        default: break
        }
    }
}
