// The little that has to be known of an endpoint's URL: whether credentials may be sent there, and whose it is.

import Ground

enum EndpointURL {
    /// Whose it is. Nil unless it is an absolute URL of https, or of http on this machine, without a user and without a
    /// fragment.
    static func origin(of url: String) -> Origin? {
        guard url.utf8.allSatisfy({ (0x21...0x7E).contains($0) }), !url.contains(where: { "#\\\"<>".contains($0) }),
            let (origin, _) = Origin.split(url), origin.scheme == .https || origin.isLoopback
        else { return nil }
        return origin
    }
}
