// The callers of a proof, made of the configuration: each with what shows who it is.

import ClashAPI
import Configuration
import Ground
import HTTPTypes
import RateLimiting
import Simulator

/// Those who call in one world. A value.
struct ProvenPeople: Sendable {
    private(set) var callers: [ProvenCaller] = []
    private let simulator: Simulator
    private let passesTokens: Bool

    /// Their names alone, before there is a world.
    static func names(_ config: Config) -> [String] {
        ProvenPeople(
            config, Simulator(SimulatorConfiguration()),
            config.issuers.map { _ in Simulator(SimulatorConfiguration()) },
            keys: config.callers.map { _ in "" }
        ).callers.map(\.name)
    }

    /// - Parameters:
    ///   - issuers: in the place of those of the configuration, in its order.
    ///   - keys: of the callers of the configuration, in its order.
    init(_ config: Config, _ simulator: Simulator, _ issuers: [Simulator], keys: [String]) {
        self.simulator = simulator
        passesTokens = config.token.mode == .passthrough
        for (caller, key) in zip(config.callers, keys) { add(caller, key) }
        for (issuer, signer) in zip(config.issuers, issuers) {
            let name = "anybody of \(issuer.url?.description ?? "an issuer")"
            add(issuer, signer, name: name, group: nil)
            for group in issuer.rights.keys.sorted() {
                add(issuer, signer, name: "\(name) in \(group)", group: group)
            }
        }
        if callers.isEmpty { addAnybody() }
    }

    private mutating func add(_ caller: Config.Caller, _ key: String) {
        add(
            caller.name, recordedAs: caller.name, [.proofKey: key], secrets: [key], caller.allow, caller.itwins,
            caller.operations, caller.windows)
    }

    private mutating func add(_ issuer: Config.Issuer, _ signer: Simulator, name: String, group: String?) {
        let person = group.map { "prove in \($0)" } ?? "prove"
        var recipe = TokenRecipe(
            subject: person, audience: Array(issuer.audience.prefix(1)), client: issuer.clientIDs.first)
        if issuer.nameClaim != "sub" { recipe.claims.append((issuer.nameClaim, Self.quoted(person))) }
        if let group { recipe.claims.append((issuer.rightsClaim, "[\(Self.quoted(group))]")) }
        let token = signer.signToken(recipe)
        let granted = group.flatMap { issuer.rights[$0] } ?? []
        add(
            name, recordedAs: person, [.authorization: "Bearer \(token)"], secrets: [token],
            issuer.allow.union(granted), issuer.itwins, issuer.operations, issuer.windows)
    }

    /// Nobody has to say who it is.
    private mutating func addAnybody() {
        add(
            passesTokens ? "anybody with a token" : "anonymous", recordedAs: passesTokens ? "" : "anonymous", [:],
            secrets: [], Set(Permission.allCases), [], [], [])
    }

    private mutating func add(
        _ name: String, recordedAs: String, _ credentials: HTTPFields, secrets: [String], _ allow: Set<Permission>,
        _ itwins: [EntityID], _ operations: [String], _ windows: [GateWindow]
    ) {
        let own = itwins.map(\.text)
        let all = simulator.iTwinIDs
        var caller = ProvenCaller(
            name: name, recordedAs: recordedAs, credentials: credentials, secrets: secrets, allow: allow,
            itwins: itwins, operations: operations, windows: windows, home: own.first ?? all.last ?? "",
            foreign: own.isEmpty ? nil : all.last { !own.contains($0) })
        if passesTokens { caller.bring(simulator.issueToken()) }
        callers.append(caller)
    }

    private static func quoted(_ text: String) -> String { JSONText.quoted(text) }
}
