// What is wrong with the certificates that a configuration names, in the words of the configuration.

import Configuration
import Edge
import Ground

extension LoadedConfig {
    /// What makes the TLS files unusable; empty when they are good, or none are named. Reads them, so it blocks for as long
    /// as the disk takes.
    package func certificateMistakes(now: WallTime = .ofMachine()) -> [ConfigMistake] {
        guard let files = TLSFiles(config.listen) else { return [] }
        do throws(TLSFileError) {
            _ = try ServerTLS.prepare(files, now: now)
            return []
        } catch {
            return [
                mistake(
                    error.file.key, "\"\(files.path(of: error.file))\" \(error.description)", remedy: error.remedy)
            ]
        }
    }
}

extension TLSFiles.Kind {
    /// The configuration key that names the file.
    var key: String {
        switch self {
        case .certificate: "listen.tls_certificate"
        case .key: "listen.tls_key"
        case .clientCA: "listen.client_ca"
        }
    }
}
