// SPDX-License-Identifier: Apache-2.0

import Platform
import SQLite

/// Why the keyring did not do what it was asked. Nothing was changed, unless the case says otherwise.
enum KeyringFailure: Error, Sendable {
    /// Too much work waits for the keyring's thread.
    case busy
    /// The keyring is closed.
    case stopped
    /// There is no such tenant, or none any more.
    case unknownTenant
    /// The object or tenant was erased, and its name is not given again.
    case erased
    /// What should be made exists already.
    case exists
    /// Something does not open, or is not what was written; the text names it.
    case damaged(String)
    /// An older copy of a file was put back; the text names the file and says what shows it.
    case older(file: String, String)
    /// What was asked cannot be done; the text says why.
    case refused(String)
    /// SQLite refused.
    case failed(SQLiteError)
    /// A file beside the database could not be read or written.
    case file(path: String, Errno)
}

extension KeyringFailure: CustomStringConvertible {
    /// One sentence without capital or full stop; no secret is in it.
    var description: String {
        switch self {
        case .busy: "too much work waits for the keyring"
        case .stopped: "the keyring is closed"
        case .unknownTenant: "there is no such tenant in the keyring"
        case .erased: "it was erased"
        case .exists: "it exists already"
        case .damaged(let what): "\(what) is damaged, or not from this keyring"
        case .older(let file, let evidence): "an older copy of \(file) was put back: \(evidence)"
        case .refused(let why): why
        case .failed(let error): "the keyring: \(error)"
        case .file(let path, let error): "\(path): \(error)"
        }
    }
}

extension KeyringFailure {
    /// Whether the failure is the disk's or the file's, so that no other work of the same commit can succeed.
    var concernsFile: Bool {
        guard case .failed(let error) = self else { return false }
        switch error.kind {
        case .full, .unavailable, .corrupt, .busy: return true
        default: return false
        }
    }
}
