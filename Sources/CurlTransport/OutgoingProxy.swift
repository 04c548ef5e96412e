// An HTTP proxy between us and everybody whom we call. All that it is asked is CONNECT (RFC 9110 section 9.3.6): TLS goes
// through it from end to end, and what it says about a connection is told apart from what a server says.

import CCurl
import Ground

/// The proxy on the way out.
package struct OutgoingProxy: Sendable {
    /// For HTTP Basic. Printing or dumping it shows nothing.
    package struct Credentials: Sendable, CustomStringConvertible, CustomReflectable {
        let user: String
        let password: String

        /// - Parameter user: without a colon.
        package init(user: String, password: String) {
            (self.user, self.password) = (user, password)
        }

        /// A placeholder.
        package var description: String { "‹secret›" }
        /// A mirror without children.
        package var customMirror: Mirror { Mirror(self, children: []) }
    }

    /// Where it is. Plain HTTP.
    package let origin: Origin
    /// What it is shown; nil: nothing.
    package let credentials: Credentials?

    /// See the properties.
    package init(origin: Origin, credentials: Credentials?) {
        (self.origin, self.credentials) = (origin, credentials)
    }

    /// Why there is no way through it; nil where it is not to blame. For requests of which nothing was sent.
    ///
    /// - Parameters:
    ///   - code: libcurl's.
    ///   - status: what it answered to the last CONNECT; 0: nothing.
    ///   - text: libcurl's words.
    func failure(_ code: CURLcode, status: Int, _ text: String) -> TransferFailure? {
        let number = Int(code.rawValue)
        if (200..<300).contains(status) { return nil }
        if status != 0 {
            let isRefused = (400..<500).contains(status)
            return TransferFailure(
                reason: isRefused ? .proxyRefused : .proxyUnreachable,
                detail: "the proxy \(origin.authority) answered CONNECT with \(status)\(hint(status))", curlCode: number
            )
        }
        switch code {
        case CURLE_COULDNT_RESOLVE_PROXY:
            return TransferFailure(
                reason: .proxyUnreachable, detail: "the name of the proxy \(origin.authority) cannot be resolved",
                curlCode: number)
        case CURLE_COULDNT_CONNECT:
            return TransferFailure(
                reason: .proxyUnreachable, detail: "the proxy \(origin.authority) cannot be reached",
                curlCode: number)
        case CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_GOT_NOTHING, CURLE_WEIRD_SERVER_REPLY, CURLE_PROXY,
            CURLE_UNSUPPORTED_PROTOCOL, CURLE_OUT_OF_MEMORY:
            return TransferFailure(
                reason: .proxyUnreachable,
                detail: "the proxy \(origin.authority) gave no sound answer to CONNECT: \(text)", curlCode: number)
        case CURLE_OPERATION_TIMEDOUT:
            return TransferFailure(
                reason: .proxySilent,
                detail: "the proxy \(origin.authority) did not answer CONNECT in time",
                curlCode: number)
        default: return nil
        }
    }

    private func hint(_ status: Int) -> String {
        guard status == 407 else { return "" }
        return credentials == nil ? ": it wants credentials" : ": it does not take the credentials"
    }
}

extension CurlOptions {
    /// Why there is no way through the proxy; nil where there is none, or it is not to blame.
    func failureOfProxy(_ code: CURLcode, of transfer: Transfer) -> TransferFailure? {
        guard let proxy = self.proxy(for: transfer.request), let handle = transfer.handle else { return nil }
        var status = 0
        unsafe ccurl_get_long(handle.raw, CURLINFO_HTTP_CONNECTCODE, &status)
        return proxy.failure(code, status: status, handle.errorDescription(code))
    }
}
