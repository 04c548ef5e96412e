// Checks of keys against each other and against the file system: last step of loading. Each check names
// the keys it looks at and is left out when one of them is already known to be wrong.

import Ground

struct ConfigChecks {
    let config: Config
    let given: [String: GivenValue]
    let faulty: Set<String>
    private(set) var mistakes: [ConfigMistake] = []

    init(config: Config, given: [String: GivenValue], faulty: Set<String>) {
        self.config = config
        self.given = given
        self.faulty = faulty
    }

    /// Runs all checks; `problem` tells what is wrong with a file.
    mutating func run(_ problem: (String, FileContent) -> String?) {
        tls()
        exposure()
        adminExposure()
        addresses()
        plainHTTP()
        wayOut()
        credentials()
        sizes()
        callers()
        operations()
        approvals()
        issuersAndSinks()
        files(problem)
    }

    private func isSound(_ keys: String...) -> Bool {
        keys.allSatisfy { !faulty.contains($0) }
    }

    private mutating func mistake(_ key: String, _ problem: String, _ remedy: String) {
        let place = given[key]?.place ?? .builtIn
        mistakes.append(ConfigMistake(place: place, key: key, problem: problem, remedy: remedy))
    }

    private mutating func tls() {
        let listen = config.listen
        guard isSound("listen.tls_certificate", "listen.tls_key", "listen.client_ca") else { return }
        if listen.tlsCertificate != nil, listen.tlsKey == nil {
            mistake("listen.tls_certificate", "is set without listen.tls_key", "set both or none")
        }
        if listen.tlsKey != nil, listen.tlsCertificate == nil {
            mistake("listen.tls_key", "is set without listen.tls_certificate", "set both or none")
        }
        if listen.clientCA != nil, listen.tlsCertificate == nil, listen.tlsKey == nil {
            mistake("listen.client_ca", "needs TLS", "set listen.tls_certificate and listen.tls_key")
        }
    }

    /// Whoever can connect without a `[[caller]]` may do everything, so that is for this machine only.
    private mutating func exposure() {
        guard isSound("listen.address", "token.mode", "caller", "issuer"), !config.knowsItsCallers,
            let open = config.listen.addresses.first(where: { !$0.isLoopback })
        else { return }
        mistake(
            "listen.address",
            "\"\(open)\" can be reached from other machines, and without a [[caller]] or [[issuer]] anybody may do anything",
            "add a [[caller]] (`clash-proxy key new NAME`), or listen on 127.0.0.1 or a unix socket")
    }

    /// Whoever can connect to the operators' side may empty the cache and end the process.
    private mutating func adminExposure() {
        guard isSound("admin.address", "admin.key_sha256"), let address = config.admin.address, !address.isLoopback,
            config.admin.keySHA256 == nil
        else { return }
        mistake(
            "admin.address", "\"\(address)\" can be reached from other machines, and admin.key_sha256 is not set",
            "set it (`clash-proxy key new admin` makes a key and its hash), or keep the address on 127.0.0.1")
    }

    private mutating func addresses() {
        guard isSound("listen.address") else { return }
        let listen = config.listen.addresses
        for (offset, address) in listen.enumerated() where listen[..<offset].contains(where: address.overlaps) {
            mistake(
                "listen.address", "\"\(address)\" stands there twice, or is a part of another", "keep one of the two")
        }
        if isSound("admin.address"), let admin = config.admin.address, listen.contains(where: admin.overlaps) {
            mistake("admin.address", "\"\(admin)\" is taken by listen.address", "give each its own port")
        }
        for (key, url) in [("upstream.url", config.upstream.url), ("token.token_url", config.token.tokenURL)]
        where isSound(key) && listen.contains(where: url.reaches) {
            mistake(key, "\"\(url)\" is this proxy itself", "name the server behind the proxy")
        }
        // Each batch would be a request, and the next batch its span.
        if isSound("traces.endpoint"), let endpoint = config.traces.endpoint, listen.contains(where: endpoint.reaches) {
            mistake("traces.endpoint", "\"\(endpoint)\" is this proxy itself", "name the collector")
        }
        if isSound("listen.public_url", "upstream.url"), config.listen.publicURL?.origin == config.upstream.url.origin {
            mistake("listen.public_url", "is the same as upstream.url", "name this proxy as its tools see it")
        }
    }

