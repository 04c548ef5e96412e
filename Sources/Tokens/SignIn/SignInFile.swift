// The state file as steps that each leave it whole: what stands there is an old sign-in or a new one, never half of one,
// and whoever reads needs no lock. Writers hold the lock (`<file>.lock`, an flock: it ends with its process, so none is
// ever left behind; that file stays, and removing it lets a second writer in) and go through `<file>.new`, which is made
// and filled to its size *before* the endpoint is asked: a disk that is full or a folder that is read-only must be found
// out while the old refresh token is still good.
//
// A process that is killed after `.new` is written whole and before it is moved loses nothing: the next one knows it by
// what it replaces, and moves it. So exactly one window is left in which a kill costs the sign-in: from the endpoint's
// making of a new refresh token, through the answer's way here, to the end of that write; for a power cut, of the sync
// that follows. No client can close it; `clash-proxy login` is what helps then.

/// Where `refresh_token` mode keeps its sign-in. Any number of processes may share one. Safe to use from any thread.
package struct SignInFile: Sendable {
    /// Made before the endpoint is asked, with room for any answer that it could give.
    struct Prepared: Sendable {
        fileprivate let file: StateFileHandle
    }

    /// Held by one process at a time.
    struct Lock: Sendable {
        fileprivate let handle: StateFileHandle
    }

    private static let room = [UInt8](repeating: 0x20, count: 16 * 1024)

    /// The file's path.
    package let path: String
    private let files: any StateFiles

    /// The file at `path`, which need not exist yet.
    package init(path: String) {
        self.init(path: path, files: PosixStateFiles())
    }

    init(path: String, files: any StateFiles) {
        self.path = path
        self.files = files
    }

    private var newPath: String { path + ".new" }

    private var folder: String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    // MARK: Steps; they block

    /// Nil: another one has it.
    func lock() throws(StateTrouble) -> Lock? {
        try files.lock(path + ".lock").map(Lock.init)
    }

    func unlock(_ lock: Lock) {
        files.close(lock.handle)
    }

    /// The sign-in that stands there; nil for none.
    func read() throws(StateTrouble) -> SignIn? {
        guard let content = try files.read(path) else { return nil }
        try check(content, path)
        guard let text = SignInText(content.bytes) else {
            throw StateTrouble(
                message: "\(path) is no sign-in of this version: sign in again with `clash-proxy login`",
                isReplaceable: true)
        }
        return text.signIn
    }

    /// With the lock held: first finishes or clears away what a killed writer has left.
    func readLocked() throws(StateTrouble) -> SignIn? {
        let current = try read()
        guard let left = try files.read(newPath) else { return current }
        guard (try? check(left, newPath)) != nil, let text = SignInText(left.bytes),
            text.replaces == current?.fingerprint
        else {
            try clear()
            return current
        }
        try put()
        return text.signIn
    }

    /// With the lock held and `readLocked` done: everything that can fail and need not wait for the answer.
    func prepare() throws(StateTrouble) -> Prepared {
        let prepared = Prepared(file: try files.create(newPath))
        do {
            try files.write(Self.room, to: prepared.file)
            try files.sync(prepared.file)
            try files.syncFolder(folder)
        } catch {
            discard(prepared)
            throw error
        }
        return prepared
    }

    /// It was not needed.
    func discard(_ prepared: Prepared) {
        files.close(prepared.file)
        try? files.remove(newPath)
    }

    /// Makes `signIn` durable instead of `old`.
    func commit(_ signIn: SignIn, into prepared: Prepared, replacing old: SignIn?) throws(StateTrouble) {
        do {
            try files.write(SignInText(signIn, replaces: old?.fingerprint).bytes, to: prepared.file)
            try files.sync(prepared.file)
        } catch {
            discard(prepared)
            throw error
        }
        files.close(prepared.file)
        try put()
    }

    /// Makes `signIn` durable after a `commit` that failed, wherever it did.
    func commitAgain(_ signIn: SignIn) throws(StateTrouble) {
        let current = try readLocked()
        guard current != signIn else { return try files.syncFolder(folder) }
        try commit(signIn, into: try prepare(), replacing: current)
    }

    /// With the lock held: what a killed writer has left is of no use.
    func clear() throws(StateTrouble) {
        if try files.read(newPath) != nil { try files.remove(newPath) }
    }

    private func put() throws(StateTrouble) {
        try files.rename(newPath, to: path)
        try files.syncFolder(folder)
    }

    // MARK: Who may read it

    private func check(_ content: StateFileContent, _ path: String) throws(StateTrouble) {
        switch content.kind {
        case .file: break
        case .link: throw StateTrouble(message: "\(path) is a symbolic link: name the file itself")
        case .other: throw StateTrouble(message: "\(path) is not a regular file")
        }
        guard content.owner == files.user else {
            throw StateTrouble(
                message: "\(path) belongs to user \(content.owner), and this process runs as user \(files.user)")
        }
        guard content.mode & 0o077 == 0 else {
            let mode = String(content.mode & 0o777, radix: 8)
            throw StateTrouble(
                message: "\(path) can be read or written by others (mode \(mode)): `chmod 600 \(path)`",
                isReplaceable: true)
        }
    }
}
