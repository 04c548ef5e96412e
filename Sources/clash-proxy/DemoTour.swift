// The calls that `demo` prints, made from the ids that the simulator really holds.

import Configuration
import Simulator

struct DemoTour: Sendable {
    private let iTwin: String
    private let report: String
    private let test: String
    private let iModel: String
    private let simulatorURL: String
    /// How curl is called.
    private let curl: String
    /// Of who may do everything.
    private let key: KeyGenerator.NewKey
    /// Of who may read another iTwin.
    private let viewerKey: KeyGenerator.NewKey

    /// The tables of its callers.
    var callers: String { key.table + viewerKey.table }

    /// - Parameter certificate: the path of the one that tools have to trust; nil: they speak plain HTTP.
    init(simulator: Simulator, upstream: SimulatorAddresses, certificate: String?) throws {
        curl = "curl -s" + (certificate.map { " --cacert '\($0)'" } ?? "")
        key = try KeyGenerator.make(name: "demo", allow: "read,write,run,delete")
        viewerKey = try KeyGenerator.make(name: "viewer", itwins: simulator.iTwinIDs.last)
        let iTwin = simulator.iTwinIDs.first ?? ""
        self.iTwin = iTwin
        // The first is one of 40 MB.
        report = simulator.reportIDs(iTwin: iTwin).dropFirst().first ?? ""
        test = simulator.testIDs(iTwin: iTwin).first ?? ""
        iModel = simulator.repositoryIDs(iTwin: iTwin).first ?? ""
        simulatorURL = upstream.apiURL
    }

    /// Bentley limits this operation once: the proxy waits, and the tool sees nothing of it.
    static let limit = PlannedFault(
        .rateLimited(retryAfter: "2", naming: [.operation]), where: RequestFilter(target: "/suppression-templates"),
        times: 1)

    func text(proxy: String, admin: String, audit: String) -> String {
        """
        clash-proxy demo: a simulated Bentley and the proxy in front of it, both on this machine.

          status page       \(admin)/   (open it in a browser)
          your tools call   \(proxy)
          the proxy calls   \(simulatorURL)   (the simulator, in place of https://api.bentley.com)
          is it ready?      \(admin)/readyz
          audit log         \(audit)   (removed when the demo ends)

        Try these in another terminal. None of them sends a credential of Bentley's: the proxy has the token. Each says
        which of two callers it is: 'demo', who may do everything, or 'viewer', who may read one iTwin.

        export CLASH_KEY=\(key.key.withValue { $0 })
        export VIEWER_KEY=\(viewerKey.key.withValue { $0 })

        \(reads("\(proxy)/clash-detection/itwins/\(iTwin)", proxy, admin))

        \(changes("\(proxy)/clash-detection/itwins/\(iTwin)", audit))

        \(limits("\(proxy)/clash-detection/itwins/\(iTwin)", proxy))

        One line per call follows below. Ctrl-C ends the demo.

        """
    }

    /// What several proxies do as one.
    func fleet(_ proxy: String, _ others: [String], admin: String) -> String {
        let path = "/clash-detection/itwins/\(iTwin)/tests/\(test)"
        return """
            Further members of the same fleet: \(others.joined(separator: " "))

            # F1. Who shares the windows? Answers: every member, and what all of them have used
            \(ProcessEnvironment.executable) fleet status --set admin.address=\(admin.dropFirst(7))

            # F2. Read a test through another member, twice. Answers: "clash-proxy; hit" at the second
            for i in 1 2; do \(curl) -i -H "X-Api-Key: $CLASH_KEY" '\(others[0])\(path)' | grep -i '^cache-status'; done

            # F3. Delete it through the first. Answers: 202
            \(curl) -H "X-Api-Key: $CLASH_KEY" -w '\\n%{http_code}\\n' -X POST -H 'Content-Type: application/json' \\
              -d '{"jobs":["\(test)"],"operation":"delete"}' '\(proxy)/clash-detection/itwins/\(iTwin)/tests/jobs/deletion'

            # F4. It is gone everywhere. Answers: 404
            \(curl) -o /dev/null -H "X-Api-Key: $CLASH_KEY" -w '%{http_code}\\n' '\(others[0])\(path)'
            """
    }