    private mutating func plainHTTP() {
        let urls = [
            ("upstream.url", config.upstream.url), ("token.token_url", config.token.tokenURL),
            ("token.authorize_url", config.token.authorizeURL),
        ]
        for (key, url) in urls where isSound(key) && url?.scheme == .http && url?.isLoopback == false {
            mistake(key, "sends secrets over plain http", "write https:// (http:// is for loopback hosts only)")
        }
        if isSound("upstream.url"), !config.upstream.url.path.isEmpty {
            let url = config.upstream.url
            mistake("upstream.url", "\"\(url)\" has a path, which it must not have", "write \"\(url.origin)\"")
        }
    }

    private mutating func wayOut() {
        guard isSound("upstream.proxy") else { return }
        if let proxy = config.upstream.proxy {
            if !proxy.path.isEmpty {
                mistake(
                    "upstream.proxy", "\"\(proxy)\" has a path, which a proxy has not", "write \"\(proxy.origin)\"")
            } else if proxy.scheme != .http {
                // What goes through it has a TLS of its own, from end to end.
                mistake("upstream.proxy", "\"\(proxy)\" is no plain HTTP proxy", "write http://host:port")
            } else if isSound("listen.address"), config.listen.addresses.contains(where: { proxy.reaches($0) }) {
                mistake("upstream.proxy", "\"\(proxy)\" is this proxy itself", "name the proxy on the way out")
            }
        } else if isSound("upstream.proxy_credentials_file"), config.upstream.proxyCredentialsFile != nil {
            mistake("upstream.proxy_credentials_file", "is set without upstream.proxy", "set both or none")
        }
    }

    private mutating func credentials() {
        guard isSound("token.mode") else { return }
        let token = config.token
        if token.mode != .passthrough, isSound("token.client_id"), token.clientID.isEmpty {
            missing("token.client_id", "CLASH_CLIENT_ID", "\(token.mode.rawValue) needs it")
        }
        guard isSound("token.client_secret", "token.client_secret_file") else { return }
        let hasSecret = token.clientSecret?.isEmpty == false
        let secret = given["token.client_secret"]
        if hasSecret, token.clientSecretFile != nil, secret?.isDefaultReference == false {
            mistake("token.client_secret_file", "stands beside token.client_secret", "keep one of the two")
        }
        // RFC 6749 section 4.4: only a confidential client may use its own credentials.
        if token.mode == .clientCredentials, !hasSecret, token.clientSecretFile == nil {
            missing("token.client_secret", "CLASH_CLIENT_SECRET", "client_credentials needs it or client_secret_file")
        }
        if token.mode == .refreshToken, isSound("token.state_file"), token.stateFile == nil {
            mistake(
                "token.state_file", "is empty, and refresh_token needs it",
                "name a file for `clash-proxy login` to make, in a folder of this user's own")
        }
        let names = token.extraParameters.map(\.name)
        if isSound("token.extra_parameters"), let twice = names.first(where: { name in names.count { $0 == name } > 1 })
        {
            mistake("token.extra_parameters", "has \"\(twice)\" twice", "keep one of the two (RFC 6749 section 3.2)")
        }
    }

    private mutating func missing(_ key: String, _ variable: String, _ why: String) {
        let isDefault = given[key]?.isDefaultReference ?? true
        let problem = isDefault ? "the environment variable \(variable) is not set or empty" : "is empty"
        mistake(key, "\(problem), and \(why)", "set \(isDefault ? "\(variable) or \(key)" : "it")")
    }

    private mutating func sizes() {
        if isSound("cache.max_bytes", "cache.max_entry_bytes"), config.cache.maxEntryBytes > config.cache.maxBytes {
            mistake(
                "cache.max_entry_bytes", "one entry may be larger than the whole cache",
                "make it at most cache.max_bytes")
        }
        if isSound("listen.max_body_bytes", "listen.max_held_bytes"),
            config.listen.maxBodyBytes > config.listen.maxHeldBytes / 2
        {
            mistake(
                "listen.max_body_bytes", "one request body may be larger than all that are held together",
                "make it at most half of listen.max_held_bytes")
        }
        if isSound("rate.max_in_flight", "upstream.max_connections"),
            config.rate.maxInFlight > config.upstream.maxConnections
        {
            mistake(
                "rate.max_in_flight",
                "\(config.rate.maxInFlight) calls have no room on \(config.upstream.maxConnections) connections",
                "make it at most upstream.max_connections")
        }
    }

