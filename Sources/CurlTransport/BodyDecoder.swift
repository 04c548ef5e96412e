// All codings of one response body, taken off in the order in which they were not applied.

import HTTPTypes

/// Used by one task at a time.
struct BodyDecoder {
    /// Nil where a coding has a name that is not ours to read.
    private var layers: [Inflater]?
    private var isBroken = false
    private(set) var hasInput = false

    /// More codings than this were put together to keep us busy.
    private static let maxLayers = 5

    /// - Parameter codings: as `names` gives them.
    init(_ codings: [String]) {
        guard codings.count <= Self.maxLayers else { return }
        var layers: [Inflater] = []
        for coding in codings.reversed() {
            switch coding {
            case "gzip", "x-gzip": layers.append(Inflater(.gzip))
            case "deflate": layers.append(Inflater(.deflate))
            default: return
            }
        }
        self.layers = layers
    }

    /// The codings that were applied, in that order, in lower case. `identity`, also spelled `none`, does nothing.
    static func names(in fields: HTTPFields) -> [String] {
        fields[values: .contentEncoding]
            .flatMap { $0.split { $0 == "," || $0 == " " || $0 == "\t" }.map { $0.lowercased() } }
            .filter { $0 != "identity" && $0 != "none" }
    }

    /// Whether all that was given is a whole.
    var isAtEnd: Bool { !self.isBroken && self.layers?.allSatisfy { $0.isAtEnd } ?? false }

    mutating func give(_ bytes: [UInt8]) {
        self.hasInput = true
        if let first = self.layers?.first { first.give(bytes) } else { self.isBroken = true }
    }

    /// Decodes up to one slice, through one layer at least: what is made by one is given to the next.
    mutating func step() -> Inflater.Step {
        guard !self.isBroken, let layers = self.layers else { return self.isBroken ? .broken : .starved }
        for index in layers.indices.reversed() {
            switch layers[index].step() {
            case .starved: continue
            case .broken:
                self.isBroken = true
                return .broken
            case .bytes(let bytes):
                if index == layers.count - 1 { return .bytes(bytes) }
                layers[index + 1].give(bytes)
                return .bytes([])
            }
        }
        return .starved
    }
}
