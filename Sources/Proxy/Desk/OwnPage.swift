// What this proxy answers tools itself, below `/_proxy/`: who they are, and what is left to them.

import ClashAPI
import Edge
import HTTPTypes

/// A page of this proxy's own.
enum OwnPage: String, Sendable {
    /// `GET /_proxy/me`
    case me
    /// `GET /_proxy/budget`
    case budget

    /// The page that a request asks for; nil for calls of the API. Throws 404 for what is not there, and 405 for methods
    /// that a page has not.
    init?(_ head: RequestHead, _ route: RouteMatch) throws(Failure) {
        guard let path = route.ownPath else { return nil }
        guard path.count == 1, let page = OwnPage(rawValue: path[0]) else {
            throw Failure(
                .operationNotFound, "This proxy has only /_proxy/me and /_proxy/budget there; nothing is forwarded.")
        }
        guard head.method == .get || head.method == .head else {
            var failure = Failure(.methodNotAllowed, "/_proxy/\(page.rawValue) can only be read: send a GET.")
            failure.allow = "GET, HEAD"
            throw failure
        }
        self = page
    }
}
