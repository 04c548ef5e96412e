// What this proxy answers tools itself, below `/_proxy/`: who they are, what is left to them, which deletes wait for an approval.

import ClashAPI
import Edge
import HTTPTypes

/// A page of this proxy's own.
enum OwnPage: Sendable, Equatable {
    /// `GET /_proxy/me`
    case me
    /// `GET /_proxy/budget`
    case budget
    /// `GET /_proxy/approvals`
    case approvals
    /// `POST /_proxy/approvals/{id}`
    case approval(id: String)

    /// As logs name it.
    var name: String {
        switch self {
        case .me: "proxy.me"
        case .budget: "proxy.budget"
        case .approvals: "proxy.approvals"
        case .approval: "proxy.approval"
        }
    }

    /// The page that a request asks for; nil for calls of the API. Throws 404 for what is not there, and 405 for methods
    /// that a page has not.
    init?(_ head: RequestHead, _ route: RouteMatch) throws(Failure) {
        guard let path = route.ownPath else { return nil }
        switch (path.first, path.count) {
        case ("me", 1): self = .me
        case ("budget", 1): self = .budget
        case ("approvals", 1): self = .approvals
        case ("approvals", 2): self = .approval(id: path[1])
        default:
            throw Failure(
                .operationNotFound,
                "This proxy has only /_proxy/me, /_proxy/budget and /_proxy/approvals there; nothing is forwarded.")
        }
        if case .approval = self {
            guard head.method == .post else {
                throw .wrongMethod("Decisions are sent to /_proxy/approvals/ID: send a POST.", allow: "POST")
            }
        } else if head.method != .get, head.method != .head {
            throw .wrongMethod("/_proxy/\(path[0]) can only be read: send a GET.", allow: "GET, HEAD")
        }
    }
}

extension Failure {
    fileprivate static func wrongMethod(_ message: String, allow: String) -> Failure {
        var failure = Failure(.methodNotAllowed, message)
        failure.allow = allow
        return failure
    }
}
