// SPDX-License-Identifier: Apache-2.0

import Glibc
import Platform

/// Looks at whose the house's files are, and who may read them.
struct FileFacts {
    let dataDirectory: String
    /// Files with a root key, as `[store] unlock` names them.
    let keyFiles: [String]

    /// A data directory has few files for each tenant; more than these are not looked at.
    static let filesMax = 20_000

    var findings: [Finding] { [dataFinding] + keyFiles.map(keyFinding) }

    private var dataFinding: Finding {
        guard let status = try? FileStatus(path: dataDirectory), status.kind == .directory else {
            return Finding(
                "file.data", .note, "the data directory \(dataDirectory) is not there yet",
                mend: "the first start makes it")
        }
        if status.isOpenToOthers {
            return Finding(
                "file.data", .fault, "others may look into the data directory \(dataDirectory)",
                mend: "chmod 700 \(dataDirectory)")
        }
        var (folders, seen) = ([dataDirectory], 0)
        while let folder = folders.popLast(), seen < Self.filesMax {
            for name in Self.names(in: folder) {
                let path = folder + "/" + name
                seen += 1
                guard let found = try? FileStatus(path: path, followingLinks: false) else { continue }
                if found.kind == .symbolicLink {
                    return Finding(
                        "file.data", .warning, "\(path) is a link, which this program does not make",
                        mend: "see who made it")
                }
                // Nobody but this user reaches it, since the directory above is closed; it was made open all the same.
                if found.isOpenToOthers {
                    return Finding("file.data", .warning, "\(path) is open to others", mend: "chmod go= \(path)")
                }
                if found.owner != status.owner {
                    return Finding(
                        "file.data", .fault,
                        "\(path) belongs to user \(found.owner), and its directory to \(status.owner)",
                        mend: "chown -R \(status.owner):\(status.group) \(dataDirectory)")
                }
                if found.kind == .directory { folders.append(path) }
            }
        }
        return Finding("file.data", "\(dataDirectory): \(seen) files, all closed to others")
    }

    private func keyFinding(_ path: String) -> Finding {
        guard let status = try? FileStatus(path: path) else {
            guard (try? FileStatus(path: dataDirectory)) != nil else {
                return Finding(
                    "file.root-key", .note, "the root key \(path) is not there yet, and nothing that it opens",
                    mend: "gatehouse setup, or in development the first start, makes it")
            }
            return Finding(
                "file.root-key", .fault, "the root key \(path) is not there, or may not be looked at",
                mend: "without it nothing that is stored can be read: put back the copy that you keep elsewhere")
        }
        guard !status.isOpenToOthers else {
            return Finding("file.root-key", .fault, "others may read the root key \(path)", mend: "chmod 600 \(path)")
        }
        return Finding("file.root-key", "\(path) is closed to others")
    }

    static func names(in folder: String) -> [String] {
        guard let handle = unsafe opendir(folder) else { return [] }
        defer { unsafe closedir(handle) }
        var found: [String] = []
        while let entry = unsafe readdir(handle) {
            // SAFETY: the entry lives until the next call, and its name is terminated (readdir(3)).
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != ".", name != ".." { found.append(name) }
        }
        return found.sorted()
    }
}
