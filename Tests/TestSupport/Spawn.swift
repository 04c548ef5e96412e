// Starting another program from a test.

import CGround
import Glibc

/// What one of the standard streams of a started program is.
public enum ChildStream {
    /// What the test's own is.
    case inherited
    /// Not open at all.
    case closed
    /// `/dev/null`.
    case nothing
    /// A descriptor of the test's.
    case descriptor(Int32)
    /// A file that is made if need be and written from its start.
    case file(String)

    fileprivate func add(_ number: Int32, to actions: inout posix_spawn_file_actions_t) {
        switch self {
        case .inherited: break
        case .closed: posix_spawn_file_actions_addclose(&actions, number)
        case .nothing: posix_spawn_file_actions_addopen(&actions, number, "/dev/null", O_RDWR, 0)
        case .descriptor(let descriptor): posix_spawn_file_actions_adddup2(&actions, descriptor, number)
        case .file(let path): posix_spawn_file_actions_addopen(&actions, number, path, O_WRONLY | O_CREAT, 0o600)
        }
    }
}

/// Starts a program that gets its standard streams and nothing else: with a copy of another test's socket, pipe or lock
/// it would keep that open beyond its end.
///
/// - Parameters:
///   - path: looked up in `PATH` when it has no slash.
///   - words: its arguments, its own name first.
///   - environment: in place of the test's own; nil: the test's own.
/// - Returns: the child, which the caller has to wait for.
/// - Throws: `RawClient.Trouble` when it cannot be started.
public func spawn(
    _ path: String, _ words: [String], environment: [String: String]? = nil, input: ChildStream = .nothing,
    output: ChildStream = .nothing, errors: ChildStream = .nothing
) throws -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    input.add(STDIN_FILENO, to: &actions)
    output.add(STDOUT_FILENO, to: &actions)
    errors.add(STDERR_FILENO, to: &actions)
    cground_close_from(&actions, STDERR_FILENO + 1)
    var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) }
    var variables: [UnsafeMutablePointer<CChar>?] = (environment ?? [:]).map { strdup("\($0.key)=\($0.value)") }
    defer { (arguments + variables).forEach { free($0) } }
    arguments.append(nil)
    variables.append(nil)
    var child = pid_t()
    let code =
        environment == nil
        ? posix_spawnp(&child, path, &actions, nil, arguments, environ)
        : posix_spawnp(&child, path, &actions, nil, arguments, variables)
    guard code == 0 else { throw RawClient.Trouble(description: "cannot start \(path): error \(code)") }
    return child
}

/// The test's own environment.
public func ownEnvironment() -> [String: String] {
    var variables: [String: String] = [:]
    var next = environ
    while let variable = next.pointee {
        let parts = String(cString: variable).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        if parts.count == 2 { variables[String(parts[0])] = String(parts[1]) }
        next += 1
    }
    return variables
}
