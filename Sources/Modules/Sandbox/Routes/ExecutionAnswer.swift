// SPDX-License-Identifier: Apache-2.0

import Bytes
import CSeccomp
import Crypto
import Glibc
import JSON
import Platform

/// What a run came to, in one word (API.md).
enum ExecutionStatus: String, CaseIterable, Sendable {
    case ok, error, timeout, cpu, memory, processes, disk, output, killed, refused

    init(_ report: BoxReport) {
        switch report.end {
        case .wallTime: self = .timeout
        case .cpuTime: self = .cpu
        case .memory: self = .memory
        case .output: self = .output
        case .unwanted: self = .killed
        case .setup: self = .refused
        case .itself: self = Self.ofItself(report)
        }
    }

    /// The program ended by itself: well, or for want of something, or with an error of its own.
    private static func ofItself(_ report: BoxReport) -> ExecutionStatus {
        // Whoever goes on with fewer processes than it wanted has met the limit all the same.
        if report.processesRefused > 0 { return .processes }
        if report.exitCode == 0 { return .ok }
        // SIGXCPU and SIGXFSZ: one process's own limits, which lie behind those of all together.
        if report.signal == 24 { return .cpu }
        if report.signal == 25 || report.isDiskFull { return .disk }
        return .error
    }
}

/// The answer to an execution.
struct ExecutionAnswer: Sendable {
    let id: String
    var result: RunResult
    let queued: Duration
    let order: BoxOrder
    let enforcements: Enforcements
    /// Files that are kept now, by name.
    var fileIDs: [[UInt8]: String] = [:]
    /// Whether those are named and not sent: their content is to be had at `/v1/files`.
    var sendsKeptFiles = true

    var status: ExecutionStatus { ExecutionStatus(result.report) }

    /// All files of the workspace without the program's own, and those of them that are new or changed.
    func divided() -> (all: [BoxOrder.File], changed: [BoxOrder.File]) {
        let main = order.files.first
        let all = result.files.filter { $0 != main }
        let before = Dictionary(order.files.map { ($0.name, $0.content) }) { first, _ in first }
        return (all, all.filter { before[$0.name] != $0.content })
    }

    var json: JSONObject {
        let report = result.report
        return [
            "id": .string(id), "status": .string(status.rawValue),
            "exit_code": report.exitCode.map { .int($0) } ?? .null,
            "signal": report.signal > 0 ? .string(SignalName.of(report.signal)) : .null,
            "stdout": .string(String(decoding: result.output, as: UTF8.self)),
            "stderr": .string(String(decoding: result.errors, as: UTF8.self)),
            "note": note.map { .string($0) } ?? .null,
            "truncated": ["stdout": .bool(result.isOutputCut), "stderr": .bool(result.areErrorsCut)],
            "files": .array(result.files.map { .object(json(of: $0)) }),
            "usage": [
                "wall_ms": .int(report.wallNanoseconds / 1_000_000), "cpu_ms": .int(report.cpuNanoseconds / 1_000_000),
                "queue_ms": .int(Int(queued.clampedMilliseconds)), "memory_peak_bytes": .int(report.memoryPeakBytes),
                "processes_peak": .int(report.processesPeak), "oom_kills": .int(report.outOfMemoryKills),
            ],
            "limits": .object(Self.json(order.limits)),
            "enforcement": .object(Self.json(enforcements)),
        ]
    }

    static func json(_ limits: BoxLimits) -> JSONObject {
        [
            "wall_ms": .int(limits.wallMilliseconds), "cpu_ms": .int(limits.cpuMilliseconds),
            "memory_bytes": .int(limits.memoryBytes), "processes": .int(limits.processes),
            "output_bytes": .int(limits.outputBytes), "disk_bytes": .int(limits.diskBytes),
        ]
    }

    static func json(_ held: Enforcements) -> JSONObject {
        [
            "memory": .string(held.memory.name), "processes": .string(held.processes.name),
            "cpu": .string(held.cpu.name),
        ]
    }

