// What a request body says that matters to rights, audit and cache. Values only; RequestBodyScanner finds them.

/// The facts of one request body.
package struct RequestBodyFacts: Sendable, Equatable {
    /// What kind of body it was.
    package enum Form: Sendable, Equatable {
        /// No bytes, or nothing but white space.
        case empty
        /// One JSON text, read to its end.
        case json
        /// Encoded or no JSON, so that upstream could see in it what we do not.
        case unreadable(Unreadable)
    }

    /// Why a body could not be read.
    package enum Unreadable: String, Sendable, CaseIterable {
        /// `Content-Encoding` other than identity.
        case contentEncoding
        /// A charset other than UTF-8 or ASCII, or bytes of one.
        case charset
        /// Is not one JSON text, is cut off, or nests deeper than 128.
        case malformed
    }

    /// What kind of body it was.
    package var form: Form
    /// Some `operation` says delete, or says something that could mean it (a number, an array, several words).
    package var saysDelete = false
    /// Some `operation` says cancel.
    package var saysCancel = false
    /// `inPlace` (v1) says true or force, or anything but false.
    package var saysInPlace = false
    /// Ids in `jobs`: strings, or the `id`, `reportId`, `clashReportId` of its objects.
    package var jobIDs: [String] = []
    /// `testId` at top level or in `jobs`.
    package var testIDs: [String] = []
    /// `iModelId` at top level or in `jobs`.
    package var iModelIDs: [String] = []
    /// `projectId` or `iTwinId` at top level.
    package var projectIDs: [String] = []
    /// The iTwins that v1 ids in `suppressionRules` and `templateId` carry, each once.
    package var referenceProjects: [EntityID] = []
    /// Something in `testId`, `suppressionRules` or `templateId` is no v1 id.
    package var hasOddReference = false
    /// Some `projectId` or `iTwinId` is no text.
    package var hasOddITwin = false
    /// The first of the watched ids that a string anywhere in the body names, as an object or as the iTwin of one.
    package var watchedID: EntityID?
    /// Whether there were more or longer ids than are kept, or others than can be.
    package var idsAreIncomplete = false
    /// Whether an id has an escape that means no character, such as half of a surrogate pair.
    package var idsAreNoText = false

    /// No body.
    package static let empty = RequestBodyFacts(form: .empty)

    /// Facts of a body of which nothing else is known.
    package init(form: Form) {
        self.form = form
    }

    /// Whether the body could not be read; such a POST, PUT or PATCH is taken for a delete.
    package var isUnreadable: Bool {
        if case .unreadable = form { return true }
        return false
    }
}
