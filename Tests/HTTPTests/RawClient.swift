// SPDX-License-Identifier: Apache-2.0

import Glibc
import Platform

/// A client that sends exactly the bytes it is told to, with blocking calls on the test's own thread.
final class RawClient {
    struct Failure: Error {
        let call: String
        let number: Errno
    }

    private let descriptor: CInt
    private var received: [UInt8] = []

    /// Connects to a port of the loopback, or to a local socket.
    init(_ address: SocketAddress) throws(Failure) {
        switch address {
        case .unix(let path):
            descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
            var name = sockaddr_un()
            name.sun_family = sa_family_t(AF_UNIX)
            // The tests' paths are shorter than the field, which is zero from the start.
            unsafe withUnsafeMutableBytes(of: &name.sun_path) { unsafe $0.copyBytes(from: Array(path.utf8)) }
            try connect(&name, MemoryLayout<sockaddr_un>.size)
        case .ip(_, let port, _):
            descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
            var one: CInt = 1
            // The value lives through the call.
            unsafe setsockopt(descriptor, CInt(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<CInt>.size))
            var name = sockaddr_in()
            name.sin_family = sa_family_t(AF_INET)
            name.sin_port = port.bigEndian
            name.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            try connect(&name, MemoryLayout<sockaddr_in>.size)
        }
    }

    deinit { close() }

    private var isClosed = false

    func close() {
        if !isClosed { Glibc.close(descriptor) }
        isClosed = true
    }

    /// Closes with a reset.
    func reset() {
        var option = linger(l_onoff: 1, l_linger: 0)
        // The value lives through the call.
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        close()
    }

    func shutdownWriting() {
        shutdown(descriptor, CInt(SHUT_WR))
    }

    /// Makes the kernel hold little for this client, before anything is sent.
    func shrinkReceiveBuffer() {
        var size: CInt = 32_768
        // The value lives through the call.
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<CInt>.size))
    }

    func send(_ text: String) throws(Failure) {
        try send(Array(text.utf8))
    }

    func send(_ bytes: [UInt8]) throws(Failure) {
        var rest = bytes[...]
        while !rest.isEmpty {
            // The slice lives through the call.
            let count = unsafe rest.withUnsafeBytes {
                unsafe Glibc.send(descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Failure(call: "send", number: .last) }
            rest = rest.dropFirst(count)
        }
    }

    /// Sends one byte at a time, each in a packet of its own.
    func sendSlowly(_ text: String, pauseMicroseconds: UInt32 = 200) throws(Failure) {
        for byte in text.utf8 {
            try send([byte])
            usleep(pauseMicroseconds)
        }
    }

    /// Reads until `ending` has come; what follows stays for the next call.
    func read(through ending: String, within milliseconds: Int = 5000) throws(Failure) -> String {
        let mark = Array(ending.utf8)
        while true {
            if let range = received.firstRange(of: mark) {
                let text = String(decoding: received[..<range.upperBound], as: UTF8.self)
                received.removeSubrange(..<range.upperBound)
                return text
            }
            guard try fill(milliseconds) else {
                throw Failure(
                    call: "end before \(ending.debugDescription): \(String(decoding: received, as: UTF8.self))",
                    number: Errno(0))
            }
        }
    }

    /// Reads to the end of the connection.
    func readAll(within milliseconds: Int = 5000) throws(Failure) -> String {
        while try fill(milliseconds) {}
        defer { received = [] }
        return String(decoding: received, as: UTF8.self)
    }

    /// True if nothing arrives for so long.
    func isSilent(for milliseconds: Int) -> Bool {
        received.isEmpty && !isReadable(milliseconds)
    }

    private func isReadable(_ milliseconds: Int) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        // One entry, which lives through the call.
        return unsafe poll(&entry, 1, CInt(milliseconds)) > 0
    }

    private func fill(_ milliseconds: Int) throws(Failure) -> Bool {
        guard isReadable(milliseconds) else { throw Failure(call: "poll", number: .timedOut) }
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = unsafe buffer.withUnsafeMutableBytes { unsafe recv(descriptor, $0.baseAddress, $0.count, 0) }
        guard count >= 0 else { throw Failure(call: "recv", number: .last) }
        received += buffer.prefix(count)
        return count > 0
    }

    private func connect<Name>(_ name: inout Name, _ size: Int) throws(Failure) {
        // All of these begin like `sockaddr`, and the length says how much there is.
        let result = unsafe withUnsafePointer(to: &name) { pointer in
            unsafe Glibc.connect(
                descriptor, UnsafeRawPointer(pointer).assumingMemoryBound(to: sockaddr.self), socklen_t(size))
        }
        guard result == 0 else { throw Failure(call: "connect", number: .last) }
    }
}

extension Array where Element == UInt8 {
    fileprivate func firstRange(of mark: [UInt8]) -> Range<Int>? {
        guard count >= mark.count else { return nil }
        for start in 0...(count - mark.count) where self[start..<(start + mark.count)].elementsEqual(mark) {
            return start..<(start + mark.count)
        }
        return nil
    }
}
