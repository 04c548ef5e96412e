// The clashes of a report, made row by row while they are sent, so that 40 MB never exist at once. A row is a pure
// function of the report and its number: the same report reads the same each time, and a `cuid` finds its row.

import NIOCore

/// A generator of a JSON body: prefix, rows with commas, suffix.
struct ClashStream: Sendable {
    private let prefix: [UInt8]
    private let suffix: [UInt8]
    private let report: GUID
    private let version: APIVersion
    private let rows: Range<Int>
    private var next: Int
    private var stage = Stage.prefix

    private enum Stage { case prefix, rows, done }

    init(report: GUID, version: APIVersion, rows: Range<Int>, prefix: [UInt8], suffix: [UInt8]) {
        self.report = report
        self.version = version
        self.rows = rows
        self.prefix = prefix
        self.suffix = suffix
        next = rows.lowerBound
    }

    /// Appends about `size` bytes; false once everything has been written.
    mutating func fill(_ buffer: inout ByteBuffer, size: Int) -> Bool {
        if stage == .prefix {
            buffer.writeBytes(prefix)
            stage = .rows
        }
        let goal = buffer.writerIndex + size
        while stage == .rows, buffer.writerIndex < goal {
            if next == rows.upperBound {
                buffer.writeBytes(suffix)
                stage = .done
            } else {
                if next > rows.lowerBound { buffer.writeStaticString(",") }
                writeRow(next, into: &buffer)
                next += 1
            }
        }
        return stage != .done
    }

    /// The whole body, for reports that are small enough.
    mutating func collect() -> [UInt8] {
        var buffer = ByteBuffer()
        while fill(&buffer, size: 65_536) {}
        return Array(buffer.readableBytesView)
    }

    // MARK: Rows

    /// The unique id of a row: sixteen digits of the report, sixteen of the row.
    static func cuid(report: GUID, row: Int) -> String {
        String(decoding: hexDigits(report.low, count: 16) + hexDigits(UInt64(row), count: 16), as: UTF8.self)
    }

    /// The row of a `cuid`, or nil when it is none of this report's.
    static func row(ofCuid cuid: String, report: GUID, count: Int) -> Int? {
        guard let row = Int(cuid.suffix(16), radix: 16), row >= 0, row < count,
            ClashStream.cuid(report: report, row: row) == cuid
        else { return nil }
        return row
    }

    /// The two element ids of a row.
    static func elements(report: GUID, row: Int) -> (a: UInt64, b: UInt64) {
        let noise = SplitMix.mix(report.high ^ UInt64(row))
        let a = 0x200_0000_0000 + (noise & 0xFFFF) + UInt64(row) << 16
        return (a, a + 1 + noise >> 48)
    }

    private func writeRow(_ row: Int, into buffer: inout ByteBuffer) {
        let (a, b) = ClashStream.elements(report: report, row: row)
        switch version {
        case .v1: writeLegacyRow(row, a, b, into: &buffer)
        case .v2:
            buffer.writeStaticString("{\"cuid\":\"")
            buffer.writeBytes(hexDigits(report.low, count: 16))
            buffer.writeBytes(hexDigits(UInt64(row), count: 16))
            buffer.writeStaticString("\",\"elementAId\":\"0x")
            buffer.writeBytes(hexDigits(a, count: 11))
            buffer.writeStaticString("\",\"elementALabel\":\"Pipe 6 1-SWS-")
            buffer.writeString(String(row))
            buffer.writeStaticString(
                "\",\"elementAModelId\":\"0x20000000030\",\"elementACategoryId\":\"0x20000000047\"")
            buffer.writeStaticString(",\"elementBId\":\"0x")
            buffer.writeBytes(hexDigits(b, count: 11))
            buffer.writeStaticString("\",\"elementBLabel\":\"Duct 6 1-SWS-")
            buffer.writeString(String(row))
            buffer.writeStaticString(
                "\",\"elementBModelId\":\"0x20000000030\",\"elementBCategoryId\":\"0x20000000049\"")
            writeGeometry(row, into: &buffer)
            buffer.writeStaticString(",\"status\":\"New\"}")
        }
    }

    private func writeLegacyRow(_ row: Int, _ a: UInt64, _ b: UInt64, into buffer: inout ByteBuffer) {
        buffer.writeStaticString("{\"elementAId\":\"0x")
        buffer.writeBytes(hexDigits(a, count: 11))
        buffer.writeStaticString("\",\"elementALabel\":\"Pipe 6 1-SWS-")
        buffer.writeString(String(row))
        buffer.writeStaticString("\",\"elementACategoryIndex\":0,\"elementAModelIndex\":0,\"elementBId\":\"0x")
        buffer.writeBytes(hexDigits(b, count: 11))
        buffer.writeStaticString("\",\"elementBLabel\":\"Duct 6 1-SWS-")
        buffer.writeString(String(row))
        buffer.writeStaticString("\",\"elementBCategoryIndex\":1,\"elementBModelIndex\":0")
        writeGeometry(row, into: &buffer)
        buffer.writeStaticString(",\"suppressingRuleIndexArray\":[],\"status\":\"New\"}")
    }

    private func writeGeometry(_ row: Int, into buffer: inout ByteBuffer) {
        buffer.writeStaticString(",\"clashType\":\"Collision\",\"clearance\":-1,\"center\":{\"x\":")
        buffer.writeString(String(row % 1000))
        buffer.writeStaticString(".0158,\"y\":-20.8896,\"z\":")
        buffer.writeString(String(row % 17))
        buffer.writeStaticString(".1149}")
    }
}
