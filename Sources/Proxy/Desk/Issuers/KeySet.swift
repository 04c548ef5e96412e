// The documents that an issuer publishes: its discovery document (OpenID Connect Discovery 1.0 section 4) and its key set
// (RFC 7517 section 5).

import Ground

/// Why an issuer has no keys to verify with.
enum IssuerTrouble: Error, Sendable, Hashable {
    /// It could not be asked, or did not answer in time, or not with 200; the text says which.
    case unreachable(String)
    /// Its discovery document is none, or another issuer's.
    case discovery(String)
    /// What is no key set, or too large a one.
    case keySet(String)
    /// It was fetched, and nothing in it verifies signatures: none of its keys is good any more.
    case noUsableKey

    /// For the log and for tools; no bytes of an answer.
    var sentence: String {
        switch self {
        case .unreachable(let what): "it \(what)"
        case .discovery(let what): "its discovery document \(what)"
        case .keySet(let what): "its key set \(what)"
        case .noUsableKey: "its key set has no key that signatures can be verified with"
        }
    }
}

/// The keys of one issuer. Immutable.
struct KeySet: Sendable, Equatable {
    /// More keys than any issuer has.
    static let mostKeys = 1000
    /// A kid names one key; of several that share one, no more are tried.
    private static let mostTried = 4

    private let byID: [String?: [IssuerKey]]
    private let all: [IssuerKey]

    /// Reads a key set; what verifies no signatures is skipped.
    init(document: [UInt8]) throws(IssuerTrouble) {
        guard let json = JSON(document) else { throw .keySet("is no JSON, or names a member twice") }
        guard let members = json["keys"]?.array else { throw .keySet("has no list of keys") }
        var keys: [IssuerKey] = []
        for member in members {
            guard let key = IssuerKey(member) else { continue }
            guard keys.count < Self.mostKeys else { throw .keySet("has more than \(Self.mostKeys) keys") }
            keys.append(key)
        }
        guard !keys.isEmpty else { throw .noUsableKey }
        all = keys
        byID = Dictionary(grouping: keys, by: \.id)
    }

    static func == (left: KeySet, right: KeySet) -> Bool { left.all == right.all }

    var count: Int { all.count }

    /// The keys that a token with this header can be by. Throws `keyUnknown` where there is none, `keyUnclear` where it names
    /// none and several fit.
    func keys(for header: TokenHeader) throws(TokenFault) -> [IssuerKey] {
        if let id = header.keyID {
            let named = (byID[id] ?? []).filter { $0.fits(header.algorithm) }
            if named.isEmpty { throw .keyUnknown }
            return Array(named.prefix(Self.mostTried))
        }
        let fitting = all.filter { $0.fits(header.algorithm) }
        if fitting.count == 1 { return fitting }
        throw fitting.isEmpty ? .keyUnknown : .keyUnclear
    }
}

/// Where an issuer's keys are.
enum DiscoveryDocument {
    /// Of the issuer that is found at this URL, which has no slash at its end.
    static func url(of issuer: String) -> String { issuer + "/.well-known/openid-configuration" }

    /// The URL of the key set that the document of `issuer` names: https, or http on this machine. The document has the
    /// issuer's name letter for letter (section 4.3).
    static func keySetURL(_ document: [UInt8], issuer: String) throws(IssuerTrouble) -> String {
        guard let json = JSON(document), case .object = json else {
            throw .discovery("is no JSON object, or names a member twice")
        }
        guard let name = json["issuer"]?.string, name == issuer else {
            throw .discovery("names another issuer than the one that is configured")
        }
        guard let url = json["jwks_uri"]?.string, let (origin, rest) = Origin.split(url),
            origin.scheme == .https || origin.isLoopback, isTarget(rest)
        else { throw .discovery("names no jwks_uri with https") }
        return url
    }

    private static func isTarget(_ text: Substring) -> Bool {
        (text.isEmpty || text.hasPrefix("/")) && text.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != 0x23 }
    }
}
