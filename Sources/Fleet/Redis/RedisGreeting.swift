// The first questions to a server: who is it, what does it hold, may it be used.

/// What a server has told about itself.
struct RedisGreeting: Sendable, Equatable {
    /// New with each start of the process, and after a promotion.
    let runID: String
    /// As it says, such as `7.0.15`; Valkey's compatibility version.
    let version: String
    let isPrimary: Bool
    /// Nil where it does not say.
    let evictionPolicy: String?
    /// Of this fleet's state, zero where it has none: among several primaries the one with the latest is meant.
    let epoch: Int64
    let sequence: Int64

    /// Another policy lets go of keys that count what was sent.
    static let wantedPolicy = "noeviction"

    /// The commands, in the order in which `init` takes their answers; behind those that `entry` sends.
    ///
    /// - Parameter control: the key of the fleet's control hash.
    static func questions(control: String) -> [RedisCommand] {
        [
            RedisCommand("INFO", "server"), RedisCommand("ROLE"), RedisCommand("INFO", "replication"),
            RedisCommand("INFO", "memory"),
            RedisCommand("HMGET", control, "epoch", "seq"),
        ]
    }

    /// From the answers. ROLE may be forbidden, as managed services do: INFO says the same.
    init(_ answers: [RedisHandler.Answer]) throws(RedisTrouble) {
        guard answers.count == 5 else { throw .unexpected("INFO") }
        let server = Self.fields(try answers[0].get())
        guard let runID = server["run_id"], !runID.isEmpty, runID.utf8.count <= 64 else {
            throw .unexpected("INFO server")
        }
        self.runID = RedisTrouble.printable(runID)
        version = RedisTrouble.printable(server["redis_version"] ?? "0")
        if server["redis_mode"] == "sentinel" { throw .sentinel }
        guard let major = Int(version.prefix { $0 != "." }) else { throw .unexpected("INFO server") }
        if major < 5 { throw .tooOld(version) }
        let replication = (try? answers[2].get()).map(Self.fields) ?? [:]
        isPrimary = try Self.isPrimary(answers[1], replication)
        let memory = (try? answers[3].get()).map(Self.fields) ?? [:]
        evictionPolicy = memory["maxmemory_policy"].map(RedisTrouble.printable)
        (epoch, sequence) = isPrimary ? try Self.state(answers[4]) : (0, 0)
    }

    private static func isPrimary(
        _ role: RedisHandler.Answer, _ replication: [String: String]
    ) throws(RedisTrouble) -> Bool {
        let told: String?
        switch role {
        case .success(let value): told = value.items?.first?.text
        case .failure(.notPermitted), .failure(.refused): told = replication["role"]
        case .failure(let trouble): throw trouble
        }
        switch told {
        case "master", "primary": return true
        case "slave", "replica": return false
        case "sentinel": throw .sentinel
        default: throw .unexpected("ROLE")
        }
    }

    private static func state(_ answer: RedisHandler.Answer) throws(RedisTrouble) -> (Int64, Int64) {
        guard let items = try answer.get().items, items.count == 2 else { throw .unexpected("HMGET") }
        return (items[0].number ?? 0, items[1].number ?? 0)
    }

    /// The lines `name:value` of INFO.
    private static func fields(_ value: RESPValue) -> [String: String] {
        var fields: [String: String] = [:]
        for line in (value.text ?? "").split(whereSeparator: \.isNewline) {
            guard let colon = line.firstIndex(of: ":") else { continue }
            fields[String(line[..<colon])] = String(line[line.index(after: colon)...])
        }
        return fields
    }
}

extension RedisConnection {
    /// Enters: password, database, and what the server says of itself.
    func greet(_ servers: RedisServers, control: String, within time: Duration) async throws(RedisTrouble)
        -> RedisGreeting
    {
        var commands: [RedisCommand] = []
        if let credentials = servers.credentials { commands.append(credentials.command) }
        if servers.database != 0 { commands.append(RedisCommand("SELECT", String(servers.database))) }
        let entry = commands.count
        let answers = await call(commands + RedisGreeting.questions(control: control), within: time)
        if servers.credentials != nil, case .failure(let trouble) = answers[0] { throw Self.entryTrouble(trouble) }
        if servers.database != 0, case .failure(let trouble) = answers[entry - 1] { throw trouble }
        return try RedisGreeting(Array(answers[entry...]))
    }

    /// What a server says to AUTH is not repeated: it might hold what it was told.
    private static func entryTrouble(_ trouble: RedisTrouble) -> RedisTrouble {
        switch trouble {
        case .refused, .notPermitted, .unsettled, .clustered, .garbage: .passwordRefused
        default: trouble
        }
    }
}
