// docs/configuration.md is written by hand, since it says more than the table's comments; what the table knows it says truly.

import Glibc
import Testing

@testable import Configuration

@Suite("Configuration reference")
struct ConfigReferenceTests {
    /// One row of a table of keys.
    private struct Row {
        let names: Substring
        let value: Substring
        let rest: Substring
    }

    /// The rows below each heading that names sections as `[section]`.
    private static func rows(of text: String) -> [String: [Row]] {
        var sections: [String] = []
        var rows: [String: [Row]] = [:]
        for line in text.split(separator: "\n") {
            if line.hasPrefix("#") {
                sections = line.split(separator: "`").filter { $0.hasPrefix("[") }.map {
                    "\($0.dropFirst().dropLast())"
                }
            }
            let cells = line.split(separator: "|", omittingEmptySubsequences: false)
            guard line.hasPrefix("|"), cells.count > 4 else { continue }
            for section in sections {
                rows[section, default: []].append(Row(names: cells[1], value: cells[2], rest: cells[3]))
            }
        }
        return rows
    }

    private static func reference() throws -> String {
        let here = try #require(realpath(#filePath, nil))
        defer { free(here) }
        let root = String(cString: here).split(separator: "/").dropLast(3).joined(separator: "/")
        let file = try #require(fopen("/\(root)/docs/configuration.md", "r"))
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        bytes.removeLast(bytes.count - fread(&bytes, 1, bytes.count, file))
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Whether one of the values in `cell` is what the key has when nobody says anything.
    private static func isDefault(_ cell: Substring, of key: ConfigKey<Config>) -> Bool {
        if cell.contains("see `proxy.conf`") { return true }
        if let reference = key.defaultReference { return cell.contains("`\"\(reference)\"`") }
        return cell.split(separator: "`").contains { text in
            guard let node = TOMLNode.parseValue(String(text)) else { return false }
            var told = Config()
            do { try key.read(node, &told) } catch { return false }
            return key.isSame(told, Config())
        }
    }

    @Test("the reference has every key in force in its section, with its default, and marks none of them as idle")
    func keysInForce() throws {
        let rows = Self.rows(of: try Self.reference())
        for key in ConfigKeys.all where key.inForce {
            let row = rows[key.section, default: []].first {
                $0.names.contains("`\(key.name)`") || $0.names.contains("`\(key.dotted)`")
            }
            let found = try #require(row, "docs/configuration.md has no row for \(key.dotted)")
            #expect(
                Self.isDefault(found.value, of: key),
                "docs/configuration.md says \(found.value) of \(key.dotted), which is not its default")
            #expect(!found.rest.contains("◌") && !found.rest.contains("⊘"), "\(key.dotted) is in force")
        }
    }

    @Test("a key that is not yet in force is named, and so is every key of a caller and an issuer")
    func otherKeys() throws {
        let text = try Self.reference()
        let others =
            ConfigKeys.all.filter { !$0.inForce }.map(\.name) + ConfigKeys.caller.map(\.name)
            + ConfigKeys.issuer.map(\.name)
        for name in others { #expect(text.contains(name), "docs/configuration.md does not name \(name)") }
    }
}
