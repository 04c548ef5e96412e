// Requests and ids that the tests share. The v1 ids are composed here from GUIDs, independently of the decoder.

import HTTPTypes

@testable import ClashAPI

/// The verdict on a request whose body comes in one piece.
func resolve(
    _ method: HTTPRequest.Method, _ target: String, body: String = "", headers: HTTPFields = [:]
) -> OperationMatch {
    resolve(method, target, body: Array(body.utf8), headers: headers)
}

func resolve(
    _ method: HTTPRequest.Method, _ target: String, body: [UInt8], headers: HTTPFields = [:]
) -> OperationMatch {
    let route = ClashAPI.match(method: method, target: target)
    var classifier = BodyClassifier(route: route, headers: headers)
    _ = classifier.consume(body)
    return route.resolve(body: classifier.finish(), headers: headers)
}

extension HTTPFields {
    /// Fields out of name–value pairs.
    init(_ pairs: [(String, String)]) {
        self.init()
        for (name, value) in pairs {
            if let name = HTTPField.Name(name) { append(HTTPField(name: name, value: value)) }
        }
    }
}

enum SampleIDs {
    static let project = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"
    static let testGUID = "fedcba98-7654-4321-8fed-cba987654321"
    static let runGUID = "00010203-0405-4607-8809-0a0b0c0d0e0f"
    static let test = compose([project, testGUID])
    static let run = compose([project, runGUID])
    static let result = compose([project, testGUID, runGUID])

    /// Base64url without padding of GUIDs as .NET's `Guid.ToByteArray` writes them.
    static func compose(_ guids: [String]) -> String {
        base64URL(guids.flatMap(littleEndianBytes))
    }

    private static func littleEndianBytes(_ guid: String) -> [UInt8] {
        let groups = guid.split(separator: "-").map { group -> [UInt8] in
            let digits = Array(group)
            return stride(from: 0, to: digits.count, by: 2).compactMap { UInt8(String(digits[$0...$0 + 1]), radix: 16) }
        }
        return groups[0].reversed() + groups[1].reversed() + groups[2].reversed() + groups[3] + groups[4]
    }

    private static func base64URL(_ bytes: [UInt8]) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
        let bits = bytes.map { byte in
            let digits = String(byte, radix: 2)
            return String(repeating: "0", count: 8 - digits.count) + digits
        }.joined()
        var text = ""
        var rest = Substring(bits)
        while !rest.isEmpty {
            let group = rest.prefix(6)
            rest = rest.dropFirst(6)
            let padded = group + String(repeating: "0", count: 6 - group.count)
            text.append(alphabet[Int(padded, radix: 2) ?? 0])
        }
        return text
    }
}

/// Other spellings of a target that a server may take for the same.
enum TargetVariants {
    static func all(of target: String, keeping ids: [String]) -> [String] {
        let (path, query) = split(target)
        let segments = path.split(separator: "/").map(String.init)
        func join(_ segments: [String]) -> String { "/" + segments.joined(separator: "/") + query }
        let spelled = { (change: (String) -> String) in join(segments.map { ids.contains($0) ? $0 : change($0) }) }

        return [
            spelled { $0.uppercased() },
            spelled { $0.lowercased() },
            spelled {
                String($0.enumerated().map { $0.offset % 2 == 0 ? Character($0.element.uppercased()) : $0.element })
            },
            spelled(escapeEverything),
            spelled { escapeEverything($0).lowercased() },
            spelled { escapeFirst($0) },
            join(segments.map(escapeEverything)),
            path + "/" + query,
            path + "//" + query,
            "/" + segments[0] + "//" + segments.dropFirst().joined(separator: "//") + query,
            path + ";x=1" + query,
            "/" + segments[0] + "/" + segments.dropFirst().map { $0 + ";v=1;w" }.joined(separator: "/") + query,
            path + "/;x=1" + query,
        ]
    }

    private static func split(_ target: String) -> (path: String, query: String) {
        guard let question = target.firstIndex(of: "?") else { return (target, "") }
        return (String(target[..<question]), String(target[question...]))
    }

    private static func escapeEverything(_ text: String) -> String {
        text.utf8.map { "%" + String($0, radix: 16, uppercase: true) }.joined()
    }

    private static func escapeFirst(_ text: String) -> String {
        escapeEverything(String(text.prefix(1))) + text.dropFirst()
    }
}
