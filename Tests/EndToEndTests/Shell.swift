// Other people's tools, as a user types them.

import Glibc
import TestSupport

enum Shell {
    /// Whether all of these can be run.
    static func has(_ tools: String...) -> Bool {
        let folders = (getenv("PATH").map { String(cString: $0) } ?? "/usr/bin").split(separator: ":")
        return tools.allSatisfy { tool in folders.contains { access("\($0)/\(tool)", X_OK) == 0 } }
    }

    /// What a command prints on its standard output.
    static func run(_ command: String) async throws -> String {
        try await onThread {
            guard let pipe = popen(command, "r") else {
                throw RawClient.Trouble(description: "no pipe: errno \(errno)")
            }
            defer { pclose(pipe) }
            var text: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while case let count = fread(&buffer, 1, buffer.count, pipe), count > 0 { text += buffer[..<count] }
            return String(decoding: text, as: UTF8.self)
        }
    }

    /// The same, again and again until it prints what others bring about; the last that it printed after 20 s.
    static func run(_ command: String, until isEnough: (String) -> Bool) async throws -> String {
        let deadline = ContinuousClock.now + .seconds(20)
        while true {
            let text = try await run(command)
            if isEnough(text) || ContinuousClock.now > deadline { return text }
        }
    }
}