    private mutating func callers() {
        // With a faulty caller left out, positions would no longer be those of the file.
        guard isSound("caller") else { return }
        var names: [String: Int] = [:]
        var credentials: [Config.Credential: Int] = [:]
        for (offset, caller) in config.callers.enumerated() {
            let index = offset + 1
            if let first = names.updateValue(index, forKey: caller.name) {
                mistake(
                    "caller[\(index)].name", "\"\(caller.name)\" is also the name of caller[\(first)]", "name it apart")
            }
            let key =
                switch caller.credential {
                case .key: "key_sha256"
                case .certificate: "certificate"
                case .user: "user"
                }
            if let first = credentials.updateValue(index, forKey: known(caller.credential, index)) {
                mistake("caller[\(index)].\(key)", "is also that of caller[\(first)]", "give each caller its own")
            }
            if case .certificate = caller.credential, isSound("listen.client_ca"), config.listen.clientCA == nil {
                mistake(
                    "caller[\(index)].certificate", "cannot be checked without listen.client_ca", "set listen.client_ca"
                )
            }
        }
    }

    /// A delete that nobody else could approve would wait for ever.
    private mutating func approvals() {
        guard isSound("caller", "issuer", "deletes.approval"), config.deletes.approval == .second else { return }
        func may(_ right: Permission) -> (callers: [String], issuers: Bool) {
            let callers = config.callers.filter { $0.allow.contains(right) }.map(\.name)
            return (callers, config.issuers.contains { $0.mayGrant(right) })
        }
        let (approvers, deleters) = (may(.approve), may(.delete))
        if approvers.issuers { return }
        if approvers.callers.isEmpty {
            mistake(
                "deletes.approval", "\"second\" needs somebody who may approve, and nobody may",
                "give a [[caller]] or [[issuer]] the right: allow = [\"read\", \"approve\"]")
        } else if approvers.callers.count == 1, deleters.callers == approvers.callers, !deleters.issuers {
            mistake(
                "deletes.approval",
                "\"second\" needs another caller than the one who deletes, and only \"\(approvers.callers[0])\" may approve",
                "give the right \"approve\" to a [[caller]] or [[issuer]] of its own")
        }
    }

    /// An operation that its own rights never let through is a slip of one of the two lists.
    private mutating func operations() {
        if isSound("caller") {
            for (offset, caller) in config.callers.enumerated() {
                operations(caller.operations, allow: caller.allow, "caller[\(offset + 1)]")
            }
        }
        guard isSound("issuer") else { return }
        for (offset, issuer) in config.issuers.enumerated() {
            // What a claim may grant counts as well.
            let granted = issuer.rightsClaim.isEmpty ? [] : issuer.rights.values.reduce(Set()) { $0.union($1) }
            operations(issuer.operations, allow: issuer.allow.union(granted), "issuer[\(offset + 1)]")
        }
    }

    private mutating func operations(_ patterns: [String], allow: Set<Permission>, _ table: String) {
        let key = "\(table).operations"
        for (offset, pattern) in patterns.enumerated() where !OperationPattern.canMatch(pattern, allow: allow) {
            mistakes.append(
                ConfigMistake(
                    place: given[key]?.place ?? .builtIn, key: "\(key)[\(offset + 1)]",
                    problem: "\(TOMLNode.quoted(pattern)) \(OperationPattern.lacksRight(pattern))",
                    remedy: OperationPattern.remedy("allow")))
        }
    }

    /// Two names of one user are one credential.
    private mutating func known(_ credential: Config.Credential, _ index: Int) -> Config.Credential {
        guard case .user(let name) = credential else { return credential }
        guard let uid = UserAccount.uid(of: name) else {
            mistake(
                "caller[\(index)].user", "\(TOMLNode.quoted(name)) is no user of this machine",
                "write the name of one, or a uid")
            return credential
        }
        return .user(String(uid))
    }

    private mutating func issuersAndSinks() {
        if isSound("issuer", "token.mode"), !config.issuers.isEmpty, config.token.mode == .passthrough {
            mistake(
                "issuer[1]", "does not go with token.mode = \"passthrough\", where tokens are Bentley's",
                "keep one of the two")
        }
        issuerAddresses()
        guard isSound("audit_sink") else { return }
        var names: [String: Int] = [:]
        for (offset, sink) in config.auditSinks.enumerated() {
            if let first = names.updateValue(offset + 1, forKey: sink.name) {
                mistake(
                    "audit_sink[\(offset + 1)].name", "\"\(sink.name)\" is also the name of audit_sink[\(first)]",
                    "name it apart")
            }
            check(sink, "audit_sink[\(offset + 1)]")
        }
    }

