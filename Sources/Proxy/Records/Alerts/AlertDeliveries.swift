// How an alert gets to the operators: a POST, or a program of theirs.

import Glibc
import Ground

/// `alerts.webhook`: tried three times.
struct AlertWebhook: Sendable {
    /// A secret: such URLs hold their own key.
    let url: String
    let documents: any DocumentPosting
    let time: Time

    private static let patience = Duration.seconds(10)
    private static let pauses: [Duration] = [.seconds(1), .seconds(5)]

    /// Nil, or why the last try failed.
    func deliver(_ json: [UInt8]) async -> String? {
        var pauses = Self.pauses[...]
        while true {
            let trouble: String
            switch await documents.post(url, json, patience: Self.patience) {
            case .answered(200..<300, _): return nil
            case .answered(let status, _): trouble = "answers with status \(status)"
            case .failed(let why): trouble = why
            }
            guard let pause = pauses.popFirst(), !Task.isCancelled else { return trouble }
            try? await time.sleep(time.now() + pause)
            if Task.isCancelled { return trouble }
        }
    }
}

/// `alerts.command`: gets the JSON on its standard input, and has 10 seconds.
struct AlertCommand: Sendable {
    let path: String
    let time: Time

    private static let patience = Duration.seconds(10)
    /// What a program may need to find others and to speak; no variable that could hold a secret.
    private static let harmless: Set = [
        "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "XDG_RUNTIME_DIR",
    ]

    /// Nil, or why it cannot be said to have worked.
    func deliver(_ json: [UInt8]) async -> String? {
        let (path, variables) = (path, Self.variables)
        let started = await OffThread.run { () -> Result<ChildProcess, ChildProcess.Failure> in
            do throws(ChildProcess.Failure) {
                return .success(try ChildProcess(path, variables: variables, input: json))
            } catch {
                return .failure(error)
            }
        }
        let child: ChildProcess
        switch started {
        case .success(let process): child = process
        case .failure(let failure): return "cannot be started: \(failure)"
        }
        let deadline = time.now() + Self.patience
        let watch = Task.detached { [time] in
            try? await time.sleep(deadline)
            // Also where there is no time any more to wait for it.
            if !Task.isCancelled { child.killAll() }
        }
        let end = await withTaskCancellationHandler {
            await OffThread.run { child.wait() }
        } onCancel: {
            child.killAll()
        }
        watch.cancel()
        switch end {
        case .exited(0): return nil
        case .exited(let status): return "ended with status \(status)"
        case .signalled(SIGKILL) where time.now() >= deadline: return "ran for 10 s, and was killed"
        case .signalled(let signal): return "was ended by signal \(signal)"
        }
    }

    private static var variables: [String] {
        var variables: [String] = []
        var next = environ
        while let variable = next.pointee {
            let text = String(cString: variable)
            let name = String(text.prefix { $0 != "=" })
            if harmless.contains(name) || name.hasPrefix("LC_") { variables.append(text) }
            next += 1
        }
        return variables
    }
}
