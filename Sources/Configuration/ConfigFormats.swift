// The formats of this proxy's own kinds of value: addresses, URLs, paths, origins, windows, keys.

import Ground
import RateLimiting
import Tokens

extension ConfigFormat where Value == String {
    /// Any text but none, for names of files and the like.
    static func filled(expects: String) -> ConfigFormat {
        ConfigFormat(expects: expects) { text throws(ValueProblem) in
            if text.isEmpty { throw ValueProblem("is empty") }
            return text
        } write: {
            $0
        }
    }

    /// Any text, also none.
    static let anyText = ConfigFormat(expects: "a text") {
        $0
    } write: {
        $0
    }

    /// A path of the file system.
    static let path = ConfigFormat(expects: "the path of a file or folder", rebase: FilePath.rebase) {
        text throws(ValueProblem) in
        if text.isEmpty { throw ValueProblem("is empty") }
        return text
    } write: {
        $0
    }

    /// What goes to the token endpoint as a name: any text, also none, but nothing that a paste leaves behind unseen.
    static let credential = ConfigFormat(expects: "a text without line ends and control characters") {
        text throws(ValueProblem) in
        if let problem = CredentialText.problem(text) { throw ValueProblem(problem, hidesValue: true) }
        return text
    } write: {
        $0
    }

    /// Scopes separated by single spaces (RFC 6749 section 3.3).
    static let scope = ConfigFormat(expects: "scopes separated by single spaces") { text throws(ValueProblem) in
        let scopes = text.split(separator: " ", omittingEmptySubsequences: false)
        let isValid = scopes.allSatisfy { scope in
            !scope.isEmpty && scope.utf8.allSatisfy { (0x21...0x7e).contains($0) && $0 != 0x22 && $0 != 0x5c }
        }
        guard text.isEmpty || isValid else { throw ValueProblem("is not a list of scopes") }
        return text
    } write: {
        $0
    }

    /// A path prefix that may be forwarded.
    static let pathPrefix = ConfigFormat(expects: "a path like \"/clash-detection\" that does not end with a slash") {
        text throws(ValueProblem) in
        try checkPathPrefix(text)
        return text
    } write: {
        $0
    }

    /// A browser origin (RFC 6454 section 6.2), in lower case and without its scheme's own port.
    static let origin = ConfigFormat(expects: "an origin like \"https://viewer.example.com\"") {
        text throws(ValueProblem) in
        if text == "*" { throw ValueProblem("would let every web page call; name each origin") }
        guard let mark = text.firstRange(of: "://") else { throw ValueProblem("is not scheme://host") }
        let scheme = text[..<mark.lowerBound].lowercased()
        let isScheme = scheme.utf8.allSatisfy { (0x61...0x7a).contains($0) || "0123456789+-.".utf8.contains($0) }
        guard isScheme, scheme.first?.isLetter == true else { throw ValueProblem("is not scheme://host") }
        // Only the host and port rules are wanted, so any scheme may borrow them.
        let url = try BaseURL(parsing: (scheme == "http" ? "http" : "https") + text[mark.lowerBound...])
        if !url.path.isEmpty || text.hasSuffix("/") { throw ValueProblem("has a path, which an origin has not") }
        return "\(scheme)://\(url.authority)"
    } write: {
        $0
    }

    /// The name of a caller, as it stands in logs and in the audit record.
    static let callerName = ConfigFormat(expects: "a name of 1 to 64 characters") { text throws(ValueProblem) in
        if text.isEmpty { throw ValueProblem("is empty") }
        if text.count > 64 { throw ValueProblem("is longer than 64 characters") }
        if let odd = text.unicodeScalars.first(where: \.isUnseen) {
            let code = String(odd.value, radix: 16, uppercase: true)
            let digits = String(repeating: "0", count: max(0, 4 - code.count)) + code
            throw ValueProblem("has a character that cannot be seen (U+\(digits))")
        }
        if text == "anonymous" || text.hasPrefix("token:") {
            throw ValueProblem("is what the proxy itself calls tools without a [[caller]]")
        }
        if text == "other" {
            throw ValueProblem("is what /metrics and the status page call everybody without a [[caller]]")
        }
        return text
    } write: {
        $0
    }
}

extension Unicode.Scalar {
    /// Control characters, ends of lines, what turns the direction of a text, and what has no width: two names could
    /// look the same, or one like more than a name.
    fileprivate var isUnseen: Bool {
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: true
        // The choice between two shapes of an emoji is no name's own.
        default: properties.isDefaultIgnorableCodePoint && !properties.isVariationSelector
        }
    }
}

