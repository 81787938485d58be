// SPDX-License-Identifier: Apache-2.0

import Configuration
import Platform

/// The keys of `[sandbox]`.
struct SandboxSettings: Equatable {
    /// What a run has where it says nothing, and what it may ask for at most.
    let standard: BoxLimits
    let most: BoxLimits
    /// `cpus`: hundredths of a processor that a run may use at once.
    let cpuHundredths: Int
    /// `parallel`, `queue`, `queue_of_one`: runs at once; runs that wait, of everybody and of one tenant.
    let parallel: Int
    let queue: Int
    let queueOfOne: Int
    /// `request_bytes_max`: of the body of a request, files and all.
    let requestBytesMax: Int
    /// `spare`: empty boxes that wait for a run with the usual limits.
    let spare: Int
    /// `warm`: interpreters of each kind that wait for a program; `warm_modules`: what those of the other kinds have
    /// imported, one module more each.
    let warm: Int
    let warmModules: [String]
    /// `session_ttl`: how long a session lives at most.
    let sessionTime: Duration
    /// `keeper`: the socket of a keeper that the system starts; nil for one that the gateway starts itself.
    let keeper: String?
    /// `allow_partial`: whether production serves where limits are not held by control groups.
    let allowsPartial: Bool
    /// `[[sandbox.language]]`, beside what the host has; one of the same name takes its place.
    let languages: [Language]

    static let parallelMax = 256

    init(_ section: Section) throws(ConfigurationError) {
        func limits(
            _ suffix: String, _ wall: Int, _ cpu: Int, _ memory: Int, _ processes: Int, _ output: Int, _ disk: Int
        ) throws(ConfigurationError) -> BoxLimits {
            func milliseconds(_ key: String, _ standard: Int) throws(ConfigurationError) -> Int {
                Int(
                    try section.takeDuration(
                        key + suffix, in: .milliseconds(1)...(.seconds(3600)), default: .milliseconds(standard)
                    ).clampedMilliseconds)
            }
            return BoxLimits(
                wallMilliseconds: try milliseconds("wall", wall), cpuMilliseconds: try milliseconds("cpu", cpu),
                memoryBytes: try section.takeSize("memory" + suffix, in: 16 << 20...1 << 40, default: memory),
                processes: try section.takeInt("processes" + suffix, in: 1...4096, default: processes),
                outputBytes: try section.takeSize("output" + suffix, in: 1024...1 << 28, default: output),
                diskBytes: try section.takeSize("disk" + suffix, in: 1 << 16...1 << 36, default: disk))
        }
        var standard = try limits("", 10_000, 10_000, 256 << 20, 64, 1 << 20, 64 << 20)
        var most = try limits("_max", 60_000, 60_000, 1 << 30, 256, 8 << 20, 512 << 20)
        for (key, isOver) in [
            ("wall", standard.wallMilliseconds > most.wallMilliseconds),
            ("cpu", standard.cpuMilliseconds > most.cpuMilliseconds),
            ("memory", standard.memoryBytes > most.memoryBytes),
            ("processes", standard.processes > most.processes), ("output", standard.outputBytes > most.outputBytes),
            ("disk", standard.diskBytes > most.diskBytes),
        ] where isOver {
            throw section.error(at: key, "is more than \(key)_max")
        }
        let files = try section.takeInt("files_max", in: 1...1000, default: 100)
        let fileBytes = try section.takeSize("file_bytes_max", in: 1024...1 << 28, default: 8 << 20)
        let inodes = try section.takeInt("inodes_max", in: 64...1 << 20, default: 16_384)
        (standard.filesMax, most.filesMax) = (files, files)
        (standard.fileBytesMax, most.fileBytesMax) = (fileBytes, fileBytes)
        (standard.inodes, most.inodes) = (inodes, inodes)
        self.standard = standard
        self.most = most
        cpuHundredths = try section.takeInt("cpu_percent", in: 1...6400, default: 100)
        parallel = try section.takeInt("parallel", in: 0...Self.parallelMax, default: 0)
        queue = try section.takeInt("queue", in: 1...10_000, default: 256)
        queueOfOne = try section.takeInt("queue_of_one", in: 1...10_000, default: 64)
        requestBytesMax = try section.takeSize("request_bytes_max", in: 1024...1 << 28, default: 16 << 20)
        spare = try section.takeInt("spare", in: 0...SpareBoxes.countMax, default: 2)
        warm = try section.takeInt("warm", in: 0...32, default: 2)
        warmModules = try section.takeStrings("warm_modules", count: 0...16, default: ["numpy", "matplotlib.pyplot"])
        for name in warmModules {
            let isName = name.utf8.allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte & 0xdf) || byte == 0x5f || byte == 0x2e
            }
            guard isName, (1...64).contains(name.utf8.count) else {
                throw section.error(at: "warm_modules", "must be names of modules, as Python's import takes them")
            }
        }
        sessionTime = try section.takeDuration(
            "session_ttl", in: .seconds(1)...(.seconds(7 * 86_400)), default: .seconds(3600))
        keeper = try section.takeOptionalPath("keeper")
        allowsPartial = try section.takeBool("allow_partial", default: false)
        var languages: [Language] = []
        for table in try section.takeSections("language", max: 32) {
            let language = try Language(table)
            guard !languages.contains(where: { $0.name == language.name }) else {
                throw table.error(at: "name", "is the name of another language")
            }
            languages.append(language)
        }
        self.languages = languages
    }
}
