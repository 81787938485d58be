// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
package import Platform

/// A socket that listens but is in no loop yet. Making it is where a port that is taken shows, before anything starts.
package struct ListeningSocket: ~Copyable, Sendable {
    /// Where it listens, with the port the kernel chose if 0 was asked for.
    package let address: SocketAddress
    /// True when other loops accept from the same queue.
    let isShared: Bool
    let descriptor: FileDescriptor
    private let file: LocalSocketFile?

    /// Binds and listens.
    ///
    /// TCP: SO_REUSEADDR, so that a port on which only old connections end is free. `::` takes IPv4 connections as well.
    /// An address on which anybody listens is EADDRINUSE; with `sharesPort`, `sibling` may join afterwards. A local
    /// socket's file has mode 0600 from its first moment; a file left behind by a process that is gone is replaced, one
    /// that somebody listens on is EADDRINUSE.
    package init(on address: SocketAddress, backlog: Int = 1_024, sharesPort: Bool = false) throws(Errno) {
        try self.init(on: address, backlog: backlog, port: sharesPort ? .opened : .alone)
    }

    /// Another queue on the same port (SO_REUSEPORT), for another loop. Of a socket made with `sharesPort`.
    package borrowing func sibling(backlog: Int = 1_024) throws(Errno) -> ListeningSocket {
        try ListeningSocket(on: address, backlog: backlog, port: .joined)
    }

    /// Who may listen on the port of a TCP socket.
    private enum Port {
        /// This socket alone.
        case alone
        /// This socket, which must be the first, and then its siblings. With SO_REUSEPORT from the start, another server of
        /// the same user on this port would not be noticed, and the kernel would give it a share of the connections.
        case opened
        /// This socket beside those that are there.
        case joined
    }

    private init(on address: SocketAddress, backlog: Int, port: Port) throws(Errno) {
        let descriptor = FileDescriptor(owning: try Errno.check { clinux_stream_socket(address.family) })
        let number = descriptor.rawValue
        var file: LocalSocketFile?
        if case .unix(let path) = address {
            try LocalSocketFile.removeStale(path)
            // The file is made with the mode of the socket's own inode (unix(7)), so there is no moment without it.
            try Errno.check { fchmod(number, 0o600) }
        } else {
            try Errno.check { clinux_prepare_listening(number, address.family) }
            if port == .joined { try Errno.check { clinux_share_port(number) } }
            try Self.boundUnsent(number)
        }
        try unsafe address.withSystem { (pointer, length) throws(Errno) in
            _ = try Errno.check { unsafe bind(number, pointer, length) }
        }
        if case .unix(let path) = address { file = LocalSocketFile(path) }
        if port == .opened { try Errno.check { clinux_share_port(number) } }
        try Errno.check { listen(number, CInt(clamping: backlog)) }
        self.address = try Self.address(of: number)
        self.file = file
        self.descriptor = descriptor
        isShared = false
    }

    /// Takes over a socket somebody else bound (systemd's socket activation). Several loops accept from duplicates of it,
    /// and the kernel wakes one of them a connection (EPOLLEXCLUSIVE).
    /// - Throws: ENOTSOCK, or EINVAL when it does not listen for a stream.
    package init(adopting descriptor: consuming FileDescriptor) throws(Errno) {
        let number = descriptor.rawValue
        guard try Self.option(number, SO_ACCEPTCONN) == 1, try Self.option(number, SO_TYPE) == clinux_SOCK_STREAM
        else { throw .invalidArgument }
        let flags = try Errno.check { fcntl(number, F_GETFL) }
        try Errno.check { fcntl(number, F_SETFL, flags | O_NONBLOCK) }
        try Errno.check { fcntl(number, F_SETFD, FD_CLOEXEC) }
        let address = try Self.address(of: number)
        if address.port != nil { try Self.boundUnsent(number) }
        self.address = address
        self.descriptor = descriptor
        file = nil
        isShared = true
    }

    private init(_ descriptor: consuming FileDescriptor, _ address: SocketAddress, _ file: LocalSocketFile?) {
        self.descriptor = descriptor
        self.address = address
        self.file = file
        isShared = true
    }

    /// The same queue for another loop.
    package borrowing func duplicate() throws(Errno) -> ListeningSocket {
        ListeningSocket(try descriptor.duplicate(), address, file)
    }

    /// Whoever asks for much and reads nothing holds this much of the kernel's memory, for each connection.
    private static func boundUnsent(_ descriptor: CInt) throws(Errno) {
        try Errno.check { clinux_bound_unsent(descriptor, CInt(EventLoopLimits.unsentBytesMax)) }
    }

    private static func option(_ descriptor: CInt, _ name: CInt) throws(Errno) -> CInt {
        var value: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        // SAFETY: both live through the call, and the length is that of the value.
        try Errno.check { unsafe getsockopt(descriptor, SOL_SOCKET, name, &value, &length) }
        return value
    }

    private static func address(of descriptor: CInt) throws(Errno) -> SocketAddress {
        let (result, address) = unsafe SocketAddress.read { unsafe getsockname(descriptor, $0, $1) }
        guard result == 0 else { throw .last }
        guard let address else { throw .invalidArgument }
        return address
    }
}

/// The file of a local socket, removed when the last listener on it goes away, if it is still the same file.
private final class LocalSocketFile: Sendable {
    private let path: String
    private let device: dev_t
    private let inode: ino_t

    init?(_ path: String) {
        guard let found = Self.look(path) else { return nil }
        self.path = path
        device = found.st_dev
        inode = found.st_ino
    }

    deinit {
        guard let found = Self.look(path), found.st_dev == device, found.st_ino == inode else { return }
        unsafe unlink(path)
    }

    /// Removes a socket file on which nobody listens any more. Anything else in its place is EEXIST.
    static func removeStale(_ path: String) throws(Errno) {
        guard let found = look(path) else { return }
        guard found.st_mode & S_IFMT == S_IFSOCK else { throw .fileExists }
        let probe = FileDescriptor(owning: try Errno.check { clinux_stream_socket(AF_UNIX) })
        let number = probe.rawValue
        let answer = try unsafe SocketAddress.unix(path: path).withSystem { (pointer, length) throws(Errno) in
            unsafe connect(number, pointer, length) == 0 ? nil : Errno.last
        }
        // A full backlog (EAGAIN) is somebody too.
        guard answer == .connectionRefused else { throw .addressInUse }
        try Errno.check { unsafe unlink(path) }
    }

    private static func look(_ path: String) -> stat? {
        var found = stat()
        // SAFETY: the structure lives through the call.
        return unsafe lstat(path, &found) == 0 ? found : nil
    }
}
