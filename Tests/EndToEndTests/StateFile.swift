// The state file as a test writes and reads it, without the code that is tested.

import FoundationEssentials
import Glibc
import TestSupport

/// A file at `token.state_file`.
struct StateFile: Sendable {
    let path: String

    /// Puts a sign-in there that has no access token yet, as `rename` would: nobody reads half of it.
    func write(refreshToken: String, tokenURL: String, clientID: String = "demo", mode: mode_t = 0o600) throws {
        let members = [
            "\"version\":1", "\"client_id\":\"\(clientID)\"", "\"token_url\":\"\(tokenURL)\"",
            "\"refresh_token\":\"\(refreshToken)\"", "\"obtained_at\":1700000000",
        ]
        let made = path + ".test"
        try Data("{\(members.joined(separator: ","))}".utf8).write(to: URL(filePath: made))
        guard chmod(made, mode) == 0, rename(made, path) == 0 else {
            throw RawClient.Trouble(description: "cannot write \(path): errno \(errno)")
        }
    }

    /// Its refresh token and access token.
    func read() throws -> (refresh: String, access: String?) {
        struct Members: Decodable {
            enum CodingKeys: String, CodingKey {
                case refreshToken = "refresh_token"
                case accessToken = "access_token"
            }

            var refreshToken: String
            var accessToken: String?
        }
        let members = try JSONDecoder().decode(Members.self, from: Data(contentsOf: URL(filePath: path)))
        return (members.refreshToken, members.accessToken)
    }

    /// Its permission bits.
    var mode: UInt32 { permissions(of: path) ?? 0 }
}
