// What a 404 or 410 to a read says about the object that was to be read. The API answers so for whatever is missing on the way
// to it, too: the iTwin, the project, the repository; and a gateway does for paths that it does not know.

import Ground

package enum MissingObject {
    /// Whether the answer says of the object itself that it is not there.
    ///
    /// The codes of some reads are not documented, so the words in a code decide. Nothing at all, or a code that names no
    /// kind, is about what was asked for.
    ///
    /// - Parameters:
    ///   - body: of a 404 or 410, whole.
    ///   - kind: of the object.
    package static func isMeant(by body: [UInt8], kind: ObjectKind) -> Bool {
        if body.isEmpty { return true }
        guard let document = JSON(body), case .object = document else { return false }
        guard let error = document["error"] else {
            // API Management, which stands before the API, speaks so of itself.
            return document["statusCode"] == nil
        }
        let details = (error["details"]?.array ?? []).compactMap { $0["code"]?.string }
        guard let code = error["code"]?.string.map({ $0.lowercased() }) else { return false }
        if !general.contains(code) { return names(kind, in: code) }
        return details.allSatisfy { names(kind, in: $0.lowercased()) }
    }

    /// Whether the answer says that the iTwin (v1: the project) is not there, and so nothing in it.
    package static func isOfITwin(_ body: [UInt8]) -> Bool {
        ["itwinnotfound", "projectnotfound"].contains(JSON(body)?["error"]?["code"]?.string?.lowercased() ?? "")
    }

    /// Codes that name no kind of object.
    private static let general: Set<String> = ["resourcenotfound", "notfound", "gone", "resourcegone"]

    private static func names(_ kind: ObjectKind, in code: String) -> Bool {
        code.hasSuffix("notfound") && !code.contains("template") && kind.words.contains { code.contains($0) }
    }
}

extension ObjectKind {
    /// What codes call it. A v2 report is its run, too.
    fileprivate var words: [String] {
        switch self {
        case .test: ["test"]
        case .report: ["report", "run"]
        case .run: ["run"]
        case .result: ["result"]
        case .rule: ["rule"]
        case .repository: ["imodel", "repository"]
        }
    }
}
