// SPDX-License-Identifier: Apache-2.0

/// What is to run in a box, as the gateway writes it into a sealed file in memory and the box reads it. The keeper does not
/// look at it.
struct BoxOrder: Equatable, Sendable {
    /// What runs when everything is set up.
    enum Program: Equatable, Sendable {
        /// A program of the host's, with its words (the first is its name) and its environment.
        case command(path: String, words: [String], settings: [String])
        /// The self-test: it tries what must not work, and writes a line for each.
        case probes
    }

    struct File: Equatable, Sendable {
        /// A path below the workspace: no empty part, no `.` and no `..` (`WorkspacePath`).
        var name: [UInt8]
        var content: [UInt8]
    }

    var program: Program
    var files: [File] = []
    var limits: BoxLimits
    var layers = BoxLayers.all
    /// Whether the workspace's files are given back at the end: those that are new or changed; with `keepsAll` every one.
    var collectsFiles = true
    var keepsAll = false
    /// Whether the program is an interpreter that waits: what it is to run comes later, as another order (`BoxFrame.claim`).
    var waits = false

    static let bytesMax = 1 << 30

    var encoded: [UInt8] {
        var writer = WordWriter()
        switch program {
        case .command(let path, let words, let settings):
            writer.append(1)
            writer.append(Array(path.utf8))
            writer.append(words.map { Array($0.utf8) })
            writer.append(settings.map { Array($0.utf8) })
        case .probes: writer.append(2)
        }
        writer.append(limits.words.count)
        for word in limits.words { writer.append(word) }
        writer.append(layers.rawValue)
        writer.append((collectsFiles ? 1 : 0) + (keepsAll ? 2 : 0) + (waits ? 4 : 0))
        writer.append(files.count)
        for file in files {
            writer.append(file.name)
            writer.append(file.content)
        }
        return writer.bytes
    }

    init(
        _ program: Program, files: [File] = [], limits: BoxLimits, layers: BoxLayers = .all,
        collectsFiles: Bool = true, keepsAll: Bool = false, waits: Bool = false
    ) {
        (self.program, self.files, self.limits, self.layers) = (program, files, limits, layers)
        (self.collectsFiles, self.keepsAll, self.waits) = (collectsFiles, keepsAll, waits)
    }

    init(decoding bytes: [UInt8]) throws(WordReader.Malformed) {
        var reader = WordReader(bytes)
        switch try reader.number() {
        case 1:
            let path = try reader.text(max: Self.bytesMax)
            let words = try reader.texts(max: 1 << 16, bytesMax: Self.bytesMax)
            let settings = try reader.texts(max: 1 << 16, bytesMax: Self.bytesMax)
            program = .command(
                path: String(decoding: path, as: UTF8.self), words: words.map { String(decoding: $0, as: UTF8.self) },
                settings: settings.map { String(decoding: $0, as: UTF8.self) })
        case 2: program = .probes
        default: throw WordReader.Malformed()
        }
        var words: [Int] = []
        for _ in 0..<(try reader.number(max: 64)) { words.append(try reader.number()) }
        guard let limits = BoxLimits(words: words) else { throw WordReader.Malformed() }
        self.limits = limits
        layers = BoxLayers(rawValue: try reader.word())
        let flags = try reader.number(max: 7)
        (collectsFiles, keepsAll, waits) = (flags & 1 != 0, flags & 2 != 0, flags & 4 != 0)
        for _ in 0..<(try reader.number(max: 1 << 20)) {
            let name = try reader.text(max: 4096)
            files.append(File(name: name, content: try reader.text(max: Self.bytesMax)))
        }
    }
}

/// What one run may have. All are positive.
struct BoxLimits: Equatable, Sendable {
    var wallMilliseconds: Int
    /// Of all processes together.
    var cpuMilliseconds: Int
    /// Of all processes together, with what lies in the workspace and in `/tmp`.
    var memoryBytes: Int
    /// Processes and threads at one time.
    var processes: Int
    /// Of standard output and of standard error, each.
    var outputBytes: Int
    /// In `/work`, `/tmp` and `/dev/shm` together.
    var diskBytes: Int
    /// Files and directories there.
    var inodes: Int = 16_384
    /// Open files of a process.
    var descriptors: Int = 512
    /// Files that are given back, and the bytes of all of them.
    var filesMax: Int = 100
    var fileBytesMax: Int = 8 << 20

    var words: [Int] {
        [
            wallMilliseconds, cpuMilliseconds, memoryBytes, processes, outputBytes, diskBytes, inodes, descriptors,
            filesMax, fileBytesMax,
        ]
    }

    init(
        wallMilliseconds: Int, cpuMilliseconds: Int, memoryBytes: Int, processes: Int, outputBytes: Int, diskBytes: Int
    ) {
        self.wallMilliseconds = wallMilliseconds
        self.cpuMilliseconds = cpuMilliseconds
        self.memoryBytes = memoryBytes
        self.processes = processes
        self.outputBytes = outputBytes
        self.diskBytes = diskBytes
    }

    init?(words: [Int]) {
        guard words.count == 10, words.allSatisfy({ $0 > 0 }) else { return nil }
        self.init(
            wallMilliseconds: words[0], cpuMilliseconds: words[1], memoryBytes: words[2], processes: words[3],
            outputBytes: words[4], diskBytes: words[5])
        (inodes, descriptors, filesMax, fileBytesMax) = (words[6], words[7], words[8], words[9])
    }
}

/// The layers of a box. Each is there by itself, so that a hole in one is closed by another; a test leaves one out to see
/// that the self-test finds it. The binary never does.
struct BoxLayers: OptionSet, Sendable {
    let rawValue: UInt64

    static let network = BoxLayers(rawValue: 1 << 0)
    static let processes = BoxLayers(rawValue: 1 << 1)
    static let capabilities = BoxLayers(rawValue: 1 << 2)
    static let landlock = BoxLayers(rawValue: 1 << 3)
    static let filter = BoxLayers(rawValue: 1 << 4)
    static let resources = BoxLayers(rawValue: 1 << 5)

    static let all: BoxLayers = [.network, .processes, .capabilities, .landlock, .filter, .resources]
}
