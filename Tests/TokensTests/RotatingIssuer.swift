// An issuer that gives a new refresh token with each use and takes a used one for theft: then the whole sign-in is dead.

import Ground
import Synchronization
import TestSupport

@testable import Tokens

/// The issuer. Its tokens are numbered: `R3` brings `R4` and `A4`.
final class RotatingIssuer: Sendable {
    private struct State {
        var current = 0
        var isRevoked = false
        var reuses = 0
        var requests = 0
        var rotates = true
    }

    static let clientID = "spa"
    static let url = "https://ims.example/connect/token"

    let life: Int
    private let state = Mutex(State())

    init(life: Int = 3600) { self.life = life }

    var requests: Int { state.withLock { $0.requests } }
    var reuses: Int { state.withLock { $0.reuses } }
    var isRevoked: Bool { state.withLock { $0.isRevoked } }
    /// Number of the newest refresh token.
    var current: Int { state.withLock { $0.current } }

    func stopRotating() { state.withLock { $0.rotates = false } }
    func revoke() { state.withLock { $0.isRevoked = true } }

    /// A new sign-in, and what the state file says of it. `age` is how long ago its tokens were obtained.
    func signIn(_ time: Time, age: Duration = .zero, withAccess: Bool = true) -> SignIn {
        let number = state.withLock { state in
            state.isRevoked = false
            state.current += 1
            return state.current
        }
        let obtainedAt = time.wallTime().sinceEpoch - age
        return SignIn(
            clientID: Self.clientID, tokenURL: Self.url, scope: "itwin-platform offline_access",
            refreshToken: Hidden("R\(number)"), obtainedAt: obtainedAt,
            access: withAccess
                ? SignIn.Access(value: Hidden("A\(number)"), expiresAt: obtainedAt + .seconds(life)) : nil)
    }

    func answer(_ request: TokenRequest) -> TokenEndpointAnswer {
        let form = FormEncoding.fields(String(decoding: request.form, as: UTF8.self)) ?? [:]
        return state.withLock { state in
            state.requests += 1
            guard form["grant_type"] == "refresh_token", form["client_id"] == Self.clientID,
                let sent = form["refresh_token"]
            else { return json(#"{"error":"invalid_request"}"#, status: 400) }
            guard !state.isRevoked, sent == "R\(state.current)" else {
                if sent != "R\(state.current)" {
                    state.reuses += 1
                    state.isRevoked = true
                }
                return json(#"{"error":"invalid_grant","error_description":"\#(sent)"}"#, status: 400)
            }
            guard state.rotates else {
                return json(#"{"access_token":"B\#(state.requests)","token_type":"Bearer","expires_in":\#(life)}"#)
            }
            state.current += 1
            let number = state.current
            return json(
                """
                {"access_token":"A\(number)","token_type":"Bearer","expires_in":\(life),"refresh_token":"R\(number)"}
                """)
        }
    }
}

/// The way of one process to the issuer. Its death on the way loses what was not answered yet.
final class IssuerRoute: TokenEndpoint {
    private let issuer: RotatingIssuer
    private let files: MemoryFiles

    init(_ issuer: RotatingIssuer, _ files: MemoryFiles) {
        self.issuer = issuer
        self.files = files
    }

    func post(_ request: TokenRequest) async throws(TokenEndpointFailure) -> TokenEndpointAnswer {
        do {
            try files.step("send")
            let answer = issuer.answer(request)
            try files.step("answer")
            return answer
        } catch {
            throw .unreachable(detail: "no connection")
        }
    }
}
