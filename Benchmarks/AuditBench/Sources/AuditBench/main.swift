// Measures the audit log at its own API, and plain write + fdatasync of the same bytes on the same disk.
// AuditBench FOLDER ROUNDS SECONDS VERIFY_MB; one CSV line a measurement. Benchmarks/audit makes the table.

import Audit
import Glibc

let arguments = CommandLine.arguments
guard arguments.count == 5, let rounds = Int(arguments[2]), let length = Double(arguments[3]),
    let verifyMegabytes = Int(arguments[4])
else {
    print("usage: AuditBench FOLDER ROUNDS SECONDS VERIFY_MB")
    exit(64)
}
let folder = arguments[1]
let clock = ContinuousClock()

/// What one run took: records and the time of all, and the latency of each that somebody waited for.
struct Measurement: Sendable {
    var records = 0
    var seconds = 0.0
    var latencies: [Double] = []

    func line(_ name: String, _ concurrency: Int, _ round: Int) -> String {
        let sorted = latencies.sorted()
        func microseconds(_ part: Double) -> Int {
            sorted.isEmpty ? 0 : Int(sorted[min(sorted.count - 1, Int(Double(sorted.count) * part))] * 1e6)
        }
        let rate = Double(records) / seconds
        return "\(name),\(concurrency),\(round),\(records),\(Int(rate)),\(microseconds(0.5)),\(microseconds(0.9)),"
            + "\(microseconds(0.99))"
    }
}

func seconds(_ duration: Duration) -> Double {
    Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
}

func call(_ number: Int) -> AuditCall {
    let id = "b0f5a9c1-7e25-4c28-8f6e-\(String(1_000_000_000_000 + number).dropFirst())"
    return AuditCall(
        id: id, operation: "v2.reports.delete", method: "POST",
        target: "/clash-detection/itwins/4d7e1b9a-53c0-4f0e-9a57-2f8f0b6c1d2e/reports/jobs/deletion", objects: [id],
        itwin: "4d7e1b9a-53c0-4f0e-9a57-2f8f0b6c1d2e",
        caller: AuditCaller(name: "dashboard", address: "127.0.0.1:50412", via: "key"), reason: "superseded")
}

/// So many deletes at a time, each an intent and then its outcome. The latency is the intent's: what a delete waits.
func deletes(_ concurrency: Int, in folder: String, while goesOn: @escaping @Sendable (AuditLog) -> Bool) async throws
    -> Measurement
{
    let log = try await AuditLog.open(folder: folder)
    let began = clock.now
    let latencies = try await withThrowingTaskGroup(of: [Double].self) { group in
        for task in 0..<concurrency {
            group.addTask {
                var latencies: [Double] = []
                var number = task
                while goesOn(log) {
                    let asked = ContinuousClock.now
                    let receipt = try await log.append(AuditIntent(call: call(number)))
                    latencies.append(seconds(ContinuousClock.now - asked))
                    await log.append(
                        AuditOutcome(result: .deleted, status: 202, attempts: 1, duration: .milliseconds(180)),
                        for: receipt)
                    number += concurrency
                }
                return latencies
            }
        }
        return try await group.reduce(into: []) { $0 += $1 }
    }
    let measurement = Measurement(
        records: latencies.count * 2, seconds: seconds(clock.now - began), latencies: latencies)
    await log.close()
    return measurement
}

/// The lines that a log has written, one write and one fdatasync each.
func plain(_ lines: [[UInt8]], to path: String) -> Measurement {
    let file = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0o600)
    defer { close(file) }
    var measurement = Measurement()
    let began = clock.now
    for line in lines where seconds(clock.now - began) < length {
        let asked = clock.now
        let written = line.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
        guard written == line.count, fdatasync(file) == 0 else { fatalError("the disk refuses: errno \(errno)") }
        measurement.latencies.append(seconds(clock.now - asked))
    }
    measurement.records = measurement.latencies.count
    measurement.seconds = seconds(clock.now - began)
    return measurement
}

func lines(of folder: String) throws -> [[UInt8]] {
    var lines: [[UInt8]] = []
    guard let file = fopen("\(folder)/audit-00000000000000000001.jsonl", "r") else { return [] }
    defer { fclose(file) }
    var line: UnsafeMutablePointer<CChar>?
    var capacity = 0
    defer { free(line) }
    while case let count = getline(&line, &capacity, file), count > 0, let line {
        lines.append(Array(UnsafeRawBufferPointer(start: line, count: count)))
    }
    return lines
}

/// Processor time of this process so far.
func processorSeconds() -> Double {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

for round in 1...max(1, rounds) {
    for concurrency in [1, 16, 256] {
        let path = "\(folder)/log-\(round)-\(concurrency)"
        let end = clock.now + .seconds(length)
        print(
            try await deletes(concurrency, in: path) { _ in ContinuousClock.now < end }.line("log", concurrency, round))
        if concurrency == 1 {
            print(plain(try lines(of: path), to: "\(folder)/plain-\(round)").line("plain", 1, round))
        }
    }
}
if verifyMegabytes > 0 {
    let path = "\(folder)/verify"
    // A record here is about 620 bytes.
    let wanted = UInt64(verifyMegabytes) * 1_000_000 / 600
    _ = try await deletes(256, in: path) { $0.status.head.seq < wanted }
    for round in 1...max(1, rounds) {
        let (began, used) = (clock.now, processorSeconds())
        let verification = try AuditReader(folder: path).verify()
        guard verification.isIntact else { fatalError("\(verification.findings)") }
        let (wall, cpu) = (seconds(clock.now - began), processorSeconds() - used)
        let megabytes = Double(verification.bytes) / 1e6
        print(
            "verify,1,\(round),\(verification.records),\(Int(megabytes)),\(Int(megabytes / wall)),\(Int(megabytes / cpu)),"
                + "\(verification.files)")
    }
}
