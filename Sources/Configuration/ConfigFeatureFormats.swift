// The formats of the values that FleetEngine, SinkURL and the like hold. See ConfigFeatures.

import ClashAPI
import Glibc
import Ground

extension ConfigFormat where Value == FileMode {
    /// As `chmod` takes it.
    static let fileMode = ConfigFormat(expects: "permission bits in octal like \"0660\"") { text throws(ValueProblem) in
        let isOctal = (3...4).contains(text.utf8.count) && text.utf8.allSatisfy { (0x30...0x37).contains($0) }
        guard isOctal, let bits = UInt32(text, radix: 8), bits <= 0o777 else {
            throw ValueProblem("is no octal number from 000 to 0777")
        }
        return FileMode(bits: bits)
    } write: {
        let digits = String($0.bits, radix: 8)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}

extension ConfigFormat where Value == Percent {
    static let percent = ConfigFormat(expects: "a share from \"0%\" to \"100%\"") { text throws(ValueProblem) in
        guard text.hasSuffix("%"), text.count > 1, let value = HostName.number(text.dropLast()) else {
            throw ValueProblem("is not a whole number and a %")
        }
        if value > 100 { throw ValueProblem("is above 100%") }
        return Percent(value)
    } write: {
        "\($0.value)%"
    }
}

extension ConfigFormat where Value == Double {
    /// A share, 0 to 1.
    static let fraction = ConfigFormat(.number, expects: "a number from 0.0 to 1.0") { node throws(ValueProblems) in
        let number: Double
        switch node {
        case .float(let value): number = value
        case .integer(let value): number = Double(value)
        default: throw .wrongType(node, wanted: "a number")
        }
        guard (0...1).contains(number) else { throw ValueProblems(all: [ValueProblem("is not from 0.0 to 1.0")]) }
        return number
    } write: {
        .float($0)
    }
}

extension ConfigFormat where Value == Int {
    /// Bytes per second, `"1KiB/s"`.
    static let byteRate = ConfigFormat(expects: "a rate from \"1B/s\" to \"1GiB/s\"") { text throws(ValueProblem) in
        guard text.hasSuffix("/s") else { throw ValueProblem("does not end with /s") }
        let bytes = try Quantity.parseBytes(String(text.dropLast(2)))
        guard (1...(1 << 30)).contains(bytes) else {
            throw ValueProblem(bytes < 1 ? "is below 1B/s" : "is above 1GiB/s")
        }
        return bytes
    } write: {
        Quantity.bytes($0) + "/s"
    }
}

extension ConfigFormat where Value == NetworkRange {
    static let network = ConfigFormat(expects: "an address or a network like \"10.0.0.0/8\" or \"fd00::/8\"") {
        text throws(ValueProblem) in
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let bytes = HostName.addressBytes(String(parts[0])) else { throw ValueProblem("is no IP address") }
        let bits = bytes.count * 8
        guard parts.count == 2 else { return NetworkRange(bytes: bytes, prefixLength: bits) }
        guard let length = HostName.number(parts[1]), !parts[1].isEmpty, length <= bits else {
            throw ValueProblem("has no prefix length from 0 to \(bits) after its slash")
        }
        let isClean = (length..<bits).allSatisfy { bytes[$0 / 8] & (0x80 >> UInt8($0 % 8)) == 0 }
        guard isClean else { throw ValueProblem("has bits set beyond its prefix") }
        return NetworkRange(bytes: bytes, prefixLength: length)
    } write: { range in
        let address = HostName.text(of: range.bytes)
        return range.prefixLength == range.bytes.count * 8 ? address : "\(address)/\(range.prefixLength)"
    }
}

extension ConfigFormat where Value == String {
    /// A host as `Host` names it, without its port.
    static let hostName = ConfigFormat(expects: "a host name like \"clash.example.com\"") { text throws(ValueProblem) in
        try HostName.parse(text[...])
    } write: {
        $0
    }

    /// A path of the admin listener.
    static let adminPath = ConfigFormat(
        expects: "one of \(Config.Admin.paths.map { "\"\($0)\"" }.joined(separator: ", "))"
    ) { text throws(ValueProblem) in
        guard Config.Admin.paths.contains(text) else { throw ValueProblem("is no path of the admin listener") }
        return text
    } write: {
        $0
    }

    /// An id of the API, of either version.
    static let objectID = ConfigFormat(
        expects: "an id of the API: a GUID, or 43 characters like those of v1"
    ) { text throws(ValueProblem) in
        guard AnyID(text) != nil else { throw ValueProblem("is no id of the API, so it can match nothing") }
        return text
    } write: {
        $0
    }

    /// The name of an operation, or the beginning of several.
    static let operationPattern = ConfigFormat(expects: "an operation like \"v2.reports.get\" or \"v2.reports.*\"") {
        text throws(ValueProblem) in
        guard OperationPattern.operations(text).isEmpty else { return text }
        let names = Operation.all.filter(\.isKnown).map(\.name)
        let meant = Suggestion.nearest(to: text, among: names).map { " (\($0)?)" } ?? ""
        throw ValueProblem("names no operation of the API, so it can match nothing\(meant)")
    } write: {
        $0
    }
}

extension ConfigFormat where Value == EntityID {
    /// An iTwin.
    static let itwin = ConfigFormat(expects: "the GUID of an iTwin") { text throws(ValueProblem) in
        guard let id = EntityID(text) else { throw ValueProblem("is no GUID, so it can match nothing") }
        return id
    } write: {
        $0.text
    }
}