extension ConfigFormat where Value == Secret {
    static let secret = ConfigFormat(expects: "the secret, best as \"${NAME}\"") { text throws(ValueProblem) in
        if text == Secret.placeholder { throw ValueProblem("is the placeholder that `check` prints") }
        if let problem = CredentialText.problem(text) { throw ValueProblem(problem, hidesValue: true) }
        return Secret(text)
    } write: {
        // The effective configuration never asks: its keys are marked secret.
        .init($0.description)
    }
}

extension ConfigFormat where Value == KeyHash {
    static let keyHash = ConfigFormat(expects: "64 hex digits; `clash-proxy key new` makes them") {
        text throws(ValueProblem) in
        guard let hash = KeyHash(hex: text) else { throw ValueProblem("is not 64 hexadecimal digits") }
        return hash
    } write: {
        $0.hex
    }
}

extension ConfigFormat where Value == ListenAddress {
    static let address = ConfigFormat(
        expects: "host:port, [v6]:port or unix:/path.sock", rebase: FilePath.rebasing(after: "unix:")
    ) {
        text throws(ValueProblem) in
        try ListenAddress(parsing: text)
    } write: {
        $0.description
    }

}

extension ConfigFormat where Value == [ListenAddress] {
    /// One address, or a list of them.
    static let addresses = ConfigFormat(
        .stringOrList, expects: "\(ConfigFormat<ListenAddress>.address.expects), or a list of them",
        rebase: ConfigFormat<ListenAddress>.address.rebase
    ) {
        node throws(ValueProblems) in
        guard case .array = node else { return [try ConfigFormat<ListenAddress>.address.read(node)] }
        return try list(.address, nonEmpty: true).read(node)
    } write: { addresses in
        let nodes = addresses.map(ConfigFormat<ListenAddress>.address.write)
        return nodes.count == 1 ? nodes[0] : .array(nodes)
    }
}

extension ConfigFormat where Value == BaseURL {
    static let url = ConfigFormat(expects: "a URL like \"https://host/path\"") {
        text throws(ValueProblem) in
        try BaseURL(parsing: text)
    } write: {
        $0.description
    }
}

extension ConfigFormat where Value == IssuerURL {
    static let issuer = ConfigFormat(expects: "a URL like \"https://host/path\"") {
        text throws(ValueProblem) in
        try IssuerURL(parsing: text)
    } write: {
        $0.description
    }
}

extension ConfigFormat where Value == LinkPrefix {
    static let linkPrefix = ConfigFormat(expects: "a URL, or \"URL => /path\"") { text throws(ValueProblem) in
        let parts = text.split(separator: " => ", omittingEmptySubsequences: false)
        guard parts.count <= 2, let first = parts.first else { throw ValueProblem("has more than one =>") }
        let prefix = try BaseURL(parsing: String(first))
        guard parts.count == 2 else { return LinkPrefix(prefix: prefix) }
        let replacement = String(parts[1])
        do throws(ValueProblem) {
            try checkPathPrefix(replacement)
        } catch {
            throw ValueProblem("has after => a path that \(error.text)")
        }
        return LinkPrefix(prefix: prefix, replacement: replacement)
    } write: {
        $0.replacement.isEmpty ? "\($0.prefix)" : "\($0.prefix) => \($0.replacement)"
    }
}

extension ConfigFormat where Value == TokenParameter {
    static let tokenParameter = ConfigFormat(expects: "a field like \"audience=https://example.com\"") {
        text throws(ValueProblem) in
        guard let mark = text.firstIndex(of: "=") else { throw ValueProblem("has no =") }
        let name = String(text[..<mark])
        if name.isEmpty { throw ValueProblem("has no name before its =") }
        if TokenSource.Configuration.reservedParameters.contains(name) {
            throw ValueProblem("is a field that the proxy sets itself", hidesValue: true)
        }
        return TokenParameter(name: name, value: String(text[text.index(after: mark)...]))
    } write: {
        "\($0.name)=\($0.value)"
    }
}

extension ConfigFormat where Value == GateWindow {
    static let window = ConfigFormat(expects: "calls per duration like \"5000/1m\"") { text throws(ValueProblem) in
        try Quantity.parseWindow(text, .milliseconds(1)...(.seconds(86_400)))
    } write: {
        "\($0.limit)/\(Quantity.duration($0.span))"
    }
}

/// What a path must look like to be compared with the normalised path of a request.
private func checkPathPrefix(_ path: String) throws(ValueProblem) {
    guard path.hasPrefix("/") else { throw ValueProblem("does not begin with a slash") }
    if path.hasSuffix("/") { throw ValueProblem("ends with a slash") }
    let segments = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
    if segments.contains(where: { $0.isEmpty || $0 == "." || $0 == ".." }) {
        throw ValueProblem("has an empty, . or .. segment")
    }
    let isPlain = path.utf8.allSatisfy { byte in
        (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
            || "/-._~".utf8.contains(byte)
    }
    guard isPlain else { throw ValueProblem("has a character other than letters, digits and - . _ ~ /") }
}
