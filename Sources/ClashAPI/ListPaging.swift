// How the paged lists are paged, as the documentation has it (developer.bentley.com, both APIs): what a query may say, and how
// many rows a page has.

/// How one list is paged.
package struct ListPaging: Sendable, Hashable {
    /// How a page says where it begins.
    package enum Style: Sendable, Hashable {
        /// By a token of upstream's in this query parameter.
        case token(String)
        /// By the number of rows before it, in `$skip`.
        case skip
    }

    /// Rows of a page that is asked for without `$top`.
    package let standard: Int
    /// The largest `$top`.
    package let most: Int
    /// How a page says where it begins.
    package let style: Style
    /// Other query parameters that the documentation names, and that choose rows or their order.
    let filters: Set<String>
    /// Whether `_links` have `self` and `prev` beside `next`.
    package let linksBothWays: Bool

    /// The query parameter that carries tokens of this proxy.
    package var tokenName: String {
        switch style {
        case .token(let name): name
        case .skip: "$continuationToken"
        }
    }

    private init(_ standard: Int, _ most: Int, _ style: Style, _ filters: Set<String>, linksBothWays: Bool = true) {
        (self.standard, self.most, self.style, self.filters) = (standard, most, style, filters)
        self.linksBothWays = linksBothWays
    }

    private static let v2 = Style.token("$continuationToken")

    private static func v1(_ standard: Int) -> ListPaging {
        ListPaging(standard, 50, .token("continuationToken"), ["projectId"], linksBothWays: false)
    }

    /// By the operation's name. What is not here is not paged.
    static let all: [String: ListPaging] = [
        "v2.reports.list": ListPaging(10, 100, v2, []),
        "v2.tests.list": ListPaging(
            100, 500, v2, ["orderBy", "repositoryId", "name", "description", "includeRulesCount"]),
        "v2.suppression-rules.list": ListPaging(100, 500, v2, ["orderBy", "reason", "name"]),
        "v2.suppression-templates.list": ListPaging(100, 500, v2, ["description", "definition"]),
        // `includeUserMetadata` adds a member about the page as a whole, which cannot be cut.
        "v2.manual-suppressions.list": ListPaging(
            10, 100, .skip, ["clashReportId", "orderBy", "elementAId", "elementBId", "suppressionType", "userId"]),
        "v1.tests.list": v1(10),
        "v1.suppression-rules.list": v1(10),
        "v1.suppression-templates.list": v1(15),
    ]
}
