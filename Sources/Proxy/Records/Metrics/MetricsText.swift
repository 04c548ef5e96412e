// Samples as text: Prometheus' own format 0.0.4, or OpenMetrics 1.0 for who asks for it.

/// One series at one time.
struct MetricSample: Sendable {
    enum Value: Sendable {
        case number(Double)
        case times(TimeHistogram)
    }

    let name: String
    /// In the order of its family's labels; an empty one is left out.
    let labels: [String]
    let value: Value

    init(_ name: String, _ labels: [String], _ value: Value) {
        (self.name, self.labels, self.value) = (name, labels, value)
    }

    init(_ family: MetricFamily, _ value: Double, _ labels: String...) {
        self.init(family.name, labels, .number(value))
    }

    init(_ family: MetricFamily, _ value: Int, _ labels: String...) {
        self.init(family.name, labels, .number(Double(value)))
    }
}

/// The two formats.
enum MetricsFormat: Sendable {
    case prometheus
    case openMetrics

    /// What the client would rather read (RFC 9110 section 12.5.1); where it is all the same to it, what it names.
    init(accept: String?) {
        let ranges = (accept ?? "").lowercased().split(separator: ",").map(Self.range)
        func quality(_ type: String) -> Double? { ranges.filter { $0.type == type }.map(\.quality).max() }
        let any = quality("*/*")
        let open = quality("application/openmetrics-text") ?? 0
        let plain = quality("text/plain") ?? quality("text/*") ?? any ?? 0
        self = open > 0 && open >= plain ? .openMetrics : .prometheus
    }

    /// A media range without its other parameters, and its weight.
    private static func range(_ text: Substring) -> (type: String, quality: Double) {
        let parts = text.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" } }
        let weight = parts.dropFirst().last { $0.hasPrefix("q=") }
        return (parts.first ?? "", weight.map { Double($0.dropFirst(2)) ?? 0 } ?? 1)
    }

    var contentType: String {
        switch self {
        case .prometheus: "text/plain; version=0.0.4; charset=utf-8"
        case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
        }
    }

    /// Families without samples are left out.
    func text(_ samples: [MetricSample]) -> String {
        let byName = Dictionary(grouping: samples, by: \.name)
        var text = ""
        for family in MetricFamily.all {
            guard let samples = byName[family.name] else { continue }
            // OpenMetrics names a counter without the ending of its samples.
            let name =
                self == .openMetrics && family.kind == .counter
                ? String(family.name.dropLast("_total".count)) : family.name
            text += "# HELP \(name) \(family.help)\n# TYPE \(name) \(family.kind.rawValue)\n"
            for sample in samples.sorted(by: { $0.labels.lexicographicallyPrecedes($1.labels) }) {
                add(sample, of: family, to: &text)
            }
        }
        return self == .openMetrics ? text + "# EOF\n" : text
    }

    private func add(_ sample: MetricSample, of family: MetricFamily, to text: inout String) {
        let labels = zip(family.labels, sample.labels).filter { !$1.isEmpty }.map { "\($0)=\"\(Self.escaped($1))\"" }
        switch sample.value {
        case .number(let number): text += family.name + Self.braces(labels) + " \(Self.text(number))\n"
        case .times(let times):
            var sum = 0
            for (count, bound) in zip(
                times.counts, MetricFamily.timeBounds.map { Self.text(Double($0) / 1e9) } + ["+Inf"])
            {
                sum += count
                text += "\(family.name)_bucket\(Self.braces(labels + ["le=\"\(bound)\""])) \(sum)\n"
            }
            text += "\(family.name)_sum\(Self.braces(labels)) \(Self.text(Double(times.nanoseconds) / 1e9))\n"
            text += "\(family.name)_count\(Self.braces(labels)) \(sum)\n"
        }
    }

    private static func braces(_ labels: [String]) -> String {
        labels.isEmpty ? "" : "{" + labels.joined(separator: ",") + "}"
    }

    /// Whole numbers without a point.
    private static func text(_ number: Double) -> String {
        if let whole = Int(exactly: number) { return "\(whole)" }
        return "\(number)"
    }

    /// Backslashes, quotes and line ends, as both formats say it.
    private static func escaped(_ value: String) -> String {
        var text = ""
        for character in value {
            switch character {
            case "\\": text += "\\\\"
            case "\"": text += "\\\""
            case "\n": text += "\\n"
            default: text.append(character)
            }
        }
        return text
    }
}
