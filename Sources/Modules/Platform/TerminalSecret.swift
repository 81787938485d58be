// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Asks the person at the controlling terminal for a secret, without showing what is typed. tty(4), termios(3).
package enum TerminalSecret {
    /// One line without its end; `nil` for an empty one. Blocks until it has come.
    ///
    /// - Throws: `ENXIO` and its like where the process has no terminal; `EFBIG` beyond `bytesMax`.
    package static func ask(_ prompt: String, bytesMax: Int) throws(Errno) -> SecretBytes? {
        let descriptor = FileDescriptor(
            owning: try Errno.check { unsafe open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC) })
        let number = descriptor.rawValue
        var shown = termios()
        // The structure lives through each call.
        try Errno.check { unsafe tcgetattr(number, &shown) }
        var hidden = shown
        hidden.c_lflag &= ~tcflag_t(ECHO)
        // What was typed before the question is thrown away: it was not meant as an answer.
        try Errno.check { unsafe tcsetattr(number, TCSAFLUSH, &hidden) }
        defer { unsafe _ = tcsetattr(number, TCSAFLUSH, &shown) }
        show(prompt, number)
        defer { show("\n", number) }
        return try line(number, bytesMax)
    }

    private static func line(_ descriptor: CInt, _ bytesMax: Int) throws(Errno) -> SecretBytes? {
        var line: [UInt8] = []
        line.reserveCapacity(bytesMax)
        defer { SecretBytes.wipe(&line) }
        var byte: UInt8 = 0
        while true {
            // One byte of a local, alive through the call.
            let count = try Errno.check { unsafe read(descriptor, &byte, 1) }
            if count == 0 || byte == UInt8(ascii: "\n") { break }
            guard line.count < bytesMax else { throw .fileTooLarge }
            line.append(byte)
        }
        return line.isEmpty ? nil : SecretBytes(copying: line.span)
    }

    private static func show(_ text: String, _ descriptor: CInt) {
        let bytes = Array(text.utf8)
        // The array's own bytes; a prompt that cannot be shown is no reason to fail.
        unsafe _ = bytes.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress, $0.count) }
    }
}
