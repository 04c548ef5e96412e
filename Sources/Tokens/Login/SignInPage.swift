// The page that the browser shows when it has come back. It loads nothing, runs nothing, and gives the address with the
// code to nobody.

/// The end of a sign-in, in the browser.
package enum SignInPage {
    /// Header fields to send with it.
    package static let headers: [(name: String, value: String)] = [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Cache-Control", "no-store"),
        ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
        ("Referrer-Policy", "no-referrer"),
        ("X-Content-Type-Options", "nosniff"),
    ]

    /// It worked.
    package static let success = page(
        "You are signed in", "clash-proxy has what it needs. You can close this page and go back to the terminal.")

    /// It did not, and why.
    package static func failure(_ failure: SignInFailure) -> String {
        page("You are not signed in", "\(failure.message). The terminal says how to go on.")
    }

    private static func page(_ title: String, _ text: String) -> String {
        """
        <!DOCTYPE html>
        <html lang="en">
        <head><meta charset="utf-8"><title>\(escaped(title))</title>
        <style>body{font:18px/1.5 sans-serif;max-width:34em;margin:15vh auto;padding:0 1em}</style></head>
        <body><h1>\(escaped(title))</h1><p>\(escaped(text))</p></body>
        </html>

        """
    }

    static func escaped(_ text: String) -> String {
        var result = ""
        for character in text.unicodeScalars {
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            default: result.unicodeScalars.append(character)
            }
        }
        return result
    }
}
