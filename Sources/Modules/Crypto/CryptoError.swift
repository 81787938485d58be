// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// Why a cryptographic operation was not done. None of them says anything about a key's value.
package enum CryptoError: Error, Equatable, Sendable {
    /// A key, nonce, tag or seed of a length the algorithm does not have.
    case length(expected: Int, actual: Int)
    /// A parameter outside its range; the text names it.
    case parameter(String)
    /// What was opened or verified is not what was sealed or signed: wrong key, changed bytes, or neither of ours.
    case notAuthentic
    /// OpenSSL refused what it should have done: the operation and OpenSSL's own reason.
    case library(operation: String, reason: String)
}

extension CryptoError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .length(let expected, let actual): "a length of \(actual) bytes where \(expected) are needed"
        case .parameter(let name): "the parameter \(name) is out of range"
        case .notAuthentic: "the bytes are not authentic"
        case .library(let operation, let reason): "\(operation): \(reason)"
        }
    }
}

/// OpenSSL's queue of errors, one a thread. Whoever sees a call fail empties it: TLS on the same thread would take an old
/// entry for its own (SSL_get_error(3)).
enum OpenSSLErrors {
    /// Empties the queue and gives its first entry as an error.
    static func take(_ operation: String) -> CryptoError {
        let code = ERR_get_error()
        var text = [CChar](repeating: 0, count: 256)
        // The buffer holds 256 bytes; OpenSSL ends its text with a zero within them.
        unsafe text.withUnsafeMutableBufferPointer { unsafe ERR_error_string_n(code, $0.baseAddress, $0.count) }
        ERR_clear_error()
        let bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return .library(operation: operation, reason: code == 0 ? "unknown" : String(decoding: bytes, as: UTF8.self))
    }

    /// For calls that fail only when memory is gone or the library is broken: to go on with a digest that was not
    /// computed would be worse than to stop.
    static func require(_ success: CInt, _ operation: StaticString) {
        if success != 1 { fatalError("\(take("\(operation)"))") }
    }

    /// The same for calls that give a pointer.
    static func require(_ pointer: OpaquePointer?, _ operation: StaticString) -> OpaquePointer {
        guard let pointer = unsafe pointer else { fatalError("\(take("\(operation)"))") }
        return unsafe pointer
    }
}
