// The calls that `demo` prints, made from the ids that the simulator really holds.

import Simulator

struct DemoTour: Sendable {
    private let iTwin: String
    private let report: String
    private let test: String
    private let iModel: String
    private let simulatorURL: String
    /// How curl is called.
    private let curl: String

    /// - Parameter certificate: the path of the one that tools have to trust; nil: they speak plain HTTP.
    init(simulator: Simulator, upstream: SimulatorAddresses, certificate: String?) {
        curl = "curl -s" + (certificate.map { " --cacert '\($0)'" } ?? "")
        let iTwin = simulator.iTwinIDs.first ?? ""
        self.iTwin = iTwin
        report = simulator.reportIDs(iTwin: iTwin).first ?? ""
        test = simulator.testIDs(iTwin: iTwin).first ?? ""
        iModel = simulator.repositoryIDs(iTwin: iTwin).first ?? ""
        simulatorURL = upstream.apiURL
    }

    func text(proxy: String, admin: String, audit: String) -> String {
        let base = "\(proxy)/clash-detection/itwins/\(iTwin)"
        let next = #"python3 -c 'import json,sys; print(json.load(sys.stdin)["_links"]["next"]["href"])'"#
        return """
            clash-proxy demo: a simulated Bentley and the proxy in front of it, both on this machine.

              your tools call   \(proxy)
              the proxy calls   \(simulatorURL)   (the simulator, in place of https://api.bentley.com)
              is it ready?      \(admin)/readyz
              audit log         \(audit)   (removed when the demo ends)

            Try these in another terminal. None of them sends a credential: the proxy has the token.

            # 1. List reports, three to a page. Answers: 200, "count" and three rows.
            \(curl) -w '\\n%{http_code}\\n' '\(base)/reports?$top=3'

            # 2. Follow "next" as it stands; it leads back to the proxy. Answers: 200 and the next three rows.
            \(curl) -w '\\n%{http_code}\\n' "$(\(curl) '\(base)/reports?$top=3' | \(next))"

            # 3. Start a run. Answers: 200, {"runs":[{... "clashReportId": ..., "status": ...}]}
            \(curl) -w '\\n%{http_code}\\n' -X POST -H 'Content-Type: application/json' \\
              -d '{"jobs":[{"testId":"\(test)","iModelId":"\(iModel)"}],"operation":"run"}' \\
              '\(base)/runs/jobs'

            # 4. Delete a report. Answers: 202
            \(curl) -w '\\n%{http_code}\\n' -X POST -H 'Content-Type: application/json' \\
              -d '{"jobs":["\(report)"],"operation":"delete"}' \\
              '\(base)/reports/jobs/deletion'

            # 5. It is gone. Answers: 404
            \(curl) -w '\\n%{http_code}\\n' '\(base)/reports/\(report)'

            # 6. Who deleted it? The audit log knew before the call was sent. Answers: a row that says "deleted"
            \(ProcessEnvironment.executable) audit list --path \(audit) --object \(report)

            # 7. What the proxy does not know it does not forward. Answers: 404 OperationNotFound
            \(curl) -w '\\n%{http_code}\\n' '\(proxy)/anything/else'

            One line per call follows below. Ctrl-C ends the demo.

            """
    }
}
