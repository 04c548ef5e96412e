// The simulator as an issuer of tokens for people: its key set, rotation, and tokens on request.

import Foundation
import Simulator
import Testing

@Suite struct SigningTests {
    private func get(_ target: String, _ rig: Rig) async throws -> RawResponse {
        let connection = try await RawConnection.open(port: rig.addresses.tokenPort)
        try await connection.send("GET \(target) HTTP/1.1\r\nHost: x\r\n\r\n")
        let response = await connection.response()
        await connection.close()
        guard let response else { throw NoResponse() }
        return response
    }

    private func part(_ number: Int, of token: String) throws -> [String: Any] {
        let part = token.split(separator: ".", omittingEmptySubsequences: false)[number]
        var text = part.replacingOccurrences(of: "-", with: "+").replacingOccurrences(of: "_", with: "/")
        while text.count % 4 != 0 { text += "=" }
        let data = try #require(Data(base64Encoded: text))
        return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    }

    @Test("the key set holds what signs; a rotation keeps the former keys or drops them")
    func rotation() async throws {
        try await withSimulator { rig async throws in
            func ids() async throws -> [String] {
                let document = try await get("/.well-known/openid-configuration/jwks", rig)
                let keys = try #require(document.json["keys"] as? [[String: Any]])
                #expect(keys.allSatisfy { $0["use"] as? String == "sig" && $0["d"] == nil })
                return keys.compactMap { $0["kid"] as? String }
            }
            #expect(try await ids() == ["sim-rsa-1", "sim-ec-1"])
            rig.simulator.rotateSigningKeys()
            #expect(try await ids() == ["sim-rsa-1", "sim-ec-1", "sim-rsa-2", "sim-ec-2"])
            rig.simulator.rotateSigningKeys(keepingOld: false)
            #expect(try await ids() == ["sim-rsa-3", "sim-ec-3"])
            let token = rig.simulator.signToken(TokenRecipe(subject: "a", algorithm: .es256))
            #expect(try part(0, of: token)["kid"] as? String == "sim-ec-3")
            rig.simulator.publishKeySet("[]")
            #expect(rig.simulator.keySet == "[]")
        }
    }

    @Test("a token on request says what the query asks for; a query that asks for nobody is refused")
    func request() async throws {
        try await withSimulator { rig async throws in
            let query = "sub=alice&aud=a%20b&client_id=c&alg=ES256&life=60&kid=x&claims=%7B%22n%22%3A%5B1%5D%7D"
            let answer = try await get("/simulator/token?" + query, rig)
            #expect(answer.status == 200)
            let token = answer.text.trimmingCharacters(in: .newlines)
            let (header, claims) = (try part(0, of: token), try part(1, of: token))
            #expect(header["alg"] as? String == "ES256" && header["kid"] as? String == "x")
            #expect(claims["iss"] as? String == rig.addresses.issuerURL && claims["sub"] as? String == "alice")
            #expect(claims["aud"] as? [String] == ["a", "b"] && claims["client_id"] as? String == "c")
            #expect(claims["n"] as? [Int] == [1])
            #expect(claims["exp"] as? Int64 == rig.clock.now.components.seconds + 60)
            for query in ["", "sub=", "sub=a&alg=HS256", "sub=a&life=long", "sub=a&claims=7"] {
                #expect(try await get("/simulator/token?" + query, rig).status == 400, "\(query)")
            }
        }
    }
}
