// Folders of the demo's own, which go with it.

import ArgumentParser
import Ground

enum TemporaryFolder {
    /// Where temporary files go.
    static var parent: String { ProcessEnvironment.variables()["TMPDIR"] ?? "/tmp" }

    /// Makes a folder that only this user can enter, below $TMPDIR or /tmp.
    static func make() throws -> PrivateFolder {
        do throws(PrivateFolder.Unusable) {
            return try PrivateFolder(for: "demo", in: parent)
        } catch {
            complain(error.description)
            throw ExitCode.failure
        }
    }
}
