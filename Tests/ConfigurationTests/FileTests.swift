// SPDX-License-Identifier: Apache-2.0

import Configuration
import Glibc
import Platform
import Support
import Testing

/// Which files are believed, and where secrets come from.
struct FileTests {
    private let directory: TemporaryDirectory
    private let path: String

    init() throws {
        directory = try TemporaryDirectory()
        path = directory("gatehouse.toml")
        try AtomicFile.write(path: path, bytes: Array("a = 1\n".utf8), mode: 0o644)
    }

    private func message(_ path: String) -> String? {
        do throws(ConfigurationError) {
            _ = try Configuration(file: path)
            return nil
        } catch {
            return error.description
        }
    }

    @Test(arguments: [0o644, 0o640, 0o600, 0o400, 0o444, 0o755] as [mode_t])
    func `believes a file that only its owner can write`(mode: mode_t) {
        // A C string for the length of the call.
        #expect(unsafe chmod(path, mode) == 0)
        #expect(message(path) == nil)
    }

    @Test(arguments: [0o664, 0o646, 0o666, 0o622, 0o602, 0o777] as [mode_t])
    func `refuses a file that others can write`(mode: mode_t) {
        #expect(unsafe chmod(path, mode) == 0)
        #expect(
            message(path)
                == "\(path): error: can be written by others (mode \(String(mode, radix: 8)))\nhint: take that away with chmod go-w"
        )
    }

    @Test(.enabled(if: geteuid() == 0, "only root can give a file away"))
    func `refuses a file of a stranger`() throws {
        #expect(unsafe chown(path, 12345, 12345) == 0)
        #expect(message(path)?.contains("belongs to user 12345, who is neither root nor the one who runs this") == true)
    }

    @Test func `judges the file that a link leads to`() {
        let link = directory("link.toml")
        #expect(unsafe symlink(path, link) == 0)
        #expect(message(link) == nil)
        #expect(unsafe chmod(path, 0o666) == 0)
        #expect(message(link)?.contains("can be written by others") == true)
    }

    @Test func `refuses what is no file, without waiting for it`() {
        let pipe = directory("pipe")
        #expect(unsafe mkfifo(pipe, 0o600) == 0)
        #expect(message(pipe) == "\(pipe): error: not a regular file")
        #expect(message(directory.path) == "\(directory.path): error: not a regular file")
        #expect(
            message(directory("none"))
                == "\(directory("none")): error: cannot be read: ENOENT (No such file or directory)")
    }

    @Test func `refuses a file without end`() throws {
        try AtomicFile.write(
            path: path, bytes: [UInt8](repeating: UInt8(ascii: "#"), count: (1 << 20) + 1), mode: 0o600)
        #expect(message(path) == "\(path): error: larger than 1048576 bytes")
    }

    @Test func `an error says the file as it was named`() throws {
        try AtomicFile.write(path: path, bytes: Array("a = \n".utf8), mode: 0o600)
        #expect(message(path) == "\(path):1:5: error: expected a value\n1 | a = \n  |     ^")
    }

    // MARK: Secrets

    private func resolve(_ text: String) throws -> String {
        let secret = try #require(SecretReference(text)).resolve()
        return secret.withBytes { bytes in String(decoding: (0..<bytes.count).map { bytes[$0] }, as: UTF8.self) }
    }

    @Test(arguments: ["hunter2", "hunter2\n", "hunter2\r\n"])
    func `a secret is one line of its file`(contents: String) throws {
        let file = directory("secret")
        try AtomicFile.write(path: file, bytes: Array(contents.utf8), mode: 0o600)
        #expect(try resolve("file:\(file)") == "hunter2")
    }

    @Test(arguments: ["", "\n", "a\nb", "a\u{0}b", "a\n\n"])
    func `refuses a secret that is none`(contents: String) throws {
        let file = directory("secret")
        try AtomicFile.write(path: file, bytes: Array(contents.utf8), mode: 0o600)
        let error = try #require(throws: SecretFailure.self) { try resolve("file:\(file)") }
        #expect(error == .empty(.file(file)) || error == .malformed(.file(file)))
    }

    @Test func `refuses a secret that others can write or nobody can read`() throws {
        let file = directory("secret")
        #expect(throws: SecretFailure.unreadable(path: file, .noSuchFile)) { try resolve("file:\(file)") }
        try AtomicFile.write(path: file, bytes: Array("x".utf8), mode: 0o622)
        #expect(throws: SecretFailure.writableByOthers(path: file)) { try resolve("file:\(file)") }
    }

    @Test func `takes a secret from the environment`() throws {
        #expect(try resolve("env:PATH") == Environment.variable("PATH"))
        #expect(throws: SecretFailure.notSet(variable: "GATEHOUSE_NO_SUCH")) { try resolve("env:GATEHOUSE_NO_SUCH") }
        #expect(throws: SecretFailure.noKeyring) { try resolve("keyring:x") }
    }
}
