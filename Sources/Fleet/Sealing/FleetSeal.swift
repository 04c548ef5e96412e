// What members keep where others could read it: refresh tokens, and pages with names and e-mails.

import Crypto

/// Seals with ChaCha20-Poly1305 (RFC 8439) under a key that only the members have.
///
/// A sealed text is: version (1 byte), key id (4), nonce (12), text, tag (16). The nonce is drawn anew for each, from the system's
/// secure source: at 2^32 texts under one key the chance that any two are the same is below 2^-32. What it is sealed for (a key of
/// the store, a generation) is authenticated and not kept, so that no text can be put in the place of another.
package struct FleetSeal: Sendable {
    /// Why a text cannot be opened.
    package enum Failure: Error, Sendable, Equatable {
        /// Sealed by a member with another key file.
        case otherKey
        /// Not sealed by any member for this place, or changed since.
        case broken

        /// In words.
        package var text: String {
            switch self {
            case .otherKey:
                "it was sealed with another key: fleet.key_file has to hold the same 32 bytes for all members"
            case .broken: "it is not what a member has sealed for this place"
            }
        }
    }

    /// Bytes that are added to a text.
    package static let overhead = 33

    private static let version: UInt8 = 1

    private let key: SymmetricKey
    private let keyID: [UInt8]

    /// - Parameter key: 32 bytes; nil for any other number.
    package init?(key: [UInt8]) {
        guard key.count == 32 else { return nil }
        self.key = SymmetricKey(data: key)
        // A hash says which key it is, and not what it is.
        keyID = Array(SHA256.hash(data: Array("clash-proxy fleet key".utf8) + key).prefix(4))
    }

    /// Seals a text of any length for one place.
    package func seal(_ text: [UInt8], for place: String) throws(Failure) -> [UInt8] {
        do {
            let box = try ChaChaPoly.seal(text, using: key, nonce: ChaChaPoly.Nonce(), authenticating: bound(place))
            return [Self.version] + keyID + Array(box.nonce) + Array(box.ciphertext) + Array(box.tag)
        } catch {
            throw .broken
        }
    }

    /// What was sealed for this place.
    package func open(_ sealed: [UInt8], for place: String) throws(Failure) -> [UInt8] {
        guard sealed.count >= Self.overhead, sealed[0] == Self.version else { throw .broken }
        guard sealed[1..<5].elementsEqual(keyID) else { throw .otherKey }
        do {
            let box = try ChaChaPoly.SealedBox(
                nonce: ChaChaPoly.Nonce(data: sealed[5..<17]), ciphertext: sealed[17..<(sealed.count - 16)],
                tag: sealed.suffix(16))
            return Array(try ChaChaPoly.open(box, using: key, authenticating: bound(place)))
        } catch {
            throw .broken
        }
    }

    private func bound(_ place: String) -> [UInt8] { [Self.version] + keyID + Array(place.utf8) }
}

extension FleetSeal: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Never the key.
    package var description: String { "a seal" }
    /// Never the key.
    package var debugDescription: String { "a seal" }
    /// Never the key.
    package var customMirror: Mirror { Mirror(self, children: []) }
}
