// `Idempotency-Key`: which calls may bring one, what it may be, and what it and a call are remembered by.

import ClashAPI
import Crypto
import Edge
import Ground
import HTTPTypes

/// The key of one caller's call. Hashes: the file that keeps them tells nobody which keys a tool uses.
struct CallKey: Sendable, Hashable {
    /// Of caller and key, in hex.
    let id: String
    /// Of the caller alone.
    let owner: String
    /// Of what is asked for under the key.
    let request: String

    /// The owner of keys that no tool has brought.
    private static let nobody = "start"

    /// The key of one start that brings none, so that what was known before it outlives the process.
    ///
    /// - Parameter bits: that no other has.
    static func ofStart(_ bits: (UInt64, UInt64)) -> CallKey {
        CallKey(id: "start-" + String(bits.0, radix: 16) + "-" + String(bits.1, radix: 16), owner: nobody, request: "")
    }

    /// Whether no tool has brought it: nobody repeats it, so nothing is kept under it once its call has ended.
    var isOwn: Bool { owner == Self.nobody }

    /// What the request asks to be done once only; nil where its key, if it has one, means nothing: reads, deletes, and
    /// what the table of operations does not know. Throws 400 for what is no key.
    static func of(_ visit: Visit, _ match: OperationMatch, body: [UInt8]) throws(Failure) -> CallKey? {
        guard visit.fields.contains(.idempotencyKey), isFor(match, visit.head.method) else { return nil }
        let given = visit.fields[fields: .idempotencyKey]
        guard given.count == 1, let field = given.first, let key = field.withUnsafeBytesOfValue({ parse($0) }) else {
            throw .invalid(
                "An Idempotency-Key is 1 to 255 printable ASCII characters, in quotes or not, and there is one at most.",
                target: "Idempotency-Key")
        }
        let caller = Array(owner(visit.admission).utf8)
        return CallKey(
            id: hash([caller, key]), owner: String(hash([caller]).prefix(16)),
            request: fingerprint(visit, match, body))
    }

    private static func isFor(_ match: OperationMatch, _ method: HTTPRequest.Method) -> Bool {
        (method == .post || method == .put || method == .patch) && match.isKnown && match.operationClass != .delete
    }

    /// Who has the key: in pass-through mode what the call goes upstream with belongs to that.
    static func owner(_ admission: Admission) -> String {
        let own = admission.authorization.map { "\u{1F}\(hash([Array($0.value.utf8)]))" } ?? ""
        return admission.caller.id + own
    }

    /// The same for all spellings of the same call.
    static func fingerprint(_ visit: Visit, _ match: OperationMatch, _ body: [UInt8]) -> String {
        var target: [UInt8] = []
        match.route.appendCanonicalTarget(to: &target)
        let inPlace = visit.fields[values: .inPlace].flatMap(\.listElements).joined(separator: ",").lowercased()
        return hash([Array(visit.head.method.rawValue.utf8), target, Array(inPlace.utf8), body])
    }

    /// A hash that no other division of the same bytes has.
    private static func hash(_ parts: [[UInt8]]) -> String {
        var hash = SHA256()
        for part in parts {
            withUnsafeBytes(of: UInt64(part.count).littleEndian) { hash.update(bufferPointer: $0) }
            hash.update(data: part)
        }
        return Hex.text(Array(hash.finalize()))
    }

    /// `"k"` and `k` are one key (RFC 8941 section 3.3.3 for the first). Nil for what is none.
    private static func parse(_ field: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
        let text = Array(field[...].trimmedBlanks)
        guard text.allSatisfy({ 0x20...0x7E ~= $0 }) else { return nil }
        let key = text.first == 0x22 ? unquoted(text) : text
        return key.flatMap { 1...255 ~= $0.count ? $0 : nil }
    }

    private static func unquoted(_ text: [UInt8]) -> [UInt8]? {
        guard text.count >= 2, text.last == 0x22 else { return nil }
        var (key, index) = ([UInt8](), 1)
        while index < text.count - 1 {
            var byte = text[index]
            if byte == 0x22 { return nil }
            if byte == 0x5C {
                index += 1
                guard index < text.count - 1, text[index] == 0x22 || text[index] == 0x5C else { return nil }
                byte = text[index]
            }
            key.append(byte)
            index += 1
        }
        return key
    }
}
