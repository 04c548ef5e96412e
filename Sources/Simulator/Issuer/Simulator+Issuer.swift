// The issuer of tokens that people and machines show to the proxy: what a test may ask of it and change.

import Synchronization

extension Simulator {
    /// Signs a token of this simulator's issuer, without a request.
    public func signToken(_ recipe: TokenRecipe) -> String {
        world.withLock { $0.keys.sign(recipe, issuer: $0.issuer, now: clock.now()) }
    }

    /// New keys sign from now on. Those before them stay in the key set or are gone from it.
    public func rotateSigningKeys(keepingOld: Bool = true) {
        world.withLock { $0.keys.rotate(keepingOld: keepingOld) }
    }

    /// The key set as it is published.
    public var keySet: String { world.withLock { String(decoding: $0.keys.document().bytes, as: UTF8.self) } }

    /// Publishes this text in place of the key set; nil: the key set again.
    public func publishKeySet(_ text: String?) { world.withLock { $0.keys.override = text } }
}

extension RequestFilter {
    /// Requests for the key set, and not for the discovery document.
    public static let keySet = RequestFilter(target: "/.well-known/openid-configuration/jwks")
    /// Requests for the discovery document and for the key set.
    public static let issuer = RequestFilter(target: "/.well-known/")
}
