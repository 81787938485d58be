// SPDX-License-Identifier: Apache-2.0

/// What came of a run, as the box's first process tells it when every other one is dead.
struct BoxReport: Equatable, Sendable {
    /// Why it ended.
    enum End: Int, Sendable {
        /// The program did.
        case itself = 0
        case wallTime = 1
        case cpuTime = 2
        case memory = 3
        /// The gateway said that there is too much output.
        case output = 4
        /// The gateway wants it no more.
        case unwanted = 5
        /// A step of the box's own failed: nothing of the program ran.
        case setup = 6
    }

    var end = End.itself
    /// Nil where a signal ended the program.
    var exitCode: Int?
    var signal = 0
    var wallNanoseconds = 0
    var cpuNanoseconds = 0
    var memoryPeakBytes = 0
    var processesPeak = 0
    /// Processes that the kernel killed for want of memory.
    var outOfMemoryKills = 0
    /// Processes that could not be begun.
    var processesRefused = 0
    /// Whether the writable places are full: of bytes, or of files.
    var isDiskFull = false
    /// Files that were not given back: too many, too deep, or too large.
    var filesLeftOut = 0
    /// The step that failed, and how.
    var step = BoxStep.none
    var errno = 0
    /// Numbers of system calls that were refused by name, the first few.
    var refusedCalls: [Int] = []

    static let refusedCallsMax = 4
    static let wordCount = 13 + refusedCallsMax

    var encoded: [UInt8] {
        var writer = WordWriter()
        for word in [
            end.rawValue, exitCode.map { $0 + 1 } ?? 0, signal, wallNanoseconds, cpuNanoseconds, memoryPeakBytes,
            processesPeak, outOfMemoryKills, processesRefused, isDiskFull ? 1 : 0, filesLeftOut, step.rawValue, errno,
        ] { writer.append(word) }
        for index in 0..<Self.refusedCallsMax {
            writer.append(index < refusedCalls.count ? refusedCalls[index] + 1 : 0)
        }
        return writer.bytes
    }

    init() {}

    init(decoding bytes: [UInt8]) throws(WordReader.Malformed) {
        var reader = WordReader(bytes)
        guard let end = End(rawValue: try reader.number()) else { throw WordReader.Malformed() }
        self.end = end
        let code = try reader.number(max: 256)
        exitCode = code == 0 ? nil : code - 1
        signal = try reader.number(max: 64)
        wallNanoseconds = try reader.number()
        cpuNanoseconds = try reader.number()
        memoryPeakBytes = try reader.number()
        processesPeak = try reader.number()
        outOfMemoryKills = try reader.number()
        processesRefused = try reader.number()
        isDiskFull = try reader.number(max: 1) == 1
        filesLeftOut = try reader.number()
        guard let step = BoxStep(rawValue: try reader.number()) else { throw WordReader.Malformed() }
        self.step = step
        errno = try reader.number(max: 4095)
        for _ in 0..<Self.refusedCallsMax {
            let call = try reader.number(max: 4096)
            if call > 0 { refusedCalls.append(call - 1) }
        }
    }
}

/// The steps in which a box is made, in their order. The raw value travels in its report.
enum BoxStep: Int, CaseIterable, Sendable {
    case none, order, identities, root, processes, network, descriptors, group, workspace, limits, capabilities,
        credentials, landlock, filter, execution

    /// What stands in a log where it fails.
    var name: String {
        switch self {
        case .none: "none"
        case .order: "its order"
        case .identities: "user namespace"
        case .root: "mounts"
        case .processes: "/proc"
        case .network: "network namespace"
        case .descriptors: "descriptors"
        case .group: "control groups"
        case .workspace: "workspace"
        case .limits: "resource limits"
        case .capabilities: "capabilities"
        case .credentials: "credentials"
        case .landlock: "Landlock"
        case .filter: "seccomp"
        case .execution: "execution"
        }
    }
}

/// A frame on the control socket of a box, towards the gateway: a word for its kind, then its parts.
///
///     1  a file: length of its name, name, length, content
///     2  the report, which is the last
enum BoxFrame {
    static let file: UInt64 = 1
    static let report: UInt64 = 2

    /// What the gateway says on it: one byte.
    static let outputFull: UInt8 = 0x6f
    static let unwanted: UInt8 = 0x63
    /// With a descriptor, the order: the interpreter that waited has a program now.
    static let claim: UInt8 = 0x72
}
