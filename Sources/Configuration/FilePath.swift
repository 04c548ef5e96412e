// Where a relative path of the configuration begins: in a file, and where a file leaves the default, at the folder of
// that file, elsewhere at the working directory. So whoever reads the same file from another folder finds the same log,
// socket and sign-in.

package enum FilePath {
    /// `path` as seen from the working directory, when it was written in a file of `folder`.
    static func rebase(_ path: String, _ folder: String) -> String {
        path.isEmpty || path.hasPrefix("/") || folder.isEmpty ? path : folder + "/" + path
    }

    /// The same for what follows `scheme`; other texts are no paths.
    static func rebasing(after scheme: String) -> @Sendable (String, String) -> String {
        { text, folder in
            text.hasPrefix(scheme) ? scheme + rebase(String(text.dropFirst(scheme.count)), folder) : text
        }
    }

    /// The folder of the file at `path`; empty for the working directory.
    package static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "" }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
