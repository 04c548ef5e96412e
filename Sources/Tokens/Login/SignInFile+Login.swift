// What a sign-in does with the state file. It takes the same lock as a refresh, so that neither undoes the other.

import Ground

extension SignInFile {
    /// Longer than a refresh of another process takes.
    private static let patience = Duration.seconds(40)

    /// Finds out whether a sign-in can be kept here, before a person takes the trouble. Fails with `notSaved`.
    package func checkWritable(time: Time = .system) async throws(SignInFailure) {
        try await locked(time) { file throws(StateTrouble) in
            _ = try file.replaceable()
            file.discard(try file.prepare())
        }
    }

    /// Keeps `signIn` instead of whatever is there; when it returns, that is durable. Fails with `notSaved`.
    package func store(_ signIn: SignIn, time: Time = .system) async throws(SignInFailure) {
        try await locked(time) { file throws(StateTrouble) in
            let old = try file.replaceable()
            try file.commit(signIn, into: try file.prepare(), replacing: old)
        }
    }

    /// The sign-in that is there, if it can be read; throws for what a new one must not be written over.
    private func replaceable() throws(StateTrouble) -> SignIn? {
        do throws(StateTrouble) {
            return try readLocked()
        } catch {
            guard error.isReplaceable else { throw error }
            try clear()
            return nil
        }
    }

    private func locked(
        _ time: Time, _ body: @escaping @Sendable (SignInFile) throws(StateTrouble) -> Void
    ) async throws(SignInFailure) {
        let patienceEnds = time.now().advanced(by: Self.patience)
        while true {
            let result = await OffThread.run { () -> Result<Bool, StateTrouble> in
                Result { () throws(StateTrouble) in
                    guard let lock = try lock() else { return false }
                    defer { unlock(lock) }
                    try body(self)
                    return true
                }
            }
            switch result {
            case .success(true): return
            case .failure(let trouble): throw SignInFailure(reason: .notSaved, message: trouble.message)
            case .success(false):
                let next = time.now().advanced(by: .milliseconds(100))
                guard next < patienceEnds, (try? await time.sleep(next)) != nil else {
                    throw SignInFailure(
                        reason: .notSaved, message: "another process has been renewing the sign-in in \(path) too long")
                }
            }
        }
    }
}
