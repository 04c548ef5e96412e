// What this machine calls itself.

import Glibc

/// The host.
package enum MachineName {
    /// As `hostname` prints it; `localhost` where the kernel does not tell.
    package static var text: String {
        var buffer = [CChar](repeating: 0, count: 256)
        guard gethostname(&buffer, buffer.count - 1) == 0, buffer[0] != 0 else { return "localhost" }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
