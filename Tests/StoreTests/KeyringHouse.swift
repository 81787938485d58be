// SPDX-License-Identifier: Apache-2.0

import Core
import Platform
import Support
import Testing

@testable import Store

/// A data directory with a keyring in it, and a key file beside it.
final class KeyringHouse {
    let directory: TemporaryDirectory
    let data: String
    let keyFile: String

    init() throws {
        directory = try TemporaryDirectory()
        data = directory("data")
        keyFile = directory("root.key")
        try AtomicFile.makeDirectory(path: data, mode: 0o700)
        try AtomicFile.write(path: keyFile, bytes: Random.bytes(32), mode: 0o400)
    }

    func open(_ unlock: [UnlockSource]? = nil, makesKeyFile: Bool = false) throws -> Keyring {
        try KeyringOpening(directory: data, unlock: unlock ?? [.file(keyFile)], makesKeyFile: makesKeyFile).open()
    }

    /// Why the keyring is not opened; `nil` where it is.
    func refusal(_ unlock: [UnlockSource]? = nil) -> String? {
        do {
            try open(unlock).close()
            return nil
        } catch {
            return "\((error as? StartFailure)?.message ?? "\(error)")"
        }
    }

    func path(_ name: String) -> String { "\(data)/\(name)" }

    func bytes(_ name: String) throws -> [UInt8] { try AtomicFile.read(path: path(name), bytesMax: 1 << 28) }

    func put(_ bytes: [UInt8], _ name: String) throws {
        try AtomicFile.write(path: path(name), bytes: bytes, mode: 0o600)
    }

    static let names = ["keyring.slots", "epoch.key", "keyring.db"]

    /// The files of the keyring as they are now. The keyring must be closed, so that nothing is left in a WAL.
    func copy() throws -> [String: [UInt8]] {
        var copy: [String: [UInt8]] = [:]
        for name in Self.names { copy[name] = try bytes(name) }
        return copy
    }

    func restore(_ copy: [String: [UInt8]], _ names: [String] = names) throws {
        for name in names { try put(copy[name] ?? [], name) }
    }
}

extension TenantID {
    static let red = TenantID("ten_01J00000000000000000000RED")
    static let blue = TenantID("ten_01J0000000000000000000B1VE")
}

extension ObjectID {
    init(number: Int) { self.init("thr_\(String(repeating: "0", count: 26 - "\(number)".count))\(number)") }
}

extension ObjectKey {
    func seal(_ plain: Span<UInt8>, in cell: Cell, of tenant: TenantID) throws(KeyringFailure) -> [UInt8] {
        try FieldCipher(tenant).seal(plain, in: cell, with: self)
    }

    func open(_ frame: [UInt8], in cell: Cell, of tenant: TenantID) throws(KeyringFailure) -> [UInt8] {
        try FieldCipher(tenant).open(frame.span, in: cell, with: self)
    }
}

extension Keyring {
    /// Makes the key of a new object; durable when it returns.
    @discardableResult
    func createObjectKey(_ tenant: TenantID, _ object: ObjectID) throws(KeyringFailure) -> ObjectKey {
        let new = try beginObjectKey(tenant, object)
        try finish([new])
        return new.key
    }
}
