// SPDX-License-Identifier: Apache-2.0

import Glibc
import Platform
import TOML

/// The configuration file while the modules take their settings from it.
///
/// Each module takes the keys of its section, one a line, with type, range and default; `finish()` then refuses what
/// nobody has taken. What was asked for is noted as it is asked (`keysTaken`), so the table of all keys that the manual
/// and the tests need is the code itself.
///
/// It lives on one thread, at the start and again at a reload, and touches nothing but the one file.
package final class Configuration {
    /// The file's name as it was given, for messages.
    package var file: String { source.file }
    /// The keys above the first header.
    package let root: Section

    private let source: ConfigurationSource
    private let ledger = KeyLedger()

    /// Reads a text. `file` is what messages call it.
    package init(text: String, file: String = "configuration") throws(ConfigurationError) {
        let (source, table) = try Self.parse(Array(text.utf8), file: file)
        self.source = source
        root = Section(path: "", header: nil, table: table, source: source, ledger: ledger)
    }

    /// Reads a file, if it is one that nobody but root and the caller can have written (see `readTrusted`).
    package init(file: String) throws(ConfigurationError) {
        let (source, table) = try Self.parse(try Self.readTrusted(file), file: file)
        self.source = source
        root = Section(path: "", header: nil, table: table, source: source, ledger: ledger)
    }

    /// The section `[name]`, or nil where the file has none: the module it turns on is off.
    package func section(_ name: String) throws(ConfigurationError) -> Section? {
        try root.takeSection(name)
    }

    /// Every key that was asked for so far, whether or not the file has it, in the order in which it was.
    package var keysTaken: [KeyRecord] { ledger.keys }

    /// Refuses whatever the file says that nobody has asked for: the first ten such places, by position.
    package func finish() throws(ConfigurationError) {
        let unknown = root.unknown().sorted { $0.position < $1.position }
        guard let first = unknown.first else { return }
        var error = first.error
        error.others = unknown.dropFirst().prefix(ConfigurationError.countMax - 1).map(\.error)
        error.uncounted = unknown.count - 1 - error.others.count
        throw error
    }

    private static func parse(
        _ bytes: [UInt8], file: String
    ) throws(ConfigurationError) -> (ConfigurationSource, TOMLTable) {
        do {
            let table = try TOMLDocument(parsing: bytes).root
            return (ConfigurationSource(file: file, bytes: bytes, table: table), table)
        } catch {
            throw ConfigurationSource(file: file, bytes: bytes, table: TOMLTable()).error(error)
        }
    }

    /// The bytes of a regular file that belongs to root or the caller, and that group and others cannot write.
    ///
    /// The open file is judged, not its name: a link may lead to it, and nobody can put another file under the name
    /// between the judgement and the reading. An access control list that lets somebody write shows in the group's
    /// bits (acl(5)).
    private static func readTrusted(_ file: String) throws(ConfigurationError) -> [UInt8] {
        let refusal: (message: String, hint: String?)
        do throws(Errno) {
            // Not to wait for a writer where somebody put a pipe, nor to become a terminal's owner.
            let flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK
            let descriptor = FileDescriptor(owning: try Errno.check { unsafe open(file, flags) })
            if let distrust = distrust(try FileStatus(of: descriptor)) {
                refusal = distrust
            } else {
                return try AtomicFile.read(descriptor, bytesMax: TOMLLimits.bytesMax)
            }
        } catch {
            let message =
                error == .fileTooLarge ? "larger than \(TOMLLimits.bytesMax) bytes" : "cannot be read: \(error)"
            throw ConfigurationError(file: file, message: message)
        }
        throw ConfigurationError(file: file, message: refusal.message, hint: refusal.hint)
    }

    private static func distrust(_ status: FileStatus) -> (message: String, hint: String?)? {
        if status.kind != .regular { return ("not a regular file", nil) }
        if status.owner != 0, status.owner != geteuid() {
            return (
                "belongs to user \(status.owner), who is neither root nor the one who runs this",
                "whoever owns the configuration decides what the gateway does; change the owner with chown"
            )
        }
        if status.isWritableByOthers {
            return (
                "can be written by others (mode \(String(status.mode, radix: 8)))", "take that away with chmod go-w"
            )
        }
        return nil
    }
}
