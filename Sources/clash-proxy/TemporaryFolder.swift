// A folder of the demo's own that goes with it.

import ArgumentParser
import Glibc

struct TemporaryFolder {
    let path: String

    /// Where temporary files go.
    static var parent: String { ProcessEnvironment.variables()["TMPDIR"] ?? "/tmp" }

    /// Makes a folder that only this user can enter, below $TMPDIR or /tmp.
    init() throws {
        let parent = Self.parent
        var template = Array("\(parent)/clash-proxy-demo-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            complain("no temporary folder can be made in \(parent)")
            throw ExitCode.failure
        }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Removes the files in the folder, and the folder.
    func remove() {
        guard let folder = opendir(path) else { return }
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { unlink("\(path)/\(name)") }
        }
        closedir(folder)
        rmdir(path)
    }
}
