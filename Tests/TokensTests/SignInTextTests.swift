// The state file's bytes: what is written is read back, and no part of it passes for the whole.

import Testing

@testable import Tokens

@Suite("The text of a state file")
struct SignInTextTests {
    private let signIn = SignIn(
        clientID: "client \"é\"", tokenURL: "https://ims.example/connect/token", scope: "itwin-platform offline_access",
        refreshToken: Hidden(#"R"\ /~"#), obtainedAt: .milliseconds(1_795_340_700_007),
        access: SignIn.Access(value: Hidden("A.b-c_"), expiresAt: .milliseconds(1_795_344_300_070)))

    @Test("what is written is read back")
    func roundTrip() {
        for replaces in [nil, "abc"] {
            let text = SignInText(signIn, replaces: replaces)
            #expect(SignInText(text.bytes) == text)
        }
        let bare = SignIn(
            clientID: "", tokenURL: "", scope: "", refreshToken: Hidden("R"), obtainedAt: .zero, access: nil)
        #expect(SignInText(SignInText(bare, replaces: nil).bytes)?.signIn == bare)
    }

    @Test("no beginning of it is taken for the whole, nor one that is written over room that was made")
    func torn() {
        let bytes = SignInText(signIn, replaces: "abc").bytes
        // The last byte is the line's end.
        for count in 0..<bytes.count - 1 {
            #expect(SignInText(Array(bytes[..<count])) == nil)
            #expect(SignInText(bytes[..<count] + [UInt8](repeating: 0x20, count: 1000)) == nil)
            #expect(SignInText(bytes[..<count] + [UInt8](repeating: 0, count: 1000)) == nil)
        }
    }

    @Test(
        "what another version or another program wrote is not guessed at",
        arguments: [
            (#""version": 1"#, #""version": 2"#), (#""version": 1"#, #""version": "1""#),
            (#""refresh_token": "R"#, #""refresh_token": "\r\nR"#), (#""refresh_token""#, #""refresh""#),
            (#""client_id""#, #""client""#), ("1795340700.007", "-1"), ("1795340700.007", "1e300"),
            ("1795340700.007", #""1795340700""#),
        ])
    func foreign(part: String, other: String) {
        let text = String(decoding: SignInText(signIn, replaces: nil).bytes, as: UTF8.self)
        #expect(text.contains(part))
        #expect(SignInText(Array(text.replacing(part, with: other).utf8)) == nil)
    }

    @Test("an access token that cannot stand in a header field is as if it were not there")
    func access() throws {
        let text = String(decoding: SignInText(signIn, replaces: nil).bytes, as: UTF8.self)
        let changed = try #require(SignInText(Array(text.replacing("A.b-c_", with: #"A\r\nX: y"#).utf8)))
        #expect(changed.signIn.access == nil)
        #expect(changed.signIn.refreshToken == signIn.refreshToken)
    }
}
