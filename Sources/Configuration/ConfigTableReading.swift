// Reads the arrays of tables: a table with anything wrong in it is left out, and the checks of the others then wait.

extension ConfigReader {
    /// Reads all arrays of tables.
    mutating func readTables(_ gathered: GatheredValues) {
        read(callers: gathered.tables[.caller] ?? [])
        read(issuers: gathered.tables[.issuer] ?? [])
        read(sinks: gathered.tables[.auditSink] ?? [])
    }

    private mutating func read(callers: [RawTable]) {
        for raw in callers {
            let name = "caller[\(raw.index)]"
            let before = mistakes.count
            draft = CallerDraft()
            given[name] = GivenValue(place: raw.place)
            for key in ConfigKeys.caller {
                guard let value = raw.values[key.name] else { continue }
                read(key, value, as: "\(name).\(key.name)", into: \.draft)
            }
            let credential = credential(of: raw, name)
            require("name", of: raw, name)
            guard let credential, mistakes.count == before else {
                faulty.insert("caller")
                continue
            }
            config.callers.append(draft.caller(credential))
        }
    }

    /// Tells when a table lacks what it cannot do without.
    private mutating func require(_ key: String, of raw: RawTable, _ name: String) {
        guard raw.values[key] == nil, !raw.doubtful.contains(key) else { return }
        mistakes.append(
            ConfigMistake(place: raw.place, key: name, problem: "has no \(key)", remedy: "write \(key) = \"…\""))
    }

    /// The one credential of the caller just read; nil, with a mistake told, if there are none or several.
    private mutating func credential(of raw: RawTable, _ name: String) -> Config.Credential? {
        let all: [(key: String, credential: Config.Credential?)] = [
            ("key_sha256", draft.keyHash.map { .key($0) }), ("certificate", draft.certificate.map { .certificate($0) }),
            ("user", draft.user.map { .user($0) }),
        ]
        let there = all.filter { $0.credential != nil }
        if there.count > 1 {
            let extra = there[1].key
            mistakes.append(
                ConfigMistake(
                    place: raw.values[extra]?.place ?? raw.place, key: "\(name).\(extra)",
                    problem: "stands beside \(there[0].key)", remedy: "keep one of them, or make it several callers"))
            return nil
        }
        if let only = there.first { return only.credential }
        // A credential that is there but wrong was told already.
        let isFaulty = all.contains { faulty.contains("\(name).\($0.key)") || raw.doubtful.contains($0.key) }
        if !isFaulty {
            mistakes.append(
                ConfigMistake(
                    place: raw.place, key: name, problem: "has none of key_sha256, certificate and user",
                    remedy: "run `clash-proxy key new NAME` and paste what it prints"))
        }
        return nil
    }

    private mutating func read(issuers: [RawTable]) {
        for raw in issuers {
            let name = "issuer[\(raw.index)]"
            let before = mistakes.count
            issuer = Config.Issuer()
            given[name] = GivenValue(place: raw.place)
            for key in ConfigKeys.issuer {
                if let value = raw.values[key.name] { read(key, value, as: "\(name).\(key.name)", into: \.issuer) }
            }
            require("url", of: raw, name)
            let isComplete = !issuer.audience.isEmpty || !issuer.clientIDs.isEmpty
            if mistakes.count == before, !isComplete {
                mistakes.append(
                    ConfigMistake(
                        place: raw.place, key: name, problem: "has neither audience nor client_ids",
                        remedy: "say which tokens of this issuer are meant for this proxy"))
            }
            guard mistakes.count == before else {
                faulty.insert("issuer")
                continue
            }
            config.issuers.append(issuer)
        }
    }

    private mutating func read(sinks: [RawTable]) {
        for raw in sinks {
            let name = "audit_sink[\(raw.index)]"
            let before = mistakes.count
            sink = Config.AuditSink()
            given[name] = GivenValue(place: raw.place)
            for key in ConfigKeys.auditSink {
                if let value = raw.values[key.name] { read(key, value, as: "\(name).\(key.name)", into: \.sink) }
            }
            require("name", of: raw, name)
            require("url", of: raw, name)
            guard mistakes.count == before else {
                faulty.insert("audit_sink")
                continue
            }
            config.auditSinks.append(sink)
        }
    }
}
