// What a test may ask and change behind the API's back: ids of the seeded world, tokens, deletes by "somebody else".

import Synchronization

extension Simulator {
    // MARK: Tokens

    /// Issues an access token without a request.
    public func issueToken(client: String? = nil) -> String {
        world.withLock { world in
            let grant = world.grant(client, scopes: ["itwin-platform"])
            return world.tokens.issueAccess(grant, issuer: world.issuer, now: clock.now())
        }
    }

    /// Issues the first refresh token of a new family, as a sign-in would.
    public func issueRefreshToken(client: String? = nil) -> String {
        world.withLock { world in
            let grant = world.grant(client, scopes: ["itwin-platform", "offline_access"])
            return world.tokens.issueRefresh(grant)
        }
    }

    /// Whether a refresh token would bring a new one: issued here, not spent, its family not revoked.
    public func accepts(refreshToken: String) -> Bool { world.withLock { $0.tokens.accepts(refresh: refreshToken) } }

    /// Makes all access tokens invalid, and refresh tokens too if asked.
    public func revokeTokens(includingRefreshTokens: Bool = false) {
        world.withLock { $0.tokens.revokeAll(refreshTokens: includingRefreshTokens) }
    }

    // MARK: Ids

    /// The iTwins (v1: projects), as GUID text.
    public var iTwinIDs: [String] { world.withLock { $0.store.tenants.map(\.id.text) } }

    /// The tests of an iTwin, oldest first. Empty for an unknown iTwin.
    public func testIDs(iTwin: String) -> [String] { tenant(iTwin)?.tests.ids.map(\.text) ?? [] }

    /// The reports of an iTwin, oldest first.
    public func reportIDs(iTwin: String) -> [String] { tenant(iTwin)?.reports.ids.map(\.text) ?? [] }

    /// The suppression rules of an iTwin, oldest first.
    public func ruleIDs(iTwin: String) -> [String] { tenant(iTwin)?.rules.ids.map(\.text) ?? [] }

    /// The repositories (iModels) of an iTwin.
    public func repositoryIDs(iTwin: String) -> [String] { tenant(iTwin)?.repositories.map(\.id.text) ?? [] }

    /// The report with ``SimulatorConfiguration/bigReportClashes`` clashes; it belongs to the first iTwin.
    public var bigReportID: String? { world.withLock { $0.store.bigReport?.text } }

    /// The v1 id of an entity: a test, a run (by its report's id), a rule or a template. Nil unless both are GUIDs.
    public func legacyID(project: String, entity: String) -> String? {
        guard let project = GUID(project), let entity = GUID(entity) else { return nil }
        return LegacyID(project, entity).text
    }

    /// The v1 id of the result of a run, by its report's id. Nil when there is no such report.
    public func legacyResultID(report: String) -> String? {
        world.withLock { world in
            guard let id = GUID(report), let at = world.store.tenantHolding(report: id) else { return nil }
            let tenant = world.store.tenant(at)
            return tenant.reports[id].map { LegacyID(tenant.id, $0.test, id).text }
        }
    }

    // MARK: State

    /// Whether a report (v1: a run and its result) exists.
    public func reportExists(_ report: String) -> Bool { status(ofReport: report) != nil }

    /// The present status of a report: 0 started, 1 completed, 2 failed, 7 completed to limit, 9 cancelled.
    public func status(ofReport report: String) -> Int? {
        world.withLock { world in
            guard let id = GUID(report), let at = world.store.tenantHolding(report: id) else { return nil }
            return world.store.tenant(at).reports[id]?.status(clock.now())
        }
    }

    /// Whether a test exists.
    public func testExists(_ test: String) -> Bool {
        guard let id = GUID(test) else { return false }
        return world.withLock { world in world.store.tenants.contains { $0.tests[id] != nil } }
    }

    /// Whether a suppression rule exists.
    public func ruleExists(_ rule: String) -> Bool {
        guard let id = GUID(rule) else { return false }
        return world.withLock { world in world.store.tenants.contains { $0.rules[id] != nil } }
    }

    // MARK: Changes by somebody else

    /// Removes a report without a request, as another client of the real API would. False when there is none.
    @discardableResult
    public func removeReport(_ report: String) -> Bool {
        world.withLock { world in
            guard let id = GUID(report), let at = world.store.tenantHolding(report: id) else { return false }
            return world.store.change(at) { $0.reports.remove(id) }
        }
    }

    /// Starts a run of an iTwin's first test on its first repository without a request. Nil for an unknown iTwin.
    @discardableResult
    public func addReport(iTwin: String) -> String? {
        world.withLock { world in
            guard let at = try? world.store.projectIndex(iTwin) else { return nil }
            let tenant = world.store.tenant(at)
            guard let test = tenant.tests.all.first, let repository = tenant.repositories.first else { return nil }
            let report = try? world.store.run(
                test, on: repository.id, changeset: nil, limit: nil, inPlace: false, in: at, now: clock.now())
            return report?.id.text
        }
    }

    private func tenant(_ iTwin: String) -> Tenant? {
        GUID(iTwin).flatMap { id in world.withLock { $0.store[id] } }
    }
}

extension World {
    mutating func grant(_ client: String?, scopes: [String]) -> Grant {
        let client = client ?? configuration.clients.first?.id ?? "demo"
        return tokens.newGrant(client: client, subject: client, scopes: scopes)
    }
}