    /// Words for whoever wonders what happened.
    private var note: String? {
        var notes: [String] = []
        let report = result.report
        switch report.signal {
        case 31: notes.append("a system call of another architecture was made, which is not allowed here")
        case 24: notes.append("a process used all of its processor time")
        default: break
        }
        if !report.refusedCalls.isEmpty {
            let names = report.refusedCalls.map(SystemCallName.of).joined(separator: ", ")
            notes.append("refused here, and answered with \"operation not permitted\": the system call \(names)")
        }
        if report.filesLeftOut > 0 {
            notes.append("\(report.filesLeftOut) files or folders were left out: too many, too deep, or too large")
        }
        if report.isDiskFull { notes.append("the writable places (/work, /tmp, /dev/shm) are full") }
        if report.processesRefused > 0 { notes.append("no more processes could be begun") }
        if !enforcements.isWhole {
            notes.append("limits are held without control groups on this host, and so with a delay")
        }
        return notes.isEmpty ? nil : notes.joined(separator: "; ")
    }

    private func json(of file: BoxOrder.File) -> JSONObject {
        guard let id = fileIDs[file.name] else { return Self.json(file) }
        var json = Self.json(file)
        if !sendsKeptFiles { json["content_base64"] = nil }
        json["file_id"] = .string(id)
        return json
    }

    /// A file that the run left.
    static func json(_ file: BoxOrder.File) -> JSONObject {
        let name = String(decoding: file.name, as: UTF8.self)
        var json: JSONObject = [
            "name": .string(name), "bytes": .int(file.content.count), "media_type": .string(MediaType.of(file)),
            "sha256": .string(Hex.encode(SHA256.digest(file.content).bytes)),
            "content_base64": .string(Base64.encode(file.content)),
        ]
        // A name that is no text is shown as far as it is; the whole of it stands beside it.
        if Array(name.utf8) != file.name { json["name_base64"] = .string(Base64.encode(file.name)) }
        return json
    }
}

/// System calls by name, as libseccomp knows them for this architecture.
enum SystemCallName {
    static func of(_ number: Int) -> String {
        guard let name = unsafe seccomp_syscall_resolve_num_arch(UInt32(SCMP_ARCH_NATIVE), CInt(clamping: number))
        else {
            return "\(number)"
        }
        // SAFETY: zero-terminated, and ours to free.
        defer { unsafe free(name) }
        return unsafe String(cString: name)
    }
}

/// Signals by name.
enum SignalName {
    private static let names = [
        1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE",
        9: "SIGKILL", 10: "SIGUSR1", 11: "SIGSEGV", 12: "SIGUSR2", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM",
        24: "SIGXCPU", 25: "SIGXFSZ", 31: "SIGSYS",
    ]

    static func of(_ number: Int) -> String { names[number] ?? "SIG\(number)" }
}

/// What kind of file a name says, where its first bytes do not say otherwise.
enum MediaType {
    private static let ofExtension = [
        "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif", "svg": "image/svg+xml",
        "webp": "image/webp", "pdf": "application/pdf", "csv": "text/csv", "txt": "text/plain", "md": "text/markdown",
        "json": "application/json", "html": "text/html", "xml": "application/xml", "zip": "application/zip",
        "py": "text/x-python", "js": "text/javascript", "sh": "application/x-sh", "tsv": "text/tab-separated-values",
        "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "gz": "application/gzip",
        "parquet": "application/vnd.apache.parquet", "yaml": "application/yaml", "toml": "application/toml",
    ]
    private static let ofBeginning: [([UInt8], String)] = [
        ([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a], "image/png"), ([0xff, 0xd8, 0xff], "image/jpeg"),
        (Array("GIF8".utf8), "image/gif"), (Array("%PDF-".utf8), "application/pdf"),
    ]

    static func of(_ file: BoxOrder.File) -> String {
        for (beginning, type) in ofBeginning where file.content.starts(with: beginning) { return type }
        let name = String(decoding: file.name, as: UTF8.self)
        guard let dot = name.lastIndex(of: "."), !name[dot...].contains("/") else { return "application/octet-stream" }
        return ofExtension[name[name.index(after: dot)...].lowercased()] ?? "application/octet-stream"
    }
}
