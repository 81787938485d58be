// SPDX-License-Identifier: Apache-2.0

import Configuration
import Glibc

/// A language of this host: which program runs it, and how its file is called.
struct Language: Equatable, Sendable {
    var name: String
    /// The program.
    var command: String
    /// What stands between the program and the file.
    var words: [String] = []
    /// The file's name in the workspace.
    var file: String
    /// How the program is asked for its version.
    var versionWords = ["--version"]
    /// Further folders that it reads.
    var folders: [String] = []
    /// What it said.
    var version: String?

    static let nameBytesMax = 32

    /// Where programs of the host's are looked for: what a box sees of them.
    private static let places = ["/usr/local/bin", "/usr/bin", "/bin"]

    /// Those that the host has of the usual ones.
    static var found: [Language] {
        let usual = [
            ("python", ["python3"], "main.py"), ("node", ["node", "nodejs"], "main.js"), ("bash", ["bash"], "main.sh"),
        ]
        var languages: [Language] = []
        for (name, commands, file) in usual {
            guard let command = commands.lazy.compactMap(Self.find).first else { continue }
            languages.append(Language(name: name, command: command, file: file))
        }
        return languages
    }

    private static func find(_ command: String) -> String? {
        places.map { "\($0)/\(command)" }.first { unsafe access($0, X_OK) == 0 }
    }

    /// `[[sandbox.language]]`.
    init(_ section: Section) throws(ConfigurationError) {
        name = try section.takeName("name")
        command = try section.takePath("command")
        words = try section.takeStrings("words", count: 0...32, default: [])
        file = try section.takeString("file", bytes: 1...64, default: "main")
        versionWords = try section.takeStrings("version", count: 0...8, default: ["--version"])
        folders = []
        for path in try section.takeStrings("read", count: 0...32, default: []) {
            guard Self.isReadable(path) else {
                throw section.error(
                    at: "read", "must be a folder outside /work, /tmp, /dev, /proc, /sys, /etc and /root",
                    hint: "a virtual environment under /opt or /srv, say")
            }
            folders.append(path)
        }
        guard command.hasPrefix("/") else { throw section.error(at: "command", "must be an absolute path") }
        guard (try? WorkspacePath.check(file)) != nil, !file.contains("/") else {
            throw section.error(at: "file", "must be the name of a file")
        }
    }

    init(name: String, command: String, file: String) {
        (self.name, self.command, self.file) = (name, command, file)
    }

    private static func isReadable(_ path: String) -> Bool {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard path.hasPrefix("/"), parts.count > 2,
            !parts.dropFirst().contains(where: { ["", ".", ".."].contains($0) })
        else { return false }
        return !["work", "tmp", "dev", "proc", "sys", "etc", "root"].contains(parts[1])
    }

    /// What runs a file of this language.
    func program(file: String, arguments: [String], cpus: Int) -> BoxOrder.Program {
        // By its whole path, by which an interpreter finds the virtual environment that it belongs to.
        .command(path: command, words: [command] + words + [file] + arguments, settings: Self.settings(cpus: cpus))
    }

    var versionProgram: BoxOrder.Program {
        .command(path: command, words: [command] + versionWords, settings: Self.settings(cpus: 1))
    }

    /// The environment of a program: nothing of the gateway's.
    private static func settings(cpus: Int) -> [String] {
        // Libraries for numbers make a thread for each processor of the host, of which a box has a share only. What they keep for
        // the next time is nothing that the program left: not in the workspace.
        [
            "PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/work", "USER=user", "LOGNAME=user", "LANG=C.UTF-8",
            "TMPDIR=/tmp", "SHELL=/bin/bash", "PWD=/work", "PYTHONDONTWRITEBYTECODE=1", "MPLBACKEND=Agg",
            "MPLCONFIGDIR=/tmp", "XDG_CACHE_HOME=/tmp/.cache", "OPENBLAS_NUM_THREADS=\(cpus)",
            "OMP_NUM_THREADS=\(cpus)", "NO_COLOR=1",
        ]
    }
}

/// Paths of files below a workspace, as clients name them.
enum WorkspacePath {
    struct Refusal: Error { let message: String }

    static let bytesMax = 1024
    static let depthMax = 16

    static func check(_ path: String) throws(Refusal) {
        let bytes = Array(path.utf8)
        guard (1...bytesMax).contains(bytes.count) else {
            throw Refusal(message: "must have 1 to \(bytesMax) bytes")
        }
        guard bytes.allSatisfy({ $0 >= 0x20 && $0 != 0x7f && $0 != UInt8(ascii: "\\") }) else {
            throw Refusal(message: "may have no control character and no backslash")
        }
        let parts = bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard parts.count <= depthMax else { throw Refusal(message: "may lie \(depthMax) folders deep") }
        for part in parts {
            guard !part.isEmpty, Array(part) != [0x2e], Array(part) != [0x2e, 0x2e], part.count <= 255 else {
                throw Refusal(message: "must be a path below the workspace, without empty parts, \".\" and \"..\"")
            }
        }
    }
}
