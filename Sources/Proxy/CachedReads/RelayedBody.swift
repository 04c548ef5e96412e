// Where the bytes of an answer come from as it is relayed: straight off upstream, or by way of a fetch that keeps them.

import CurlTransport

/// Read by one task, once.
struct RelayedBody {
    /// What was taken off before, and comes first.
    var beginning: [UInt8] = []
    private var growing: GrowingBody?
    private var taken = 0
    private var direct: (any UpstreamBody)?
    /// Told all bytes as they pass, and nil at the end.
    var listener: (([UInt8]?) -> Void)?
    /// Told when the rest turns out to be too large to hold: the reader takes it off upstream itself.
    var onRest: (() -> Void)?

    init(_ body: any UpstreamBody) {
        direct = body
        declaredLength = body.declaredLength
    }

    init(_ growing: GrowingBody, declaredLength: Int?) {
        self.growing = growing
        self.declaredLength = declaredLength
    }

    /// Bytes in all, where that is known beforehand.
    let declaredLength: Int?

    /// Whether everything that is still to be read is already here.
    var isBufferedComplete: Bool { direct?.isBufferedComplete ?? false }

    /// Whether the bytes come straight off upstream.
    var isDirect: Bool { direct != nil }

    /// The next bytes; nil at the end.
    mutating func next(_ call: CallTraits) async throws(FlowExit) -> [UInt8]? {
        let bytes = try await take(call)
        listener?(bytes)
        return bytes
    }

    private mutating func take(_ call: CallTraits) async throws(FlowExit) -> [UInt8]? {
        if !beginning.isEmpty {
            defer { beginning = [] }
            return beginning
        }
        if let growing {
            switch await growing.next(after: taken) {
            case nil: throw .callerLeft
            case .chunk(let chunk):
                taken += 1
                return chunk
            case .end(.whole): return nil
            case .end(.failed(let failure)): throw .failed(failure)
            case .end(.rest(let body)):
                direct = body
                self.growing = nil
                onRest?()
            }
        }
        guard let direct else { return nil }
        return try await direct.nextBytes(call)
    }

    /// Leaves early. A fetch that keeps the bytes goes on without its reader.
    func cancel() { direct?.cancel() }

    /// Frees the connection: a small rest is read, because that is cheaper than a new connection.
    func discard() async { await direct?.discard() }
}
