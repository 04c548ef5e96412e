// The `Authorization` field of the newest token: a token is long, and making a field checks each of its bytes.

import HTTPTypes
import Synchronization
import Tokens

/// Keeps the field of the last token seen. Usable from every event loop.
final class AuthorizationField: Sendable {
    private let last = Mutex<(token: UpstreamToken, field: HTTPField)?>(nil)

    /// `Authorization: Bearer …` for this token.
    func field(for token: UpstreamToken) -> HTTPField {
        last.withLock { last in
            if let last, last.token.generation == token.generation { return last.field }
            let field = HTTPField(name: .authorization, value: token.headerValue)
            last = (token, field)
            return field
        }
    }
}
