import CGround
import Glibc

/// When a file was changed last.
package enum FileAge {
    /// In seconds since 1970; nil where no regular file has that name.
    ///
    /// - Parameter folder: the descriptor of the folder that it is in.
    package static func changed(_ name: String, below folder: CInt) -> Int64? {
        var status = stat()
        guard fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0, status.st_mode & S_IFMT == S_IFREG else {
            return nil
        }
        return Int64(status.st_mtim.tv_sec)
    }
}
