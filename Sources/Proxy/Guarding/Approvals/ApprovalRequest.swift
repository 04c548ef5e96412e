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
    /// - Parameter call: as the audit log has it.
    init(_ call: AuditCall, _ match: OperationMatch, _ fields: HTTPFields, body: [UInt8]) throws(Failure) {
        let bound = fields.filter { HeaderTraits.of($0.name).contains(.bindsApproval) }
            .map { "\($0.name.canonicalName): \($0.text)" }.sorted()
        guard bound.reduce(body.count, { $0 + $1.utf8.count }) <= Self.mostBytes else {
            throw Failure(
                .bodyTooLarge,
                "A delete that needs an approval may have \(Self.mostBytes >> 10) KiB of body at most: name fewer objects."
            )
        }
        let itwin = match.itwin ?? ""
        let parts =
            [call.caller.id, call.operation, itwin, "\(call.objects.count)"] + call.objects
            + [call.method, call.target, "\(bound.count)"] + bound
        var hash = SHA256()
        for part in parts.map({ Array($0.utf8) }) + [body] {
            // The length first, so that no two lists of parts look alike.
            withUnsafeBytes(of: UInt64(part.count).littleEndian) { hash.update(bufferPointer: $0) }
            hash.update(data: part)
        }
        self.init(call: call, fields: bound, body: body, binding: Hex.text(Array(hash.finalize())))
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
