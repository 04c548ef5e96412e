// From a delete to what an approval is bound to, and back from the log to a call whose scope can be judged.

import Audit
import ClashAPI
import Crypto
import Ground
import HTTPTypes

extension AskedDelete {
    /// More of a request is not kept until somebody has decided about it. Bodies of deletes are some hundred bytes.
    static let mostBytes = 16 << 10

    /// Throws 413 where it is too large to be shown to an approver.
    ///
    /// - Parameters:
    ///   - call: as the audit log has it.
    ///   - fields: that go upstream.
    init(_ call: AuditCall, _ match: OperationMatch, _ fields: HTTPFields, body: [UInt8]) throws(Failure) {
        let bound = Self.bound(fields)
        guard bound.reduce(body.count, { $0 + $1.utf8.count }) <= Self.mostBytes else {
            throw Failure(
                .bodyTooLarge,
                "A delete that needs an approval may have \(Self.mostBytes >> 10) KiB of body and fields at most: name fewer objects."
            )
        }
        let itwin = match.itwin ?? ""
        let parts =
            [call.caller.id, call.operation, itwin, "\(call.objects.count)"] + call.objects
            + [call.method, call.target, call.reason, "\(bound.count)"] + bound
        var hash = SHA256()
        for part in parts.map({ Array($0.utf8) }) + [body] {
            // The length first, so that no two lists of parts look alike.
            withUnsafeBytes(of: UInt64(part.count).littleEndian) { hash.update(bufferPointer: $0) }
            hash.update(data: part)
        }
        self.init(call: call, fields: bound, body: body, binding: Hex.text(Array(hash.finalize())))
    }

    /// All but those that are about the connection, who asks, and how the call is traced.
    private static func bound(_ fields: HTTPFields) -> [String] {
        var fields = fields
        Prefer.removeDryRun(from: &fields)
        let bound = fields.enumerated().filter { !HeaderTraits.of($0.element.name).contains(.leavesApproval) }
        // Those of one name stay in their order.
        return bound.sorted { ($0.element.name.canonicalName, $0.offset) < ($1.element.name.canonicalName, $1.offset) }
            .map { _, field in
                let isKnown = HeaderTraits.of(field.name).contains(.bindsApproval)
                return "\(field.name.canonicalName): \(isKnown ? field.text : digest(field.text))"
            }
    }

    private static func digest(_ text: String) -> String {
        "sha256 " + Hex.text(Array(SHA256.hash(data: Array(text.utf8))))
    }

    /// Why the delete is outside the scope of a caller; nil: it is not.
    func refusal(for caller: Caller) -> Failure? {
        guard let bounds = caller.bounds else { return nil }
        guard let method = HTTPRequest.Method(rawValue: call.method) else { return .cannotBeRead }
        var headers = HTTPFields()
        for field in fields {
            let parts = field.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, let name = HTTPField.Name(String(parts[0])) else { return .cannotBeRead }
            headers.append(HTTPField(name: name, value: String(parts[1].dropFirst())))
        }
        let route = ClashAPI.match(method: method, target: call.target)
        var said = RequestBodyFacts.empty
        if !body.isEmpty {
            var classifier = BodyClassifier(route: route, headers: headers, always: true)
            _ = classifier.consume(body)
            said = classifier.finish()
        }
        let match = route.resolve(body: route.bodyDecides ? said : .empty, headers: headers)
        return bounds.refusal(of: match, said, by: caller.name)
    }
}

extension Failure {
    fileprivate static let cannotBeRead = Failure(
        .permissionDenied, "What the delete is about cannot be told, so nobody with a scope may decide about it.")
}
