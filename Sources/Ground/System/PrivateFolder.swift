import Glibc

/// A folder that only this user can enter, for as long as it is needed.
package struct PrivateFolder: Sendable {
    /// Its absolute path, as far as that of its parent is.
    package let path: String

    /// It could not be made; the text says where and why.
    package struct Unusable: Error, CustomStringConvertible {
        package let description: String
    }

    /// Makes one.
    ///
    /// - Parameters:
    ///   - purpose: part of its name.
    ///   - parent: the folder that it is made in.
    package init(for purpose: String, in parent: String) throws(Unusable) {
        // What mkdtemp(3) fills in.
        let placeholder = String(repeating: "X", count: 6)
        var template = Array("\(parent)/clash-proxy-\(purpose)-\(placeholder)".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw Unusable(
                description: "no temporary folder can be made in \(parent): \(String(cString: strerror(errno)))")
        }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// A new file to write, for this user's eyes only; its descriptor.
    package func create(_ name: String) throws(Unusable) -> Int32 {
        let descriptor = open("\(path)/\(name)", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Unusable(description: "\(path)/\(name) cannot be made") }
        return descriptor
    }

    /// Removes it with everything in it.
    package func remove() { Self.remove(path) }

    private static func remove(_ path: String) {
        for name in names(in: path) {
            let inside = "\(path)/\(name)"
            if unlink(inside) != 0 { remove(inside) }
        }
        rmdir(path)
    }

    /// What a folder holds, in the order of names; nothing where it cannot be read.
    package static func names(in path: String) -> [String] {
        guard let folder = opendir(path) else { return [] }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }
}
