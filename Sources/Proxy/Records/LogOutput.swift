// The application log: text for people or JSON for collectors, one line an event, on standard error.

import Configuration
import Ground
import Logging

/// A swift-log handler that writes through a `LineWriter`, so that a stalled reader stops nobody.
struct LineLogHandler: LogHandler {
    let settings: LogSettings
    let writer: LineWriter
    let environment: Environment
    /// Of this logger alone.
    private var ownLevel: Logger.Level?
    var metadata: Logger.Metadata = [:]

    init(settings: LogSettings, writer: LineWriter, environment: Environment) {
        (self.settings, self.writer, self.environment) = (settings, writer, environment)
    }

    var logLevel: Logger.Level {
        get { ownLevel ?? settings.level }
        set { ownLevel = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }
        let time = RFC3339.text(environment.wallTime(), digits: 3)
        switch settings.format {
        case .text:
            let facts = all.map { " \($0.key)=\(LogWord.text("\($0.value)"))" }.joined()
            writer.write("\(time) \(event.level.rawValue) \(JSONText.escaped("\(event.message)"))\(facts)\n")
        case .json:
            var line = "{\"time\":\"\(time)\",\"level\":\"\(event.level.rawValue)\""
            line += ",\"message\":\"\(JSONText.escaped("\(event.message)"))\""
            for (key, value) in all {
                line += ",\"\(JSONText.escaped(key))\":\"\(JSONText.escaped("\(value)"))\""
            }
            writer.write(line + "}\n")
        }
    }
}

extension Logger.Level {
    init(_ level: LogLevel) { self = Logger.Level(rawValue: level.rawValue) ?? .info }
}
