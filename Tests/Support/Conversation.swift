// SPDX-License-Identifier: Apache-2.0

import Glibc
package import Platform

/// A program that runs beside the test, with its standard input and output at hand.
package final class Conversation {
    private var process: pid_t
    private let reading: FileDescriptor
    private let writing: FileDescriptor
    private var received: [UInt8] = []

    package init(_ program: String, _ arguments: [String]) throws(Errno) {
        var input: [CInt] = [0, 0]
        var output: [CInt] = [0, 0]
        try Errno.check { unsafe pipe(&input) }
        try Errno.check { unsafe pipe(&output) }
        // Another test's program must not keep the pipes open.
        for end in input + output { try Errno.check { fcntl(end, F_SETFD, FD_CLOEXEC) } }
        var actions = unsafe posix_spawn_file_actions_t()
        // The actions live through the call, and are freed behind it.
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_adddup2(&actions, input[0], 0)
        unsafe posix_spawn_file_actions_adddup2(&actions, output[1], 1)
        // Each copy is freed behind the call, the list ends with nil.
        var list = unsafe ([program] + arguments).map { unsafe strdup($0) } + [nil]
        defer { for index in 0...arguments.count { unsafe free(list[index]) } }
        var process: pid_t = 0
        let result = unsafe posix_spawnp(&process, program, &actions, nil, &list, environ)
        Glibc.close(input[0])
        Glibc.close(output[1])
        reading = FileDescriptor(owning: output[0])
        writing = FileDescriptor(owning: input[1])
        self.process = result == 0 ? process : 0
        guard result == 0 else { throw Errno(result) }
    }

    deinit { kill() }

    /// Ends the program at once, wherever it is, and waits for its end; what it said can still be read.
    package func kill() {
        guard process > 0 else { return }
        Glibc.kill(process, SIGKILL)
        var status: CInt = 0
        unsafe waitpid(process, &status, 0)
        process = 0
    }

    package func writeLine(_ line: String) {
        let bytes = Array((line + "\n").utf8)
        // The array lives through the call.
        _ = unsafe write(writing.rawValue, bytes, bytes.count)
    }

    /// The next line without its end; nil at the end of what the program says.
    package func readLine() -> String? {
        while true {
            if let end = received.firstIndex(of: 0x0A) {
                defer { received.removeSubrange(...end) }
                return String(decoding: received[..<end], as: UTF8.self)
            }
            guard fill() else { return nil }
        }
    }

    /// All that the program still says.
    package func readAll() -> String {
        while fill() {}
        defer { received = [] }
        return String(decoding: received, as: UTF8.self)
    }

    private func fill() -> Bool {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = unsafe buffer.withUnsafeMutableBytes { unsafe read(reading.rawValue, $0.baseAddress, $0.count) }
        received += buffer.prefix(max(0, count))
        return count > 0
    }
}

/// Runs a program and gives what it says.
package func output(of program: String, _ arguments: [String]) throws(Errno) -> String {
    try Conversation(program, arguments).readAll()
}
