// Every touch of the disk goes through this protocol, so that tests can fail it, and kill the process, at every step.
// The calls block; `SignInFile` makes a promise out of them.

/// An open file or a held lock.
struct StateFileHandle: Sendable, Hashable {
    let descriptor: Int32
    /// As it was opened; for messages.
    let path: String
}

/// What lies at a path, without following a link there.
struct StateFileContent: Sendable, Equatable {
    enum Kind: Sendable { case file, link, other }

    let kind: Kind
    /// User id.
    let owner: UInt32
    /// The permission bits.
    let mode: UInt32
    /// Of a file; empty otherwise.
    let bytes: [UInt8]
}

/// Why the state file is of no use. The message is one sentence without a secret, for people.
struct StateTrouble: Error, Sendable, Equatable {
    let message: String
    /// A new sign-in may be written over what is there.
    var isReplaceable = false
}

protocol StateFiles: Sendable {
    /// The user that this process acts as.
    var user: UInt32 { get }

    /// What is there; nil for nothing.
    func read(_ path: String) throws(StateTrouble) -> StateFileContent?
    /// A new file, 0600, open for writing. It must not exist yet.
    func create(_ path: String) throws(StateTrouble) -> StateFileHandle
    /// Makes `bytes` the whole content.
    func write(_ bytes: [UInt8], to file: StateFileHandle) throws(StateTrouble)
    /// What was written is durable.
    func sync(_ file: StateFileHandle) throws(StateTrouble)
    func close(_ file: StateFileHandle)
    func rename(_ path: String, to target: String) throws(StateTrouble)
    /// Creations and renames in the folder are durable.
    func syncFolder(_ path: String) throws(StateTrouble)
    func remove(_ path: String) throws(StateTrouble)
    /// Makes the file if there is none, and locks it for whoever asks, until it is closed or the process ends. Nil: it
    /// is taken. Does not wait.
    func lock(_ path: String) throws(StateTrouble) -> StateFileHandle?
}
