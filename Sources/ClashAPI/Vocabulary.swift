// The words of the operation table: what kind of thing an operation is, names, lists and stores.
// Everything here is a plain value without behaviour; the table itself is in OperationTable.swift.

/// What an operation does, as far as a caller's rights are concerned.
package enum OperationClass: String, Sendable, CaseIterable {
    /// Changes nothing.
    case read
    /// Creates or changes something.
    case write
    /// Starts or cancels clash runs.
    case run
    /// Destroys something, or may do so.
    case delete
}

/// Which of Bentley's two APIs a path belongs to.
///
/// They spell errors differently: a refused call is `TooManyRequests` in v1, `RateLimitExceeded` in v2.
package enum APIVersion: String, Sendable, CaseIterable {
    /// `/clashdetection/…`
    case v1
    /// `/clash-detection/…`
    case v2
    /// Anything else.
    case other

    /// What `Accept` asks it for; of anything else, what v2 is asked for.
    package var mediaType: String { "application/vnd.bentley.itwin-platform.\(self == .v1 ? "v1" : "v2")+json" }
}

/// Where a call names an iTwin.
package enum ITwinPlace: String, Sendable, CaseIterable {
    /// In the path, as itself (v2).
    case path
    /// `projectId` or `iTwinId` in the query.
    case query
    /// `projectId` or `iTwinId` in the body.
    case body
    /// By a v1 id in the path.
    case id
    /// By the v1 id of `testId` in the body.
    case test
    /// By the v1 ids of `suppressionRules`, `templateId` or `jobs` in the body.
    case reference
}

/// What the ids of an operation (in its path, or in the body's `jobs`) are ids of.
package enum ObjectKind: String, Sendable, CaseIterable {
    /// A clash test.
    case test
    /// A v2 clash report (which is also its run).
    case report
    /// A v1 run.
    case run
    /// A v1 result.
    case result
    /// A suppression rule.
    case rule
    /// An iModel; the API calls it repository elsewhere.
    case repository
}

/// The lists the API has, both versions taken together: v1 runs and v2 reports are the same things.
package enum ListFamily: String, Sendable, CaseIterable {
    /// Clash tests.
    case tests
    /// v2 reports, v1 runs and results.
    case reports
    /// Suppression rules.
    case suppressionRules = "suppression-rules"
    /// Templates of suppression rules; nothing in the API writes them.
    case suppressionTemplates = "suppression-templates"
    /// Manual suppressions of single clashes.
    case manualSuppressions = "manual-suppressions"
}

/// A set of list families.
package struct ListFamilies: OptionSet, Sendable, Hashable {
    /// One bit a family, in the order of `ListFamily.allCases`.
    package let rawValue: UInt8

    /// Makes a set from its bits.
    package init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// `ListFamily.tests`
    package static let tests = ListFamilies(rawValue: 1)
    /// `ListFamily.reports`
    package static let reports = ListFamilies(rawValue: 2)
    /// `ListFamily.suppressionRules`
    package static let suppressionRules = ListFamilies(rawValue: 4)
    /// `ListFamily.suppressionTemplates`
    package static let suppressionTemplates = ListFamilies(rawValue: 8)
    /// `ListFamily.manualSuppressions`
    package static let manualSuppressions = ListFamilies(rawValue: 16)
    /// Every family.
    package static let all = ListFamilies(rawValue: 31)

    /// The members, in declaration order.
    package var families: [ListFamily] {
        var bit: UInt8 = 1
        return ListFamily.allCases.filter { _ in
            defer { bit <<= 1 }
            return rawValue & bit != 0
        }
    }
}

/// How long an answer may live in a cache when upstream does not say.
package enum CachePolicy: String, Sendable, CaseIterable {
    /// A page of a list.
    case list
    /// One object that changes only when somebody writes it (a test, a rule); as short-lived as a list.
    case item
    /// A report, run or result: final once its run has ended, seconds before that.
    case terminal
    /// Changes only with Bentley's releases.
    case stable
    /// Not without an explicit word of upstream's.
    case never
}

/// Where an answer's body keeps the objects it is about.
package enum AnswerRows: Sendable, Hashable {
    /// Nowhere that matters.
    case none
    /// In the array under this top-level key.
    case array(String)
    /// In the object under this top-level key.
    case object(String)
}
