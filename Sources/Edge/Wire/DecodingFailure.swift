// What the HTTP decoder's errors mean for the tool.

import NIOHTTP1

enum DecodingFailure {
    /// The failure to answer with; nil when the connection itself broke and nobody is left to be told.
    static func failure(for error: any Error) -> WireFailure? {
        guard let error = error as? HTTPParserError else { return nil }
        switch error {
        case .headerOverflow: return .headersTooLarge
        case .invalidEOFState, .closedConnection:
            return nil
        case .invalidChunkSize:
            return .invalid("The chunked request body is malformed.")
        case .invalidContentLength, .unexpectedContentLength:
            return .invalid("Content-Length is malformed, repeated, or stands beside Transfer-Encoding.")
        case .invalidMethod:
            return .invalid("The request method is not known.")
        case .invalidVersion:
            return .invalid("Only HTTP/1.0 and HTTP/1.1 are spoken here.")
        default:
            return .invalid("The request is not well-formed HTTP/1.1.")
        }
    }
}
