// SPDX-License-Identifier: Apache-2.0

import Core

/// Files that a tenant keeps, on their way into a workspace and out of it.
extension Sandbox {
    /// - Parameters:
    ///   - wanted: ids, each with the name that the request gives the file; nil for its own.
    ///   - bytesMax: of all together.
    func open(
        _ wanted: [(name: [UInt8]?, id: String)], for exchange: Exchange, bytesMax: Int
    ) async throws(Failure) -> [BoxOrder.File] {
        guard !wanted.isEmpty else { return [] }
        guard let files else {
            throw Failure(.disabled, "this server keeps no files, so that there is none to be named", param: "file_id")
        }
        var left = bytesMax
        var found: [BoxOrder.File] = []
        for (name, id) in wanted {
            let file = try await files.read(id, for: exchange, bytesMax: left)
            left -= file.content.count
            found.append(BoxOrder.File(name: name ?? Self.name(of: file, id), content: file.content))
        }
        return found
    }

    /// A kept file is called as its uploader pleased; below a workspace that must be a path.
    private static func name(of file: StoredFile, _ id: String) -> [UInt8] {
        Array(((try? WorkspacePath.check(file.name)) != nil ? file.name : id).utf8)
    }

    /// Refuses at once a request whose results are to be kept and may not be.
    func requireKeeping(_ exchange: Exchange) async throws(Failure) {
        guard let files else { throw Failure(.disabled, "this server keeps no files", param: "store") }
        try await files.admit(exchange)
    }

    /// Keeps what a run left, as far as that is possible.
    ///
    /// - Returns: the ids, by name.
    func keep(
        _ left: [BoxOrder.File], in files: any TenantFiles, for exchange: Exchange
    ) async -> [[UInt8]: String] {
        var ids: [[UInt8]: String] = [:]
        for file in left {
            let stored = StoredFile(
                name: String(decoding: file.name, as: UTF8.self), mediaType: MediaType.of(file), content: file.content)
            guard let id = try? await files.keep(stored, for: exchange) else { continue }
            ids[file.name] = id
        }
        return ids
    }
}
