// Programs that the operator has named, run as children: no shell, no descriptor of ours, no variable that is not given, in a
// process group of their own, so that they can be ended with all that they have started.

import CGround
import Glibc
import Synchronization

/// A program that runs. Usable from every thread.
package final class ChildProcess: Sendable {
    /// It could not be started.
    package struct Failure: Error, CustomStringConvertible {
        /// The errno.
        package let code: Int32

        /// In words.
        package var description: String { String(cString: strerror(code)) }
    }

    /// How it ended.
    package enum End: Sendable, Equatable {
        /// By itself, with this status.
        case exited(Int32)
        /// By this signal.
        case signalled(Int32)
    }

    private let pid: pid_t
    /// Whether its number may be somebody else's by now.
    private let isReaped = Mutex(false)

    /// Starts a program. Blocks for as long as the file system takes.
    ///
    /// - Parameters:
    ///   - path: of the program; its only argument is this as well.
    ///   - variables: its whole environment, as `NAME=value`.
    ///   - input: what it finds on its standard input: no more than a pipe takes at once, 64 KiB as a rule. It has no output.
    package init(_ path: String, variables: [String], input: [UInt8]) throws(Failure) {
        var ends: (Int32, Int32) = (-1, -1)
        let made = withUnsafeMutablePointer(to: &ends) {
            $0.withMemoryRebound(to: Int32.self, capacity: 2) { pipe($0) }
        }
        guard made == 0 else { throw Failure(code: errno) }
        let (readEnd, writeEnd) = ends
        defer {
            close(readEnd)
            close(writeEnd)
        }
        // Another child that is started now must not hold the pipe open.
        for end in [readEnd, writeEnd] { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        // Nobody reads yet: what does not fit would be waited for without end.
        _ = fcntl(writeEnd, F_SETFL, O_NONBLOCK)
        let written = input.withUnsafeBytes { write(writeEnd, $0.baseAddress, $0.count) }
        guard written == input.count else { throw Failure(code: written < 0 ? errno : EMSGSIZE) }
        pid = try Self.spawn(path, variables, input: readEnd)
    }

    private static func spawn(_ path: String, _ variables: [String], input: Int32) throws(Failure) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO)
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
        cground_close_from(&actions, STDERR_FILENO + 1)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // Signals as a shell would hand them on: this process ignores and blocks some.
        var (all, none) = (sigset_t(), sigset_t())
        sigfillset(&all)
        sigemptyset(&none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
        var words: [UnsafeMutablePointer<CChar>?] = [strdup(path), nil]
        var environment: [UnsafeMutablePointer<CChar>?] = variables.map { strdup($0) } + [nil]
        defer { (words + environment).forEach { free($0) } }
        var pid = pid_t()
        let code = posix_spawn(&pid, path, &actions, &attributes, &words, &environment)
        guard code == 0 else { throw Failure(code: code) }
        return pid
    }

    /// Blocks until it has ended; what it has started may run on. Once.
    package func wait() -> End {
        var info = siginfo_t()
        // Not reaped yet, so that its number stays its own until nobody can kill it any more.
        while waitid(P_PID, id_t(pid), &info, WEXITED | WNOWAIT) != 0 && errno == EINTR {}
        return isReaped.withLock { isReaped in
            isReaped = true
            var status: Int32 = 0
            while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
            return status & 0x7F == 0 ? .exited(status >> 8 & 0xFF) : .signalled(status & 0x7F)
        }
    }

    /// Ends it and all that it has started and that is still of its group. Does nothing once it has been waited for.
    package func killAll() {
        isReaped.withLock { isReaped in
            if !isReaped { kill(-pid, SIGKILL) }
        }
    }
}
