// Where a sink stands, in a small file beside the log.

import Crypto
import Ground

/// The position of one sink. Its calls block on the file system.
package struct SinkPosition: Sendable {
    private let name: String
    private let file: AtomicFile

    /// - Parameters:
    ///   - folder: the log's.
    ///   - name: the sink's, any text.
    package init(folder: String, sink name: String) {
        self.init(folder: folder, sink: name, fileSystem: PosixFileSystem())
    }

    init(folder: String, sink name: String, fileSystem: any FileSystem) {
        self.name = name
        let folder = LogFolder(path: folder)
        file = AtomicFile(path: folder.path(of: Self.fileName(name)), fileSystem: fileSystem)
    }

    /// The last record that the sink surely has; nil for a new sink.
    ///
    /// - Throws: also where the file is there and says nothing that can be understood.
    package func read() throws(AuditReadFailure) -> AuditHead? {
        let (text, path) = (try AuditReadFailure.wrapping { () throws(FileFailure) in try file.read() }, file.path)
        guard let text else { return nil }
        guard let json = JSON(Array(text.utf8)), let seq = json["seq"]?.number.flatMap({ UInt64(exactly: $0) }),
            let hash = json["hash"]?.string, json["sink"]?.string == name
        else { throw AuditReadFailure(description: "\(path) is no position of the sink \(name)") }
        return AuditHead(seq: seq, hash: hash)
    }

    /// Returns when it is durable.
    package func write(_ head: AuditHead) throws(AuditReadFailure) {
        var text: [UInt8] = []
        text.append(#"{"sink":"#)
        JSONText.append(name, .lines, to: &text)
        text.append(#","seq":"#)
        text.append(decimal: head.seq)
        text.append(#","hash":""#)
        text += head.hash.utf8
        text.append("\"}\n")
        let content = String(decoding: text, as: UTF8.self)
        try AuditReadFailure.wrapping { () throws(FileFailure) in try file.replace(with: content) }
    }

    /// `sink-<name>.position`, with what is no letter, digit, `_` or `-` as `%XX`; of long names a part and the hash.
    static func fileName(_ name: String) -> String {
        var safe: [UInt8] = []
        for byte in name.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x5F: safe.append(byte)
            default: safe += [0x25, Hex.upperDigit(byte >> 4), Hex.upperDigit(byte & 15)]
            }
        }
        guard safe.count > 150 else { return "sink-\(String(decoding: safe, as: UTF8.self)).position" }
        let hash = Hex.text(Array(SHA256.hash(data: Array(name.utf8))))
        return "sink-\(String(decoding: safe.prefix(80), as: UTF8.self))-\(hash).position"
    }
}
