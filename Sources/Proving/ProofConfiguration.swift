// The user's configuration with another world around it: everything that leads out of this machine, or into its files, is
// replaced; what is promised by, stays.

import Configuration
import Ground
import RateLimiting
import Simulator

/// What is put in the place of what the configuration names.
struct ProofSurroundings: Sendable {
    let api: SimulatorAddresses
    /// Of each `[[issuer]]`, in the file's order.
    let issuers: [SimulatorAddresses]
    let clientID: String
    let clientSecret: String
    let folder: String
    let adminKey: KeyHash?
}

extension Config {
    /// For one proof. Windows and budgets are lifted: what they hold is proved by itself, in less time than they last.
    func inProof(_ surroundings: ProofSurroundings, credentials: [KeyHash]) -> Config {
        var config = self
        config.replaceListeners(surroundings)
        config.replaceUpstream(surroundings)
        config.replaceFiles(surroundings)
        for (index, hash) in credentials.enumerated() where index < config.callers.count {
            config.callers[index].credential = .key(hash)
        }
        for (index, addresses) in surroundings.issuers.enumerated() where index < config.issuers.count {
            config.issuers[index].url = IssuerURL(BaseURL(scheme: .http, host: "127.0.0.1", port: addresses.tokenPort))
            config.issuers[index].jwksURL = nil
        }
        config.liftLimits()
        return config
    }

    private mutating func replaceListeners(_ surroundings: ProofSurroundings) {
        listen.addresses = [.tcp(host: "127.0.0.1", port: 0)]
        listen.socketMode = nil
        (listen.tlsCertificate, listen.tlsKey, listen.clientCA) = (nil, nil, nil)
        listen.trustedProxies = []
        listen.proxyProtocol = false
        admin.address = .tcp(host: "127.0.0.1", port: 0)
        admin.keySHA256 = surroundings.adminKey
    }

    private mutating func replaceUpstream(_ surroundings: ProofSurroundings) {
        upstream.url = BaseURL(scheme: .http, host: "127.0.0.1", port: surroundings.api.apiPort)
        upstream.caFile = nil
        (upstream.proxy, upstream.proxyCredentialsFile) = (nil, nil)
        upstream.http2 = false
        // A person's sign-in is nobody's to use up: another token of the same upstream does as well.
        if token.mode == .refreshToken { token.mode = .clientCredentials }
        token.tokenURL = BaseURL(
            scheme: .http, host: "127.0.0.1", port: surroundings.api.tokenPort, path: "/connect/token")
        (token.clientID, token.clientSecret) = (surroundings.clientID, Secret(surroundings.clientSecret))
        (token.clientSecretFile, token.stateFile) = (nil, nil)
        token.extraParameters = []
    }

    private mutating func replaceFiles(_ surroundings: ProofSurroundings) {
        audit.path = surroundings.folder + "/audit"
        audit.signingKeyFile = nil
        auditSinks = []
        deletes.archivePath = surroundings.folder + "/archive"
        (alerts.webhook, alerts.command, traces.endpoint) = (nil, nil, nil)
        fleet.engine = nil
        log.access = true
        shutdown.readyDelay = .zero
        shutdown.drainTimeout = min(shutdown.drainTimeout, .seconds(4))
    }

    private mutating func liftLimits() {
        (rate.windows, rate.runWindows) = ([], [])
        audit.deleteBudget = nil
        // Nobody is there to approve anything, and what is read to be archived would be counted as somebody's call.
        (deletes.approval, deletes.archive) = (.none, .off)
        for index in callers.indices { callers[index].windows = [] }
        for index in issuers.indices { issuers[index].windows = [] }
    }
}
