// The table of header traits: one line a name. What goes on in either direction is judged by it first; shared fetches
// (`UpstreamCall.shared`) and stored answers (`StoredFields`) leave out more.

import Ground
import HTTPTypes

/// What happens to a header on its way through.
struct HeaderTraits: OptionSet {
    let rawValue: UInt16

    /// Meant for one connection only (RFC 9110, 7.6.1): never forwarded in either direction.
    static let hopByHop = HeaderTraits(rawValue: 1 << 0)
    /// Not sent to Bentley: a credential of this proxy, an instruction for it, or framing that libcurl makes anew.
    static let dropUpstream = HeaderTraits(rawValue: 1 << 1)
    /// Not sent to the tool: framing, or a value that the proxy sets itself.
    static let dropDownstream = HeaderTraits(rawValue: 1 << 2)
    /// Would change what a request does behind the classifier's back: the request is refused.
    static let refused = HeaderTraits(rawValue: 1 << 3)
    /// A statement to browsers about cross-origin use: replaced when this proxy answers for its own `cors_origins`.
    static let cors = HeaderTraits(rawValue: 1 << 4)
    /// Goes upstream with a fetch that several tools share; whatever has not this trait does not.
    static let sharedFetch = HeaderTraits(rawValue: 1 << 5)
    /// Left out of a shared fetch and not missed: ours stands in its place, or the cache heeds it.
    static let sharedFetchOwn = HeaderTraits(rawValue: 1 << 6)
    /// Upstream's answers depend on its value, as upstream's pages say: the value stands in every cache key as it is.
    static let selecting = HeaderTraits(rawValue: 1 << 7)
    /// An answer whose `Vary` names it has no variants because of it: every cache key tells its values apart, by a part
    /// made of it, or what a fetch sends is the same for all.
    static let inEveryKey = HeaderTraits(rawValue: 1 << 8)
    /// Stands in a 304 (RFC 9110 section 15.4.5).
    static let inNotModified = HeaderTraits(rawValue: 1 << 9)
    /// Says what a delete is about, or what its body means: its value is shown to who approves the call.
    static let bindsApproval = HeaderTraits(rawValue: 1 << 10)
    /// About the connection, who asks, or how the call is traced: another value is no other call. An approval is for a call
    /// with the very values of all fields that have not this trait.
    static let leavesApproval = HeaderTraits(rawValue: 1 << 11)

    private static let table: [String: HeaderTraits] = [
        "connection": .hopByHop,
        "keep-alive": .hopByHop,
        "proxy-connection": .hopByHop,
        "proxy-authenticate": .hopByHop,
        "proxy-authorization": .hopByHop,
        "te": .hopByHop,
        "trailer": .hopByHop,
        "transfer-encoding": .hopByHop,
        "upgrade": .hopByHop,
        "http2-settings": .hopByHop,
        "accept": [.sharedFetch, .inEveryKey, .bindsApproval],
        "prefer": [.sharedFetch, .inEveryKey, .bindsApproval],
        "in-place": .bindsApproval,
        "if-match": .bindsApproval,
        "if-unmodified-since": .bindsApproval,
        "repository-id": [.sharedFetch, .selecting, .inEveryKey, .bindsApproval],
        "clash-report-id": .bindsApproval,
        "clashreport-id": .bindsApproval,
        "clashreportid": .bindsApproval,
        "content-type": .bindsApproval,
        "content-encoding": .bindsApproval,
        "include-user-metadata": [.sharedFetch, .selecting, .inEveryKey, .bindsApproval],
        "configtype": [.sharedFetch, .selecting, .inEveryKey, .bindsApproval],
        "via": [.sharedFetch, .leavesApproval],
        "traceparent": [.sharedFetch, .leavesApproval],
        "tracestate": .leavesApproval,
        "baggage": .leavesApproval,
        "b3": .leavesApproval,
        "sentry-trace": .leavesApproval,
        "uber-trace-id": .leavesApproval,
        "x-amzn-trace-id": .leavesApproval,
        "x-cloud-trace-context": .leavesApproval,
        "request-id": .leavesApproval,
        "x-request-id": .leavesApproval,
        "cookie": .leavesApproval,
        "origin": .leavesApproval,
        "referer": .leavesApproval,
        "dnt": .leavesApproval,
        "priority": .leavesApproval,
        "accept-language": .leavesApproval,
        "user-agent": [.sharedFetchOwn, .inEveryKey, .leavesApproval],
        "accept-encoding": [.sharedFetchOwn, .inEveryKey, .leavesApproval],
        "cache-control": [.sharedFetchOwn, .inNotModified, .leavesApproval],
        "pragma": [.sharedFetchOwn, .leavesApproval],
        "authorization": [.dropUpstream, .inEveryKey, .leavesApproval],
        "x-api-key": .dropUpstream,
        "x-audit-reason": .dropUpstream,
        "idempotency-key": .dropUpstream,
        "host": [.dropUpstream, .inEveryKey],
        "expect": .dropUpstream,
        "x-correlation-id": [.dropUpstream, .dropDownstream, .sharedFetch, .leavesApproval],
        "content-length": [.dropUpstream, .dropDownstream],
        "alt-svc": .dropDownstream,
        "forwarded": .dropUpstream,
        "x-real-ip": .dropUpstream,
        "x-http-method-override": .refused,
        "x-http-methodoverride": .refused,
        "x-http-method": .refused,
        "x-httpmethod": .refused,
        "x-http-verb": .refused,
        "x-http-verb-override": .refused,
        "x-method": .refused,
        "x-method-override": .refused,
        "x-original-method": .refused,
        "x-forwarded-method": .refused,
        "http-method-override": .refused,
        "x-original-url": .refused,
        "x-rewrite-url": .refused,
        "content-location": .inNotModified,
        "date": [.inNotModified, .leavesApproval],
        "expires": .inNotModified,
        "last-modified": .inNotModified,
        "vary": .inNotModified,
        "access-control-allow-origin": .cors,
        "access-control-allow-headers": .cors,
        "access-control-allow-methods": .cors,
        "access-control-allow-credentials": .cors,
        "access-control-expose-headers": .cors,
        "access-control-max-age": .cors,
    ]

