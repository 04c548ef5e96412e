// What commands ask of a running proxy: its admin listener, by the configuration that it was started with.

import ArgumentParser
import Audit
import Configuration
import Proxy

/// The admin listener of a running proxy.
struct Operators {
    let address: ListenAddress
    /// What it shows where it speaks TLS: the path of its PEM chain.
    let certificate: String?

    /// Needs no secret of the configuration. Complains and ends the command when there is no admin listener.
    init(_ options: ConfigOptions) throws {
        let config = try options.load(only: ["admin.address", "listen.tls_certificate"])
        guard let address = config.admin.address else {
            complain("admin.address is empty: there is nobody to ask")
            throw ExitStatus.configuration
        }
        (self.address, certificate) = (address, config.listen.tlsCertificate)
    }

    /// The body of a 200. Complains and ends the command when there is another answer, or none.
    func ask(_ method: String, _ target: String) async throws -> String {
        let answer: AdminClient.Answer
        do throws(AdminClient.Unreachable) {
            answer = try await AdminClient.ask(
                method, target, at: address, certificate: certificate, key: ProcessEnvironment.adminKey)
        } catch {
            complain(error.description)
            throw ExitCode.failure
        }
        guard answer.status == 200 else {
            complain(PrintableText.json(answer.body.oneLine))
            throw ExitCode.failure
        }
        return answer.body
    }
}

extension String {
    /// Without the line ends at its end: a server's JSON is one line.
    var oneLine: String { String(self[..<(lastIndex { !$0.isNewline }.map { index(after: $0) } ?? startIndex)]) }
}
