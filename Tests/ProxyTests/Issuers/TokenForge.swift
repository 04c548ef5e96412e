// Keys, key sets and tokens of every kind, right and wrong.

import Crypto
import Ground
import Synchronization
import TestSupport
import Testing
import _CryptoExtras

@testable import Configuration
@testable import Proxy

/// Signs what it is told to.
enum TokenForge {
    static let issuer = "https://login.example.com/tenant"
    /// The second in which the tokens here are good.
    static let now: Int64 = 1_800_000_000

    static let rsa = try? _RSA.Signing.PrivateKey(keySize: .bits2048)
    static let p256 = P256.Signing.PrivateKey()
    /// What `p256` is replaced by.
    static let nextP256 = P256.Signing.PrivateKey()
    static let p384 = P384.Signing.PrivateKey()
    static let p521 = P521.Signing.PrivateKey()
    static let ed25519 = Curve25519.Signing.PrivateKey()

    static func base64(_ text: String) -> String { Base64.encodeURL(Array(text.utf8)) }

    // MARK: Tokens

    /// Claims that are good, with some taken out or put in: each as its JSON text, nil to leave it out.
    static func claims(_ changes: [(String, String?)] = []) -> String {
        var members: [(String, String)] = [
            ("iss", "\"\(issuer)\""), ("sub", "\"alice\""), ("aud", "\"clash\""), ("exp", "\(now + 600)"),
        ]
        for (name, value) in changes {
            members.removeAll { $0.0 == name }
            if let value { members.append((name, value)) }
        }
        return "{" + members.map { "\"\($0.0)\":\($0.1)" }.joined(separator: ",") + "}"
    }

    /// A token with this header and these claims, as their texts stand.
    static func token(
        _ claims: String = claims(), header: String? = nil, alg: TokenAlgorithm = .es256, kid: String? = "k",
        by p256: P256.Signing.PrivateKey = p256
    ) throws -> String {
        let kid = kid.map { ",\"kid\":\"\($0)\"" } ?? ""
        let signed = base64(header ?? "{\"alg\":\"\(alg.rawValue)\"\(kid)}") + "." + base64(claims)
        return signed + "." + Base64.encodeURL(try signature(Array(signed.utf8), alg, p256))
    }

    static func signature(
        _ bytes: [UInt8], _ alg: TokenAlgorithm, _ p256: P256.Signing.PrivateKey = p256
    ) throws -> [UInt8] {
        switch alg {
        case .rs256: try rsa(SHA256.hash(data: bytes), .insecurePKCS1v1_5)
        case .rs384: try rsa(SHA384.hash(data: bytes), .insecurePKCS1v1_5)
        case .rs512: try rsa(SHA512.hash(data: bytes), .insecurePKCS1v1_5)
        case .ps256: try rsa(SHA256.hash(data: bytes), .PSS)
        case .ps384: try rsa(SHA384.hash(data: bytes), .PSS)
        case .ps512: try rsa(SHA512.hash(data: bytes), .PSS)
        case .es256: Array(try p256.signature(for: bytes).rawRepresentation)
        case .es384: Array(try p384.signature(for: bytes).rawRepresentation)
        case .es512: Array(try p521.signature(for: bytes).rawRepresentation)
        case .edDSA: Array(try ed25519.signature(for: bytes))
        }
    }

    private static func rsa(_ digest: some Digest, _ padding: _RSA.Signing.Padding) throws -> [UInt8] {
        guard let key = rsa else { return [] }
        return Array(try key.signature(for: digest, padding: padding).rawRepresentation)
    }

    // MARK: Keys

    /// The key for an algorithm as a key set has it; `more` are members with a comma in front.
    static func jwk(
        _ alg: TokenAlgorithm, kid: String? = "k", more: String = "", of p256: P256.Signing.PrivateKey = p256
    ) throws -> String {
        let kid = kid.map { ",\"kid\":\"\($0)\"" } ?? ""
        let members =
            switch alg {
            case .es256: point("P-256", Array(p256.publicKey.rawRepresentation))
            case .es384: point("P-384", Array(p384.publicKey.rawRepresentation))
            case .es512: point("P-521", Array(p521.publicKey.rawRepresentation))
            case .edDSA:
                "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\""
                    + Base64.encodeURL(Array(ed25519.publicKey.rawRepresentation)) + "\""
            default: try rsaMembers()
            }
        return "{\(members)\(kid)\(more)}"
    }

    private static func rsaMembers() throws -> String {
        guard let numbers = try rsa?.publicKey.getKeyPrimitives() else { return "" }
        return rsaMembers(n: Array(numbers.modulus), e: Array(numbers.publicExponent))
    }

    static func rsaMembers(n: [UInt8], e: [UInt8]) -> String {
        "\"kty\":\"RSA\",\"n\":\"\(Base64.encodeURL(n))\",\"e\":\"\(Base64.encodeURL(e))\""
    }

