// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import Platform

// Between our addresses and the kernel's `sockaddr`.
extension SocketAddress {
    /// AF_INET, AF_INET6 or AF_UNIX.
    var family: CInt {
        switch self {
        case .ip(let address, _, _): address.isV6 ? AF_INET6 : AF_INET
        case .unix: AF_UNIX
        }
    }

    /// Lends the address in the kernel's form. ENAMETOOLONG for a path that does not fit.
    func withSystem<Result>(
        _ body: (UnsafePointer<sockaddr>, socklen_t) throws(Errno) -> Result
    ) throws(Errno) -> Result {
        switch self {
        case .ip(.v4(let number), let port, _):
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = number.bigEndian
            return try unsafe Self.lend(&address, MemoryLayout<sockaddr_in>.size, body)
        case .ip(.v6(let high, let low), let port, let scope):
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = port.bigEndian
            address.sin6_scope_id = scope
            // SAFETY: in6_addr is sixteen bytes, as are two numbers.
            unsafe withUnsafeMutableBytes(of: &address.sin6_addr) { bytes in
                unsafe bytes.storeBytes(of: high.bigEndian, as: UInt64.self)
                unsafe bytes.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
            }
            return try unsafe Self.lend(&address, MemoryLayout<sockaddr_in6>.size, body)
        case .unix(let path):
            let bytes = Array(path.utf8)
            guard bytes.count <= EventLoopLimits.unixPathBytes else { throw .nameTooLong }
            guard !bytes.isEmpty, !bytes.contains(0) else { throw .invalidArgument }
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            // SAFETY: 108 bytes, zero from the start, and the path is at most 107.
            unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
            return try unsafe Self.lend(&address, MemoryLayout<sockaddr_un>.size, body)
        }
    }

    private static func lend<Address, Result>(
        _ address: inout Address, _ size: Int, _ body: (UnsafePointer<sockaddr>, socklen_t) throws(Errno) -> Result
    ) throws(Errno) -> Result {
        // SAFETY: all of these begin like `sockaddr`, and the length says how much there is. The pointer lives through
        // the call.
        try unsafe withUnsafePointer(to: &address) { (pointer) throws(Errno) -> Result in
            try unsafe body(UnsafeRawPointer(pointer).assumingMemoryBound(to: sockaddr.self), socklen_t(size))
        }
    }

    /// Reads an address the kernel gives: `call` is getsockname(2), accept(2) or the like. Nil when the call fails or
    /// the family is none of ours. An IPv4 address in IPv6 clothes becomes IPv4.
    static func read(
        _ call: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> CInt
    ) -> (result: CInt, address: SocketAddress?) {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        // SAFETY: the storage is as long as any address, the pointer lives through the call, and the kernel says in
        // the first field which form it wrote.
        return unsafe withUnsafeMutableBytes(of: &storage) { bytes in
            guard let start = bytes.baseAddress else { return (-1, nil) }
            let result = unsafe call(start.assumingMemoryBound(to: sockaddr.self), &length)
            guard result >= 0 else { return (result, nil) }
            return (result, unsafe SocketAddress(system: UnsafeRawBufferPointer(bytes), length: Int(length)))
        }
    }

    /// Reads the kernel's form. Nil for families other than ours.
    init?(system bytes: UnsafeRawBufferPointer, length: Int) {
        guard length >= MemoryLayout<sa_family_t>.size else { return nil }
        switch CInt(unsafe bytes.loadUnaligned(as: sa_family_t.self)) {
        case AF_INET where length >= MemoryLayout<sockaddr_in>.size:
            let address = unsafe bytes.loadUnaligned(as: sockaddr_in.self)
            self = .ip(.v4(UInt32(bigEndian: address.sin_addr.s_addr)), port: UInt16(bigEndian: address.sin_port))
        case AF_INET6 where length >= MemoryLayout<sockaddr_in6>.size:
            let address = unsafe bytes.loadUnaligned(as: sockaddr_in6.self)
            // SAFETY: `sin6_addr` is the sixteen bytes after family, port and flow information.
            let high = unsafe UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            let low = unsafe UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
            let port = UInt16(bigEndian: address.sin6_port)
            if high == 0, low >> 32 == 0xFFFF {
                self = .ip(.v4(UInt32(truncatingIfNeeded: low)), port: port)
            } else {
                self = .ip(.v6(high: high, low: low), port: port, scope: address.sin6_scope_id)
            }
        case AF_UNIX:
            let copy = unsafe Array(bytes)
            self = .unix(path: String(decoding: copy.prefix(length).dropFirst(2).prefix { $0 != 0 }, as: UTF8.self))
        default:
            return nil
        }
    }
}
