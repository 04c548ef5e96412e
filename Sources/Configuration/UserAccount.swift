// Users of this machine, as `caller.user` names them.

import Glibc
import Ground

/// Finds users of this machine.
package enum UserAccount {
    /// The uid that a login name or a number stands for; nil where this machine knows no such login name. Asks the
    /// system's user database, so it may take a while where that is on the network.
    package static func uid(of text: String) -> UInt32? {
        if text.utf8.allSatisfy(ASCII.isDigit) { return UInt32(text) }
        var room = [CChar](repeating: 0, count: 1024)
        while room.count <= 1 << 20 {
            var account = passwd()
            var found: UnsafeMutablePointer<passwd>?
            let problem = getpwnam_r(text, &account, &room, room.count, &found)
            if problem != ERANGE { return found == nil ? nil : account.pw_uid }
            room = [CChar](repeating: 0, count: 4 * room.count)
        }
        return nil
    }
}
