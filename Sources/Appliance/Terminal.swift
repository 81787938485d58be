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
    /// so that their digits stand below one another. On a terminal the header is bold and words that mean well or ill have
    /// a colour; in a pipe there is nothing but the text.
    static func table(_ header: [String], _ rows: [[String]], isColoured: Bool = Self.isColoured) -> String {
        // What people call things comes from anywhere: it must not speak to the terminal.
        let all = [header] + rows.map { $0.map(plain) }
        let rows = all.dropFirst()
        let widths = header.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        let areNumbers = header.indices.map { column in !rows.isEmpty && rows.allSatisfy { isNumber($0[column]) } }
        return all.enumerated().map { index, row in
            var line = ""
            for (column, cell) in row.enumerated() {
                let room = String(repeating: " ", count: widths[column] - cell.count)
                let colour = index == 0 ? Colour.header : Colour(of: cell)
                let text = isColoured ? painted(cell, colour) : cell
                line += areNumbers[column] ? room + text : column < row.count - 1 ? text + room : text
                if column < row.count - 1 { line += "  " }
            }
            return line
        }.joined(separator: "\n")
    }

    // MARK: Colour

    /// Whether standard output is a terminal whose user wants colours (https://no-color.org).
    static let isColoured: Bool = {
        // SAFETY: the command has one thread, and the text is copied at once.
        func variable(_ name: String) -> String? { unsafe getenv(name).map { unsafe String(cString: $0) } }
        return isatty(1) == 1 && (variable("NO_COLOR") ?? "").isEmpty && variable("TERM") != "dumb"
    }()

    /// What a word says of the thing in its row.
    enum Colour: String {
        case header = "1"
        case good = "32"
        case doubtful = "33"
        case bad = "31"

        init?(of cell: String) {
            switch cell {
            case "ok", "verified", "tested", "holds", "active", "set": self = .good
            case "note", "warning", "not verified now", "waiting", "half open", "partial", "invited": self = .doubtful
            case "fault", "missing", "open", "revoked", "expired", "blocked", "suspended", "disabled": self = .bad
            default: return nil
            }
        }
    }

    static func painted(_ text: String, _ colour: Colour?) -> String {
        guard let colour, !text.isEmpty else { return text }
        return "\u{1B}[\(colour.rawValue)m\(text)\u{1B}[0m"
    }

    /// The text with a question mark in the place of whatever a terminal would obey (C0, DEL, C1).
    private static func plain(_ cell: String) -> String {
        guard cell.unicodeScalars.contains(where: isControl) else { return cell }
        return String(String.UnicodeScalarView(cell.unicodeScalars.map { isControl($0) ? "?" : $0 }))
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
    }

    /// A figure, a sum of money, or the dash that stands for neither.
    private static func isNumber(_ cell: String) -> Bool {
        cell == "-" || !cell.isEmpty && cell.utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == 0x2E || $0 == 0x24 }
    }
}
