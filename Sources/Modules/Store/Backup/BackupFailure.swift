// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import SQLite

/// Why there is no backup, or why one was not restored. A copy that was not finished is not taken for one.
enum BackupFailure: Error, Sendable {
    /// A file or directory could not be read or written.
    case file(path: String, Errno)
    /// A file of a backup is not what was written into it; the second text says what shows it.
    case damaged(file: String, String)
    /// What was asked cannot be done; the text says why, and what to do about it.
    case refused(String, hint: String?)
    /// A database of the store cannot be copied.
    case database(file: String, DatabaseFailure)
    case keyring(KeyringFailure)

    var message: String {
        switch self {
        case .file(let path, let error): return "\(path): \(error)"
        case .damaged(let file, let evidence): return "\(file) is damaged: \(evidence)"
        case .refused(let why, _): return why
        case .database(let file, let failure):
            let failure = Failure(failure)
            return "\(file) cannot be copied: \(failure.cause ?? failure.message)"
        case .keyring(let failure): return failure.description
        }
    }

    var hint: String? {
        switch self {
        case .file(_, .noSpace): "make room, or give `[store] backup` another place"
        case .file(_, .permissionDenied): "the server's user must be able to read and write there"
        case .file, .keyring: nil
        case .damaged: "take another one: gatehouse backup list shows what there is"
        case .refused(_, let hint): hint
        case .database: "gatehouse store verify names what is damaged"
        }
    }

    /// Does work on files.
    static func file<Result>(
        _ path: String, _ body: () throws(Errno) -> Result
    ) throws(BackupFailure) -> Result {
        do throws(Errno) {
            return try body()
        } catch {
            throw .file(path: path, error)
        }
    }

    /// Does work on the keyring.
    static func keyring<Result>(_ body: () throws(KeyringFailure) -> Result) throws(BackupFailure) -> Result {
        do throws(KeyringFailure) {
            return try body()
        } catch {
            throw .keyring(error)
        }
    }

    /// Does work on a database of the store.
    static func database<Result>(
        _ file: String, _ body: () throws(DatabaseFailure) -> Result
    ) throws(BackupFailure) -> Result {
        do throws(DatabaseFailure) {
            return try body()
        } catch {
            throw .database(file: file, error)
        }
    }
}

extension StartFailure {
    init(_ failure: BackupFailure) { self.init(failure.message, hint: failure.hint) }
}
