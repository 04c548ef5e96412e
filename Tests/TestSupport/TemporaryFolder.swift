// A folder of a test's own below /tmp.

import Glibc

/// Made with `mkdtemp`; `remove` takes it away with everything in it.
public struct TemporaryFolder: Sendable {
    /// Its path.
    public let path: String

    /// The folder could not be made.
    public struct Failed: Error {}

    /// Makes an empty folder.
    public init() throws {
        var template = Array("/tmp/clash-proxy-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Failed() }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Removes the folder and all below it; what is gone already is no error.
    public func remove() { Self.removeTree(path) }

    private static func removeTree(_ path: String) {
        if let folder = opendir(path) {
            while let entry = readdir(folder) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                    pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                if name != ".", name != ".." { removeTree("\(path)/\(name)") }
            }
            closedir(folder)
        }
        _ = Glibc.remove(path)
    }
}
