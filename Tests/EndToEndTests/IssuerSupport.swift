// Rigs whose callers come with tokens of the simulator's issuer.

import Simulator
import TestSupport
import Testing

extension Rig {
    /// The header that shows a token.
    func bearer(_ token: String) -> (String, String) { ("Authorization", "Bearer \(token)") }

    /// The header of somebody for whom the simulator's issuer vouches.
    func person(
        _ subject: String, _ claims: [(name: String, json: String)] = [], life: Duration = .seconds(3600),
        _ algorithm: SigningAlgorithm = .es256
    ) -> (String, String) {
        bearer(
            simulator.signToken(
                TokenRecipe(subject: subject, audience: ["clash"], claims: claims, life: life, algorithm: algorithm)))
    }

    /// How often the issuer was asked for its key set.
    var keySetRequests: Int { simulator.recorded(.keySet).count }

    /// Returns when the keys are there: a call waits for the first fetch.
    func keysFetched() async throws {
        let answer = try await get("/_proxy/me", [person("first")])
        #expect(answer.status == 200, "\(answer.text)")
    }

    /// A token that names a key which nobody has.
    func strange(_ keyID: String = "strange") -> (String, String) {
        bearer(
            simulator.signToken(
                TokenRecipe(subject: "x", audience: ["clash"], algorithm: .es256, keyID: keyID)))
    }
}

/// A rig in front of which only tokens of the simulator's issuer count, and the key of `reader` where one is asked for.
func withIssuer(
    _ table: String = "", _ change: (inout RigOptions) throws -> Void = { _ in }, _ body: (Rig) async throws -> Void
) async throws {
    try await withRig(
        { options in
            options.issuer = "audience = [\"clash\"]\n" + table
            try change(&options)
        }, body)
}