    private mutating func check(_ sink: Config.AuditSink, _ table: String) {
        guard let url = sink.url else { return }
        if url.scheme == .http, !url.address.isLoopback {
            mistake("\(table).url", "\"\(url.address)\" is plain http, which is for loopback hosts only", "use https")
        }
        if sink.tokenFile != nil, !url.isHTTP {
            mistake("\(table).token_file", "is for https:// sinks only", "take it out")
        }
        if sink.caFile != nil, url.scheme != .tls, url.scheme != .https {
            mistake("\(table).ca_file", "is for tls:// and https:// sinks only", "take it out")
        }
    }

    /// Who vouches for people is spoken to as upstream is, and each by one table.
    private mutating func issuerAddresses() {
        guard isSound("issuer") else { return }
        var tables: [IssuerURL: Int] = [:]
        for (offset, issuer) in config.issuers.enumerated() {
            let name = "issuer[\(offset + 1)]"
            for case (let key, let url?) in [("url", issuer.url?.location), ("jwks_url", issuer.jwksURL)] {
                guard url.scheme == .http, !url.isLoopback else { continue }
                mistake("\(name).\(key)", "\"\(url)\" is plain http, which is for loopback hosts only", "use https")
            }
            if let url = issuer.url, let first = tables.updateValue(offset + 1, forKey: url) {
                mistake("\(name).url", "\"\(url)\" is also the url of issuer[\(first)]", "make one table of the two")
            }
        }
    }

    private mutating func files(_ problem: (String, FileContent) -> String?) {
        let files: [(String, String?, FileContent)] = [
            ("listen.tls_certificate", config.listen.tlsCertificate, .certificates),
            ("listen.tls_key", config.listen.tlsKey, .any), ("listen.client_ca", config.listen.clientCA, .certificates),
            ("upstream.ca_file", config.upstream.caFile, .certificates),
            ("upstream.proxy_credentials_file", config.upstream.proxyCredentialsFile, .userAndPassword),
            ("token.client_secret_file", config.token.clientSecretFile, .credential),
            ("fleet.password_file", config.fleet.passwordFile, .credential),
            ("fleet.ca_file", config.fleet.caFile, .certificates), ("fleet.key_file", config.fleet.keyFile, .any),
            ("audit.signing_key_file", config.audit.signingKeyFile, .signingKey),
            ("alerts.command", config.alerts.command, .program),
        ]
        let ofSinks = config.auditSinks.enumerated().flatMap { offset, sink -> [(String, String?, FileContent)] in
            let table = "audit_sink[\(offset + 1)]"
            return [
                ("\(table).ca_file", sink.caFile, .certificates), ("\(table).token_file", sink.tokenFile, .credential),
            ]
        }
        for case (let key, let path?, let content) in files + ofSinks where isSound(key) {
            guard let problem = problem(path, content) else { continue }
            mistake(key, "\(TOMLNode.quoted(path)): \(problem)", Self.remedy(content))
        }
    }

    private static func remedy(_ content: FileContent) -> String {
        switch content {
        case .any: "name a file that this user can read"
        case .program: "name a program that this user can run, without arguments (no shell looks at it)"
        case .certificates: "name a file with PEM certificates that this user can read"
        case .credential: "name a file that this user can read, with the secret alone on its one line"
        case .userAndPassword: "name a file that this user can read, with user:password alone on its one line"
        case .signingKey: "make one with `clash-proxy audit keygen`, as the user that the proxy runs as"
        }
    }
}

extension Config {
    /// Whether who is nobody may do nothing: there are callers or issuers, or tools bring their own tokens.
    package var knowsItsCallers: Bool { !callers.isEmpty || !issuers.isEmpty || token.mode == .passthrough }
}

extension ListenAddress {
    /// Whether both want the same port of this machine.
    fileprivate func overlaps(_ other: ListenAddress) -> Bool {
        switch (self, other) {
        case (.unix(let path), .unix(let otherPath)): path == otherPath
        case (.tcp(let host, let port), .tcp(let otherHost, let otherPort)):
            port != 0 && port == otherPort && HostName.collide(host, otherHost)
        default: false
        }
    }
}

extension BaseURL {
    /// Whether this URL leads to whoever listens on `address`. A wildcard address is reached from outside too,
    /// but which remote names mean this machine cannot be known here.
    fileprivate func reaches(_ address: ListenAddress) -> Bool {
        guard case .tcp(let host, let port) = address else { return false }
        return port == effectivePort && (host == self.host || isLoopback && HostName.collide(host, self.host))
    }
}

extension Config.Issuer {
    /// Whether some of those for whom it vouches have the right.
    fileprivate func mayGrant(_ right: Permission) -> Bool {
        allow.contains(right) || !rightsClaim.isEmpty && rights.values.contains { $0.contains(right) }
    }
}
