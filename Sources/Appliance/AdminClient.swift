// SPDX-License-Identifier: Apache-2.0

import Bytes
import Glibc
import HTTP
import JSON
import Platform

/// The command line's side of the admin socket: one request, one answer, and the connection is over. It may block, since
/// nothing else happens in a command.
struct AdminClient {
    /// Path of the socket of a running server.
    let socketPath: String

    /// Longer answers are refused; the longest lists have pages.
    static let answerBytesMax = 16 << 20
    /// How long a server may take to answer; to check a large file takes it minutes.
    static let timeoutSeconds = 3600

    /// Why there is no answer.
    enum Failure: Error {
        /// Nobody listens at the socket.
        case notRunning(path: String)
        /// The socket is not ours to open.
        case forbidden(path: String)
        /// The connection broke, or what came is not an answer.
        case broken(String)
        /// The server refused; its own sentence, code and request id.
        case refused(message: String, code: String, requestID: String)
    }

    /// Calls a route of the running server.
    ///
    /// - Returns: the JSON of a successful answer.
    func call(_ method: HTTP.Method, _ path: String, body: JSONValue? = nil) throws(Failure) -> JSONValue {
        let descriptor = try connect()
        try send(method, path, body?.serialized() ?? [], on: descriptor)
        let answer = try receive(on: descriptor)
        return try Self.parse(answer, method)
    }

    private func connect() throws(Failure) -> FileDescriptor {
        let raw = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard raw >= 0 else { throw .broken("no socket: \(Errno.last)") }
        let descriptor = FileDescriptor(owning: raw)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let path = Array(socketPath.utf8)
        let room = MemoryLayout.size(ofValue: address.sun_path)
        guard path.count < room else { throw .broken("the socket's path is longer than \(room - 1) bytes") }
        // SAFETY: the copy is shorter than the field, which was zeroed, so the path stays terminated.
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path) }
        let result = unsafe withUnsafePointer(to: &address) { pointer in
            // SAFETY: sockaddr_un begins as sockaddr does (unix(7)), and the length is that of the whole.
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe Glibc.connect(raw, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else {
            switch Errno.last {
            case .noSuchFile, .connectionRefused: throw .notRunning(path: socketPath)
            case .permissionDenied: throw .forbidden(path: socketPath)
            case let errno: throw .broken("cannot connect: \(errno)")
            }
        }
        var limit = timeval(tv_sec: Self.timeoutSeconds, tv_usec: 0)
        // SAFETY: the structure is as long as said.
        unsafe setsockopt(raw, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        return descriptor
    }

    private func send(
        _ method: HTTP.Method, _ path: String, _ body: [UInt8], on descriptor: borrowing FileDescriptor
    ) throws(Failure) {
        var request: [UInt8] = []
        request.append(utf8: "\(method.name) \(path) HTTP/1.1\r\nhost: admin.sock\r\nconnection: close\r\n")
        if !body.isEmpty {
            request.append(utf8: "content-type: application/json\r\ncontent-length: \(body.count)\r\n")
        }
        request.append(utf8: "\r\n")
        request += body
        var sent = 0
        while sent < request.count {
            // SAFETY: `sent` is below the count.
            let count = unsafe request.withUnsafeBytes { buffer in
                unsafe write(descriptor.rawValue, buffer.baseAddress?.advanced(by: sent), buffer.count - sent)
            }
            guard count > 0 else { throw .broken("cannot write: \(Errno.last)") }
            sent += count
        }
    }

    private func receive(on descriptor: borrowing FileDescriptor) throws(Failure) -> [UInt8] {
        var answer: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = unsafe chunk.withUnsafeMutableBytes { buffer in
                unsafe read(descriptor.rawValue, buffer.baseAddress, buffer.count)
            }
            guard count >= 0 else { throw .broken("cannot read: \(Errno.last)") }
            if count == 0 { return answer }
            answer += chunk[..<count]
            guard answer.count <= Self.answerBytesMax else { throw .broken("the answer is too long") }
        }
    }

    /// Takes an answer apart. The routes of the admin socket answer whole, with a length.
    private static func parse(_ answer: [UInt8], _ method: HTTP.Method) throws(Failure) -> JSONValue {
        guard let end = answer.span.firstRange(of: Array("\r\n\r\n".utf8).span)?.upperBound,
            let head = try? ResponseHead(parsing: answer, method: method)
        else { throw .broken("what came is not an answer") }
        let body = Array(answer[end...])
        guard let value = try? JSONValue(parsing: body.isEmpty ? Array("null".utf8) : body) else {
            throw .broken("the answer is not JSON")
        }
        guard (200..<300).contains(head.status.code) else {
            let error = value["error"]
            throw .refused(
                message: error?["message"]?.string ?? "status \(head.status.code)",
                code: error?["code"]?.string ?? "\(head.status.code)",
                requestID: error?["request_id"]?.string ?? "-")
        }
        return value
    }
}