    /// The names of a trait, in an order that is always the same.
    static func names(with trait: HeaderTraits) -> [HTTPField.Name] {
        table.filter { $0.value.contains(trait) }.keys.sorted().compactMap { HTTPField.Name($0) }
    }

    /// Families of names that say by which way and under which name a request came to us: nobody upstream is to build
    /// anything from what a tool claims there.
    private static let droppedFamilies = ["x-forwarded-", "x-original-"]

    /// The traits of a name; empty for every name that the table does not hold: such headers pass.
    /// An underscore counts as a hyphen, because some servers take the one for the other.
    static func of(_ name: HTTPField.Name) -> HeaderTraits {
        let name = name.canonicalName
        if let traits = table[name] { return traits }
        guard name.utf8.contains(UInt8(ascii: "_")) else { return family(name) }
        let hyphened = String(name.map { $0 == "_" ? "-" : $0 })
        // The cache's key knows the true spelling only, so a shared fetch carries no other.
        return (table[hyphened] ?? family(hyphened)).subtracting(ofTrueSpelling)
    }

    private static let ofTrueSpelling: HeaderTraits = [
        .sharedFetch, .sharedFetchOwn, .selecting, .inEveryKey, .inNotModified,
    ]

    /// Families of names that trace a call, or that browsers say of themselves.
    private static let tracingFamilies = ["x-b3-", "x-datadog-", "sec-"]

    private static func family(_ name: String) -> HeaderTraits {
        if name.hasPrefix("x-"), droppedFamilies.contains(where: { name.hasPrefix($0) }) { return .dropUpstream }
        return tracingFamilies.contains { name.hasPrefix($0) } ? .leavesApproval : []
    }
}

extension HTTPFields {
    /// The fields that may go on to the next hop: first everything meant for this connection is taken away (the
    /// table's names and all that `Connection` names), then what has one of the `dropping` traits.
    /// Whoever adds fields does so afterwards, so that a peer cannot strike them out by naming them.
    func endToEnd(dropping dropped: HeaderTraits) -> HTTPFields {
        let nominated = connectionOptions
        let unwanted = dropped.union(.hopByHop)
        var kept = HTTPFields()
        kept.reserveCapacity(count + 8)
        for field in self where HeaderTraits.of(field.name).isDisjoint(with: unwanted) {
            if !nominated.isEmpty, nominated.contains(field.name.canonicalName) { continue }
            kept.append(field)
        }
        return kept
    }

    /// Of fields that may go upstream, those that a fetch carries which several tools share.
    var ofSharedFetch: HTTPFields { filter { HeaderTraits.of($0.name).contains(.sharedFetch) } }

    /// Whether `Connection` takes something away that a shared fetch would carry: what is asked for is then not what the
    /// fields say.
    var nominatesSharedFetch: Bool {
        connectionOptions.contains { option in
            HTTPField.Name(option).map { HeaderTraits.of($0).contains(.sharedFetch) } ?? false
        }
    }

    /// Whether a shared fetch would leave out something that upstream could miss.
    var exceedsSharedFetch: Bool {
        let nominated = connectionOptions
        return contains { field in
            HeaderTraits.of(field.name).isDisjoint(with: [.sharedFetch, .sharedFetchOwn, .hopByHop, .dropUpstream])
                && !nominated.contains(field.name.canonicalName)
        }
    }

    /// The lower-cased names that `Connection` lists.
    var connectionOptions: [String] {
        guard contains(.connection) else { return [] }
        return self[values: .connection].flatMap { $0.listElements }.map { $0.lowercased() }
    }
}

extension String {
    /// The elements of a comma-separated header value without quotes, trimmed, empty ones left out (RFC 9110, 5.6.1).
    var listElements: [String] {
        utf8.split(separator: UInt8(ascii: ",")).map { Substring($0).trimmedSpaces }.filter { !$0.isEmpty }
    }
}

extension Substring {
    /// Without spaces and tabs at both ends.
    var trimmedSpaces: String { String(trimmedBlanks) }
}
