// SPDX-License-Identifier: Apache-2.0
import Glibc
import Platform

@testable import EventLoop

/// What `Transport` does, in its simplest form.
extension Socket {
    func read(upTo count: Int = 4_096) async throws(IOFailure) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        while true {
            let result: Result<Int?, IOFailure> = unsafe bytes.withUnsafeMutableBytes { buffer in
                do throws(IOFailure) {
                    return .success(try unsafe tryRead(into: buffer))
                } catch {
                    return .failure(error)
                }
            }
            if let count = try result.get() { return Array(bytes.prefix(count)) }
            try await wait(.reader, for: .read)
        }
    }

    func write(_ bytes: [UInt8]) async throws(IOFailure) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let result: Result<Int?, IOFailure> = unsafe rest.withUnsafeBytes { buffer in
                do throws(IOFailure) {
                    return .success(try unsafe tryWrite(buffer))
                } catch {
                    return .failure(error)
                }
            }
            if let count = try result.get() {
                rest = rest.dropFirst(count)
                await share()
            } else {
                try await wait(.writer, for: .write)
            }
        }
    }
}

extension Socket {
    func hold(_ text: String) throws(IOFailure) -> Bool {
        let bytes = Array(text.utf8)
        let result: Result<Bool, IOFailure> = unsafe bytes.withUnsafeBytes { buffer in
            do throws(IOFailure) {
                return .success(try unsafe hold(buffer, UnsafeRawBufferPointer(start: nil, count: 0)))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    func tryWrite(_ first: Substring, _ second: Substring) throws(IOFailure) -> Int? {
        let (first, second) = (Array(first.utf8), Array(second.utf8))
        let result: Result<Int?, IOFailure> = unsafe first.withUnsafeBytes { first in
            unsafe second.withUnsafeBytes { second in
                do throws(IOFailure) {
                    return .success(try unsafe tryWrite(first, second))
                } catch {
                    return .failure(error)
                }
            }
        }
        return try result.get()
    }

    /// What is there, as text; nil when there is nothing.
    func tryText() throws(IOFailure) -> String? {
        var bytes = [UInt8](repeating: 0, count: 4_096)
        let result: Result<Int?, IOFailure> = unsafe bytes.withUnsafeMutableBytes { buffer in
            do throws(IOFailure) {
                return .success(try unsafe tryRead(into: buffer))
            } catch {
                return .failure(error)
            }
        }
        return try result.get().map { String(decoding: bytes[..<$0], as: UTF8.self) }
    }
}

/// How many descriptors this process has open.
func openDescriptors() -> Int {
    (0..<4_096).count { fcntl($0, F_GETFD) >= 0 }
}

let loopback = SocketAddress.ip(.loopbackV4, port: 0)
