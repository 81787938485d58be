// SPDX-License-Identifier: Apache-2.0
import Glibc
import Platform
import Support

/// Runs a command to its end, with nothing on its standard input, and gives its status and all it said.
func run(_ arguments: [String], input: String = "") throws(Errno) -> (status: CInt, output: String) {
    var ends: [CInt] = [0, 0]
    try Errno.check { unsafe pipe(&ends) }
    let reading = FileDescriptor(owning: ends[0])
    let writing = FileDescriptor(owning: ends[1])
    try Errno.check { fcntl(reading.rawValue, F_SETFD, FD_CLOEXEC) }
    try Errno.check { unsafe pipe(&ends) }
    let inputReading = FileDescriptor(owning: ends[0])
    let inputWriting = FileDescriptor(owning: ends[1])
    try Errno.check { fcntl(inputWriting.rawValue, F_SETFD, FD_CLOEXEC) }
    let bytes = Array(input.utf8)
    if !bytes.isEmpty { try Errno.check { unsafe write(inputWriting.rawValue, bytes, bytes.count) } }
    inputWriting.close()
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    unsafe posix_spawn_file_actions_adddup2(&actions, inputReading.rawValue, 0)
    unsafe posix_spawn_file_actions_adddup2(&actions, writing.rawValue, 1)
    unsafe posix_spawn_file_actions_adddup2(&actions, writing.rawValue, 2)
    var process = pid_t()
    var strings = unsafe arguments.map { unsafe strdup($0) } + [nil]
    let result = unsafe posix_spawnp(&process, arguments[0], &actions, nil, &strings, environ)
    unsafe posix_spawn_file_actions_destroy(&actions)
    unsafe strings.forEach { unsafe free($0) }
    guard result == 0 else { throw Errno(result) }
    writing.close()
    inputReading.close()
    var output: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4_096)
    while true {
        let count = try Errno.check { unsafe read(reading.rawValue, &buffer, 4_096) }
        guard count > 0 else { break }
        output += buffer.prefix(count)
    }
    var status: CInt = 0
    try Errno.check { unsafe waitpid(process, &status, 0) }
    return (status, String(decoding: output, as: UTF8.self))
}

struct CommandFailed: Error {
    let output: String
}

/// An authority of a test's own, and what it has signed, made with the `openssl` command. Made once.
final class Certificates: Sendable {
    static let shared = Result { try Certificates() }

    let directory: TemporaryDirectory
    var authority: String { directory("authority.pem") }

    func certificate(_ name: String) -> String { directory("\(name).pem") }
    func key(_ name: String) -> String { directory("\(name).key") }

    private init() throws {
        directory = try TemporaryDirectory()
        try openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=authority",
            "-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign",
            "-keyout \(key("authority")) -out \(authority)")
        try sign("server", "DNS:localhost,DNS:*.example.test,IP:127.0.0.1,IP:::1", "-days 30")
        try sign("other", "DNS:other.example.test", "-days 30")
        try sign("expired", "DNS:localhost", "-days -1")
        try sign("rsa", "DNS:localhost", "-days 30", "rsa:2048")
        try openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=alone",
            "-addext subjectAltName=DNS:localhost -keyout \(key("alone")) -out \(certificate("alone"))")
    }

    private func sign(_ name: String, _ names: String, _ days: String, _ kind: String = "ec") throws {
        let curve = kind == "ec" ? "-pkeyopt ec_paramgen_curve:P-256" : ""
        try openssl(
            "req -newkey \(kind) \(curve) -nodes -subj /CN=\(name) -keyout \(key(name)) -out \(directory(name + ".csr"))",
            "-addext subjectAltName=\(names)")
        try openssl(
            "x509 -req -in \(directory(name + ".csr")) -CA \(authority) -CAkey \(key("authority")) -CAcreateserial",
            "-copy_extensions copy \(days) -out \(certificate(name))")
    }

    private func openssl(_ arguments: String...) throws {
        let words = ["openssl"] + arguments.flatMap { $0.split(separator: " ").map(String.init) }
        let (status, output) = try run(words)
        guard status == 0 else { throw CommandFailed(output: output) }
    }
}
