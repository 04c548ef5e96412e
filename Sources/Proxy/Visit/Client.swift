// Where a request comes from, as far as that is to be believed.

/// Who sent a request: the other end of the connection, or whom the proxies in front of us name.
struct Client: Sendable, Equatable {
    /// A numeric address in its usual text; `unix` on a unix socket.
    let address: String
    /// What the tool speaks, `http` or `https`: to us, or to the first of the proxies where one of them says so.
    var scheme = "http"
}
