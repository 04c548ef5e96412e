// What the file system says about a file. Here, because where Foundation is loaded too Swift 6 no longer knows who
// declares `stat`.

import Glibc

/// The permission bits of the file at `path`; nil when there is none.
public func permissions(of path: String) -> UInt32? {
    var status = stat()
    return lstat(path, &status) == 0 ? status.st_mode & 0o7777 : nil
}
