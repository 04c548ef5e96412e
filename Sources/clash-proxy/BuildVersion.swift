import CBuild
import Proxy

/// What `--version` says.
enum BuildVersion {
    /// Version, the commit where the build was told one, and the libcurl that it runs with.
    static var text: String { text(commit: commit) }

    /// Empty where the build was told none.
    static var commit: String { String(cString: cbuild_commit()) }

    static func text(commit: String) -> String {
        let parts = (commit.isEmpty ? [] : ["commit \(commit)"]) + ["libcurl \(Sidecar.libcurl)"]
        return "\(Sidecar.software) (\(parts.joined(separator: ", ")))"
    }
}
