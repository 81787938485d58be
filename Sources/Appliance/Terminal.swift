// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Standard output and standard error of a command.
enum Terminal {
    /// Width for help and tables: what the terminal says, else 80.
    static var columns: Int {
        var size = winsize()
        // SAFETY: the structure lives through the call (ioctl_tty(2)).
        guard unsafe ioctl(1, UInt(TIOCGWINSZ), &size) == 0, size.ws_col >= 40 else { return 80 }
        return min(Int(size.ws_col), 120)
    }

    /// One text to standard output, with a line break at its end.
    static func print(_ text: String) {
        write(text, to: 1)
    }

    /// A question to standard output, with the answer behind it on the same line.
    static func prompt(_ text: String) {
        // SAFETY: the bytes live through the call; a question that does not arrive is asked in vain.
        _ = unsafe Glibc.write(1, text, text.utf8.count)
    }

    /// One text to standard error.
    static func complain(_ text: String) {
        write(text, to: 2)
    }

    private static func write(_ text: String, to descriptor: CInt) {
        let bytes = Array((text.hasSuffix("\n") ? text : text + "\n").utf8)
        var written = 0
        while written < bytes.count {
            // SAFETY: `written` is below the count.
            let count = unsafe bytes.withUnsafeBytes { buffer in
                unsafe Glibc.write(descriptor, buffer.baseAddress?.advanced(by: written), buffer.count - written)
            }
            // A reader that closed its pipe wants no more.
            guard count > 0 || errno == EINTR else { return }
            written += max(count, 0)
        }
    }

    /// Rows in columns as wide as their widest cell, two spaces between. Columns of nothing but numbers stand to the right,
    /// so that their digits stand below one another.
    static func table(_ header: [String], _ rows: [[String]]) -> String {
        let all = [header] + rows
        let widths = header.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        let areNumbers = header.indices.map { column in !rows.isEmpty && rows.allSatisfy { isNumber($0[column]) } }
        return all.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                let room = String(repeating: " ", count: widths[column] - cell.count)
                line += areNumbers[column] ? room + cell : column < row.count - 1 ? cell + room : cell
                if column < row.count - 1 { line += "  " }
            }
            return line
        }.joined(separator: "\n")
    }

    /// A figure, a sum of money, or the dash that stands for neither.
    private static func isNumber(_ cell: String) -> Bool {
        cell == "-" || !cell.isEmpty && cell.utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == 0x2E || $0 == 0x24 }
    }
}
