// The names of what is kept. One hash tag, so that a cluster keeps all of it in one slot and a script may use it together.

import Ground

/// Keys of one fleet.
struct RedisKeys: Sendable {
    private let prefix: String

    /// - Parameter fleet: 16 hex digits that say whose limits these are.
    init(fleet: String) { prefix = "cp1:{\(fleet)}:" }

    var control: String { prefix + "ctl" }
    var stream: String { prefix + "inv" }
    var witness: String { prefix + "wit" }
    var signIn: String { prefix + "tok" }

    /// What every script gets first, in the order of `RedisScript.prelude`.
    var common: [String] {
        ["ctl", "mem", "who", "cool", "vt", "inv", "ack"].map { prefix + $0 }
    }

    func windows(_ count: Int) -> [String] { (0..<count).map { "\(prefix)w:\($0)" } }

    func deletes(of caller: String) -> String { "\(prefix)del:\(caller)" }

    func claim(_ key: [UInt8]) -> String { prefix + "idem:" + Hex.text(key) }
}