extension ConfigFormat where Value == Secret {
    /// A URL that may hold a key of its own, so that it is never shown.
    static let secretURL = ConfigFormat(expects: "a URL like \"https://host/path\"") { text throws(ValueProblem) in
        let query = text.firstIndex(of: "?") ?? text.endIndex
        let url = try BaseURL(parsing: String(text[..<query]))
        guard text[query...].utf8.allSatisfy({ (0x21...0x7e).contains($0) && $0 != 0x23 }) else {
            throw ValueProblem("has a query with characters that a URL cannot hold", hidesValue: true)
        }
        guard url.scheme == .https || url.isLoopback else {
            throw ValueProblem("is plain http, which is for loopback hosts only", hidesValue: true)
        }
        return Secret(text)
    } write: {
        .init($0.description)
    }
}

extension ConfigFormat where Value == FleetEngine {
    static let engine = ConfigFormat(
        expects: "\"file:/path.db\", \"redis://host:6379/0\" or \"rediss://host:6379/0\"",
        rebase: FilePath.rebasing(after: "file:")
    ) { text throws(ValueProblem) in
        if text.hasPrefix("file:") {
            let path = String(text.dropFirst(5))
            if path.isEmpty { throw ValueProblem("has no path after file:") }
            if path.hasPrefix("//") { throw ValueProblem("has a place for a host (//): write file:/path.db") }
            return .file(path: path)
        }
        for (scheme, isTLS) in [("redis://", false), ("rediss://", true)] where text.hasPrefix(scheme) {
            return try redis(text.dropFirst(scheme.count), isTLS: isTLS)
        }
        throw ValueProblem("begins with none of file:, redis:// and rediss://", hidesValue: text.contains("@"))
    } write: {
        switch $0 {
        case .file(let path): return "file:\(path)"
        case .redis(let hosts, let database, let isTLS):
            let names = hosts.map { $0.name.contains(":") ? "[\($0.name)]:\($0.port)" : "\($0.name):\($0.port)" }
            return "redis\(isTLS ? "s" : "")://\(names.joined(separator: ","))/\(database)"
        }
    }

    private static func redis(_ text: Substring, isTLS: Bool) throws(ValueProblem) -> FleetEngine {
        if text.contains("@") {
            throw ValueProblem("has a user or password (@); it belongs in fleet.password_file", hidesValue: true)
        }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2 else { throw ValueProblem("has more than a database number after its hosts") }
        let database = parts.count == 2 && !parts[1].isEmpty ? HostName.number(parts[1]) : 0
        guard let database, database <= 65_535 else { throw ValueProblem("has no database number after its slash") }
        var hosts: [FleetHost] = []
        for host in parts[0].split(separator: ",", omittingEmptySubsequences: false) {
            let url = try BaseURL(parsing: "http://" + host)
            hosts.append(FleetHost(name: url.host, port: host.hasSuffix(":80") ? 80 : url.port ?? 6379))
        }
        return .redis(hosts: hosts, database: database, isTLS: isTLS)
    }
}

extension ConfigFormat where Value == SinkURL {
    static let sink = ConfigFormat(expects: "a URL like \"tls://siem:6514\" or \"https://host/path\"") {
        text throws(ValueProblem) in
        guard let mark = text.firstRange(of: "://"),
            let scheme = SinkURL.Scheme(rawValue: text[..<mark.lowerBound].lowercased())
        else {
            throw ValueProblem(
                "begins with none of tls://, tcp://, udp:// and https://", hidesValue: text.contains("@"))
        }
        let address = try BaseURL(parsing: (scheme == .http ? "http" : "https") + text[mark.lowerBound...])
        if scheme != .https, scheme != .http {
            guard address.path.isEmpty else { throw ValueProblem("has a path, which syslog has not") }
            guard text[mark.upperBound...].utf8.last.map({ (0x30...0x39).contains($0) }) == true,
                hasPort(text[mark.upperBound...])
            else { throw ValueProblem("has no port") }
        }
        return SinkURL(scheme: scheme, address: address)
    } write: {
        guard !$0.isHTTP else { return $0.address.description }
        let host = $0.address.host
        return "\($0.scheme.rawValue)://\(host.contains(":") ? "[\(host)]" : host):\($0.address.effectivePort)"
    }

    private static func hasPort(_ authority: Substring) -> Bool {
        authority[(authority.lastIndex(of: "]") ?? authority.startIndex)...].contains(":")
    }
}

extension ConfigFormat where Value == [String: Set<Permission>] {
    /// An inline table of rights by claim value.
    static let rights = ConfigFormat(.table, expects: "a table like { \"clash-admins\" = [\"read\", \"delete\"] }") {
        node throws(ValueProblems) in
        guard case .table(let members) = node else { throw .wrongType(node, wanted: "a table") }
        let list = ConfigFormat<Set<Permission>>.set(.choice, nonEmpty: true)
        var rights: [String: Set<Permission>] = [:]
        for (name, node) in members.sorted(by: { $0.key < $1.key }) {
            do throws(ValueProblems) {
                rights[name] = try list.read(node)
            } catch {
                throw ValueProblems(
                    all: error.all.map { ValueProblem("has in \(TOMLNode.quoted(name)) what \($0.text)") })
            }
        }
        return rights
    } write: { rights in
        .table(rights.mapValues { ConfigFormat<Set<Permission>>.set(.choice).write($0) })
    }
}
