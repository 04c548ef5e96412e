// Sockets that a service manager has opened for this process, held to what is asked of `listen.address`.

import Configuration
import Edge

/// All of them.
package struct InheritedSockets: Sendable {
    let all: [InheritedSocket]

    /// None.
    package init() { all = [] }

    /// Those of `LISTEN_FDS`, where `LISTEN_PID` says that they are ours. To be called once. Throws what is wrong with them.
    package init(_ variables: [String: String], _ config: Config) throws(ConfigMistakes) {
        do {
            all = try InheritedSocket.all(variables)
        } catch {
            throw Self.mistake("\(error)", remedy: "mend the socket unit")
        }
        guard let open = all.first(where: { !$0.isLoopback }), !config.knowsItsCallers else { return }
        throw Self.mistake(
            "\"\(open.place)\" can be reached from other machines, and without a [[caller]] anybody may do anything",
            remedy: "add a [[caller]] (`clash-proxy key new NAME`), or let the socket listen on 127.0.0.1")
    }

    private static func mistake(_ problem: String, remedy: String) -> ConfigMistakes {
        ConfigMistakes([
            ConfigMistake(place: .environment(variable: "LISTEN_FDS"), problem: problem, remedy: remedy)
        ])
    }
}