    /// What tokens, cache and rate do for a tool.
    private func reads(_ base: String, _ proxy: String, _ admin: String) -> String {
        let next = #"python3 -c 'import json,sys; print(json.load(sys.stdin)["_links"]["next"]["href"])'"#
        let explain = "\(ProcessEnvironment.executable) explain demo-wait --set admin.address=\(admin.dropFirst(7))"
        return """
            # 1. A tool shows its key, and no more: who is it? Answers: 200 and "demo"
            \(curl) -H "X-Api-Key: $CLASH_KEY" -w '\\n%{http_code}\\n' '\(proxy)/_proxy/me'

            # 2. List reports, three to a page. Answers: 200, "count" and three rows.
            \(curl) -H "X-Api-Key: $CLASH_KEY" -w '\\n%{http_code}\\n' '\(base)/reports?$top=3'

            # 3. The same again: Bentley is not asked. Answers: "clash-proxy; hit"
            \(curl) -i -H "X-Api-Key: $CLASH_KEY" '\(base)/reports?$top=3' | grep -i '^cache-status'

            # 4. Follow "next" as it stands; it leads back to the proxy. Answers: 200 and the next three rows.
            \(curl) -H "X-Api-Key: $CLASH_KEY" -w '\\n%{http_code}\\n' "$(\(curl) -H "X-Api-Key: $CLASH_KEY" '\(base)/reports?$top=3' | \(next))"

            # 5. Bentley limits the rate: it refuses this call for two seconds. The tool does not see that. Answers: 200, later
            \(curl) -H "X-Api-Key: $CLASH_KEY" -H 'x-correlation-id: demo-wait' -w '\\n%{http_code} after %{time_total} s\\n' '\(base)/suppression-templates'

            # 6. Why was that slow? Answers: "Bentley refused it with 429"
            \(explain)
            """
    }

    /// What the audit log does for a team.
    private func changes(_ base: String, _ audit: String) -> String {
        """
        # 7. Start a run. Answers: 200, {"runs":[{... "clashReportId": ..., "status": ...}]}
        \(curl) -H "X-Api-Key: $CLASH_KEY" -w '\\n%{http_code}\\n' -X POST -H 'Content-Type: application/json' \\
          -d '{"jobs":[{"testId":"\(test)","iModelId":"\(iModel)"}],"operation":"run"}' \\
          '\(base)/runs/jobs'

        # 8. Delete a report, and say why. Answers: 202
        \(curl) -H "X-Api-Key: $CLASH_KEY" -H 'x-correlation-id: demo-delete' -H 'X-Audit-Reason: superseded' -w '\\n%{http_code}\\n' -X POST \\
          -H 'Content-Type: application/json' -d '{"jobs":["\(report)"],"operation":"delete"}' \\
          '\(base)/reports/jobs/deletion'

        # 9. It is gone, also from the cache. Answers: 404
        \(curl) -H "X-Api-Key: $CLASH_KEY" -w '\\n%{http_code}\\n' '\(base)/reports/\(report)'

        # 10. Who deleted it? The audit log knew before the call was sent. Answers: a row with "demo", "deleted" and "superseded"
        \(ProcessEnvironment.executable) audit list --path \(audit) --object \(report)

        # 11. It was the wrong one. What it was is archived (deletes.archive). Answers: all of it, with its "metadata"
        \(ProcessEnvironment.executable) audit restore demo-delete --path \(audit) --archive-path \(audit)/archive
        """
    }

    /// What is refused.
    private func limits(_ base: String, _ proxy: String) -> String {
        """
        # 12. What the proxy does not know it does not forward. Answers: 404 OperationNotFound
        \(curl) -H "X-Api-Key: $CLASH_KEY" -w '\\n%{http_code}\\n' '\(proxy)/anything/else'

        # 13. A caller can be bound to iTwins, and this is none of the viewer's. Answers: 403 "InsufficientPermissions", and why
        \(curl) -H "X-Api-Key: $VIEWER_KEY" -w '\\n%{http_code}\\n' '\(base)/reports'
        """
    }
}
