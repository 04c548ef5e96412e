// Everything that the proxy has written and said is looked through for what nobody else may know.

import Configuration
import Ground
import Simulator

/// Looks for keys, tokens and secrets where they have no business.
struct SecrecyProof: Sendable {
    let world: ProofWorld
    let table: ProofTable
    /// What the operators' side has shown, by the page's name.
    private var pages: [(String, String)] = []

    init(world: ProofWorld, table: ProofTable) { (self.world, self.table) = (world, table) }

    /// With what only a running proxy can show.
    func lookedAt() async -> SecrecyProof {
        var proof = self
        for page in ["/metrics", "/status.json", "/", "/readyz", "/explain?id=prove-cache-0-1"] {
            proof.pages.append((page, await world.ask(page).text))
        }
        return proof
    }

    /// When the logs are written.
    func conclude() {
        let written = places
        for caller in world.callers {
            // Its own token is what upstream has to see where tools bring their own.
            let upstream = ("a request to Bentley", requests(without: caller.passedToken))
            let secrets = caller.secrets + [caller.passedToken].compactMap { $0 }
            let answers = ("an answer to a tool", world.client.everythingHeard)
            table.add(
                .noSecretLeaves, caller.name,
                verdict(secrets, in: written + [answers, upstream], of: "its key or token"))
        }
        let tokens = Set(
            world.simulator.recorded.compactMap { $0[header: "authorization"] }
                .filter { $0.hasPrefix("Bearer ") }.map { String($0.dropFirst(7)) })
        let own = Array(tokens) + [world.clientSecret] + (world.promised.admin.keySHA256 == nil ? [] : [world.adminKey])
        let heard = ("an answer to a tool", world.client.everythingHeard)
        table.add(
            .noSecretLeaves, "the proxy itself",
            verdict(own, in: written + [heard], of: "upstream token, client secret"))
    }

    private func verdict(_ secrets: [String], in places: [(String, String)], of what: String) -> Verdict {
        guard !secrets.isEmpty else { return .notApplicable("no [[caller]] and no [[issuer]]: it has no key to lose") }
        for (name, text) in places {
            if secrets.contains(where: { $0.utf8.count > 8 && text.contains($0) }) {
                return .fail("\(what) is in \(name)")
            }
        }
        let count = places.reduce(0) { $0 + $1.1.utf8.count }
        return .pass("\(what) is in none of \(places.count) places, \(count >> 10) KiB")
    }

    private var places: [(String, String)] {
        pages + [("the access log", world.accessLogText), ("the application log", world.log.text)]
            + PrivateFolder.names(in: world.auditFolder).map {
                ("the audit log", PrivateFolder.text(of: "\(world.auditFolder)/\($0)"))
            }
    }

    /// Everything that has gone to Bentley, heads and bodies.
    private func requests(without token: String?) -> String {
        world.simulator.recorded.map { request in
            let head = request.headers
                .filter { token == nil || $0.name.lowercased() != "authorization" }
                .map { "\($0.name): \($0.value)" }
            return ([request.target] + head + [request.text]).joined(separator: "\n")
        }.joined(separator: "\n")
    }
}