    private static func point(_ curve: String, _ bytes: [UInt8]) -> String {
        let (x, y) = (Array(bytes.prefix(bytes.count / 2)), Array(bytes.suffix(bytes.count / 2)))
        return "\"kty\":\"EC\",\"crv\":\"\(curve)\",\"x\":\"\(Base64.encodeURL(x))\",\"y\":\"\(Base64.encodeURL(y))\""
    }

    static func set(_ keys: String...) -> String { "{\"keys\":[\(keys.joined(separator: ","))]}" }

    static func keySet(_ keys: String...) throws -> KeySet {
        try KeySet(document: Array("{\"keys\":[\(keys.joined(separator: ","))]}".utf8))
    }

    static func header(_ alg: TokenAlgorithm, kid: String? = "k") throws -> TokenHeader {
        try TokenHeader(CompactJWT(try token(alg: alg, kid: kid)))
    }
}

/// Documents by their URLs; a fetch waits while `holds`.
final class FakeDocuments: IssuerDocuments {
    private struct State {
        var texts: [String: Result<String, IssuerTrouble>] = [:]
        var asked: [String] = []
        var isHeld = false
        var held: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    func publish(_ url: String, _ text: String) { state.withLock { $0.texts[url] = .success(text) } }
    func fail(_ url: String) { state.withLock { $0.texts[url] = .failure(.unreachable("is down")) } }
    var asked: [String] { state.withLock { $0.asked } }

    func hold() { state.withLock { $0.isHeld = true } }
    func release() {
        let held = state.withLock { state in
            state.isHeld = false
            defer { state.held = [] }
            return state.held
        }
        for continuation in held { continuation.resume() }
    }

    func document(_ url: String) async throws(IssuerTrouble) -> [UInt8] {
        await withCheckedContinuation { continuation in
            let goesOn = state.withLock { state in
                state.asked.append(url)
                if state.isHeld { state.held.append(continuation) }
                return !state.isHeld
            }
            if goesOn { continuation.resume() }
        }
        let answer = state.withLock { $0.texts[url] } ?? .failure(.unreachable("answers with status 404"))
        return Array(try answer.get().utf8)
    }
}

/// An issuer with its keys, a judge and a clock that a test moves.
final class IssuerRig: Sendable {
    static let keySetURL = "https://login.example.com/keys"

    let documents = FakeDocuments()
    let clock = TestClock()
    let book: IssuerBook
    let judge: TokenJudge
    private let issuers: [Config.Issuer]

    init(_ change: (inout Config.Issuer) -> Void = { _ in }) throws {
        var issuer = Config.Issuer()
        issuer.url = IssuerURL(BaseURL(scheme: .https, host: "login.example.com", path: "/tenant"))
        issuer.jwksURL = BaseURL(scheme: .https, host: "login.example.com", path: "/keys")
        issuer.audience = ["clash"]
        change(&issuer)
        issuers = [issuer]
        let (clock, news) = (clock, NewsBox())
        box = news
        let time = Time(
            now: { clock.now }, sleep: { try await clock.sleep(until: $0) },
            wallTime: { WallTime(seconds: TokenForge.now) + clock.elapsed })
        book = IssuerBook(documents: documents, time: time, tell: { news.add($1) })
        judge = try #require(book.judge(for: issuers))
    }

    private let box: NewsBox
    var told: [IssuerTrouble?] { box.all }

    /// The same issuers under another configuration.
    func judgeAgain(_ change: (inout Config.Issuer) -> Void = { _ in }) throws -> TokenJudge {
        var issuer = issuers[0]
        change(&issuer)
        return try #require(book.judge(for: [issuer]))
    }

    /// Fetches the keys of this set.
    func start(_ keySet: String) async throws {
        documents.publish(Self.keySetURL, keySet)
        book.start()
        try await settle()
    }

    func settle() async throws {
        for keys in book.all { await keys.settled() }
    }

    /// Who it is, or the reason that it is nobody.
    func ask(_ token: String, _ judge: TokenJudge? = nil) -> Result<VerifiedTokens.Entry, Failure> {
        do throws(Failure) {
            return .success(try (judge ?? self.judge).judge(token, SHA256.hash(data: Array(token.utf8))))
        } catch {
            return .failure(error)
        }
    }

    /// The same once no fetch is under way that it asked for.
    func settledWord(_ token: String) async throws -> String {
        guard word(token) == "wait" else { return word(token) }
        try await settle()
        return word(token)
    }

    /// In a word: the caller's name, or what is wrong.
    func word(_ token: String, _ judge: TokenJudge? = nil) -> String {
        switch ask(token, judge) {
        case .success(let entry): entry.caller.name
        case .failure(let failure):
            failure.reason == .callerTokenInvalid ? failure.detail : failure.pending == nil ? "unavailable" : "wait"
        }
    }
}

private final class NewsBox: Sendable {
    private let state = Mutex<[IssuerTrouble?]>([])
    var all: [IssuerTrouble?] { state.withLock { $0 } }
    func add(_ news: IssuerTrouble?) { state.withLock { $0.append(news) } }
}
