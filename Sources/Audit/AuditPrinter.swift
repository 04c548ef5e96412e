// Rows as text: a table for people, JSON for programs, CSV for spreadsheets. Row by row, so that memory stays constant.

import Ground

/// How rows are printed.
public enum AuditFormat: String, Sendable, CaseIterable {
    /// Columns for a terminal; long values are cut.
    case table
    /// An array with one object per line.
    case json
    /// RFC 4180, with a header line; cells cannot become formulas, and controls in them stand as `\\u001B`.
    case csv
}

/// Prints rows; concatenate `header`, each row's text, and `footer`.
public struct AuditPrinter: Sendable {
    /// How rows are printed.
    public let format: AuditFormat
    private var count = 0

    /// Prints in this format.
    public init(_ format: AuditFormat) {
        self.format = format
    }

    /// What comes first.
    public var header: String {
        switch format {
        case .table:
            Self.line(["SEQ", "TIME", "CALLER", "VIA", "OPERATION", "RESULT", "STATUS", "ID", "REASON", "OBJECTS"])
        case .json: "["
        case .csv:
            "seq,time,id,operation,method,target,objects,itwin,caller,address,via,reason,result,status,attempts,"
                + "duration_ms,closed_by,recovered,issuer,subject\r\n"
        }
    }

    /// What comes last.
    public var footer: String { format == .json ? "\n]\n" : "" }

    /// The text of the next row.
    public mutating func text(_ row: AuditRow) -> String {
        count += 1
        switch format {
        case .table: return Self.table(row)
        case .json: return (count == 1 ? "\n" : ",\n") + Self.json(row)
        case .csv: return Self.csv(row)
        }
    }

    // MARK: Table

    private static let widths = [8, 20, 16, 11, 28, 17, 6, 36, 32]

    private static func table(_ row: AuditRow) -> String {
        let time = row.time.text.prefix(19) + "Z"
        let result = row.isRecovered ? row.result + " (rec.)" : row.result
        return line([
            String(row.seq), String(time), row.call.caller.name, row.call.caller.via,
            row.call.operation, result,
            row.status.map { String($0) } ?? "-", row.call.id, reason(row),
            row.call.objects.joined(separator: " "),
        ])
    }

    /// Of a decision: whose it is, and why.
    private static func reason(_ row: AuditRow) -> String {
        if let approval = row.approval, let by = approval.by, row.closedBy == nil, row.result != "open" {
            return "by \(by.name)" + (approval.reason.isEmpty ? "" : ": \(approval.reason)")
        }
        return row.call.reason.isEmpty ? "-" : row.call.reason
    }

    private static func line(_ cells: [String]) -> String {
        var line = ""
        for (index, cell) in cells.enumerated() {
            let text = PrintableText.plain(cell)
            guard index < widths.count else {
                line += text
                continue
            }
            let cut = text.count > widths[index] ? String(text.prefix(widths[index] - 1)) + "…" : text
            line += cut + String(repeating: " ", count: widths[index] - cut.count + 2)
        }
        return line + "\n"
    }

    // MARK: JSON

    private static func json(_ row: AuditRow) -> String {
        var out: [UInt8] = []
        out.append(#"{"seq":"#)
        out.append(decimal: row.seq)
        out.append(#","time":""#)
        row.time.append(to: &out)
        out.append(0x22)
        let call = EncodedCall(row.call)
        out += call.id
        out += call.members
        out.append(#","result":"#)
        JSONText.append(row.result, .lines, to: &out)
        for (name, value) in [
            ("status", row.status), ("attempts", row.attempts), ("duration_ms", row.duration),
            ("closed_by", row.closedBy.map { Int(clamping: $0) }),
        ] {
            if let value { out += ",\"\(name)\":\(value)".utf8 }
        }
        if row.isRecovered { out.append(#","recovered":true"#) }
        if !row.archive.isEmpty { AuditArchived.append(row.archive, to: &out) }
        row.approval?.append(to: &out)
        out.append(0x7D)
        return PrintableText.json(String(decoding: out, as: UTF8.self))
    }

    // MARK: CSV

    private static func csv(_ row: AuditRow) -> String {
        let call = row.call
        let cells = [
            String(row.seq), row.time.text, call.id, call.operation, call.method, call.target,
            call.objects.joined(separator: " "), call.itwin, call.caller.name, call.caller.address, call.caller.via,
            call.reason, row.result, row.status.map { String($0) } ?? "", row.attempts.map { String($0) } ?? "",
            row.duration.map { String($0) } ?? "", row.closedBy.map { String($0) } ?? "",
            row.isRecovered ? "true" : "", call.caller.issuer, call.caller.subject,
        ]
        return cells.map(cell).joined(separator: ",") + "\r\n"
    }

    /// A cell that a spreadsheet would read as a formula begins with an apostrophe instead.
    private static func cell(_ text: String) -> String {
        let isFormula = text.utf8.first.map { "=+-@\t\r\n".utf8.contains($0) } ?? false
        let text = (isFormula ? "'" : "") + PrintableText.escaped(text)
        guard text.utf8.contains(where: mustBeQuoted) else { return text }
        return "\"" + text.replacing("\"", with: "\"\"") + "\""
    }

    private static func mustBeQuoted(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x2C, 0x22, 0x27, 0x3B, 0x20, 0x09, 0x0A, 0x0D: true
        default: false
        }
    }
}
