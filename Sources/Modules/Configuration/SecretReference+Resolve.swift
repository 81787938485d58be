// SPDX-License-Identifier: Apache-2.0

import Glibc
package import Platform

/// Why a secret could not be had. It names the place, never what was found there.
package enum SecretFailure: Error, Equatable, Sendable {
    case notSet(variable: String)
    case noCredentials
    case unreadable(path: String, Errno)
    case writableByOthers(path: String)
    case empty(SecretReference)
    case malformed(SecretReference)
    case noKeyring
}

extension SecretFailure: CustomStringConvertible {
    /// One sentence without capital or full stop.
    package var description: String {
        switch self {
        case .notSet(let variable): "the environment has no variable \(variable)"
        case .noCredentials: "systemd handed over no credentials (CREDENTIALS_DIRECTORY is not set)"
        case .unreadable(let path, let error): "\(path) cannot be read: \(error)"
        case .writableByOthers(let path): "\(path) can be written by others; take that away with chmod go-w"
        case .empty(let place): "\(place) is empty"
        case .malformed(let place): "\(place) has more than one line, or control characters"
        case .noKeyring: "there is no keyring to take the secret from"
        }
    }
}

extension SecretReference {
    /// The largest secret, in bytes.
    package static let bytesMax = 64 * 1024

    /// Reads the secret, which is one line; the line break at its end does not belong to it. Blocks on a file: at the
    /// start and at a reload only. The keyring is not read here but by the store that has it.
    package func resolve() throws(SecretFailure) -> SecretBytes {
        var bytes: [UInt8]
        switch self {
        case .environment(let name): bytes = try Self.variable(name)
        case .file(let path): bytes = try Self.contents(path)
        case .credential(let name):
            // Set by systemd before the first thread; the text is copied at once.
            guard let directory = unsafe getenv("CREDENTIALS_DIRECTORY") else { throw .noCredentials }
            bytes = try Self.contents("\(unsafe String(cString: directory))/\(name)")
        case .keyring: throw .noKeyring
        }
        defer { SecretBytes.wipe(&bytes) }
        if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        if bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
        guard !bytes.isEmpty else { throw .empty(self) }
        // A line break inside would end a header line of the request that carries the secret.
        guard bytes.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else { throw .malformed(self) }
        return SecretBytes(copying: bytes.span)
    }

    private static func variable(_ name: String) throws(SecretFailure) -> [UInt8] {
        // The environment is set before the first thread and never changed; the text is copied at once.
        guard let value = unsafe getenv(name) else { throw .notSet(variable: name) }
        // As many bytes as are before the terminating zero.
        return unsafe Array(UnsafeRawBufferPointer(start: value, count: strlen(value)))
    }

    private static func contents(_ path: String) throws(SecretFailure) -> [UInt8] {
        let isTrusted: Bool
        do throws(Errno) {
            let flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK
            let descriptor = FileDescriptor(owning: try Errno.check { unsafe open(path, flags) })
            isTrusted = !(try FileStatus(of: descriptor)).isWritableByOthers
            if isTrusted { return try AtomicFile.read(descriptor, bytesMax: bytesMax) }
        } catch {
            throw .unreadable(path: path, error)
        }
        throw .writableByOthers(path: path)
    }
}
