// SPDX-License-Identifier: Apache-2.0

import Bytes
import TOML

/// The text that is being read, kept so that errors can show its lines.
final class ConfigurationSource {
    /// The most scalars of a line that are shown; longer ones are cut around the caret.
    private static let excerptScalarsMax = 100

    let file: String
    private let bytes: [UInt8]
    private let table: TOMLTable

    init(file: String, bytes: [UInt8], table: TOMLTable) {
        self.file = file
        self.bytes = bytes
        self.table = table
    }

    /// An error at a place. `secret` are bytes that the shown line must not have.
    func error(
        at position: TOMLPosition, _ message: String, hint: String? = nil, secret: Range<Int>? = nil
    ) -> ConfigurationError {
        var hidden = Masking.secrets(in: table)
        if let secret { hidden.append(secret) }
        return ConfigurationError(
            file: file, line: position.line, column: position.column, message: message, hint: hint,
            excerpt: excerpt(at: position.offset, hidden: hidden))
    }

    /// What the grammar did not allow.
    func error(_ error: TOMLError) -> ConfigurationError {
        if error.reason == .tooLarge { return ConfigurationError(file: file, message: error.message) }
        var secret: Range<Int>?
        if let open = error.openValue, Masking.isSecretive(open.key) {
            // Where the value ends is not known: the text is not TOML.
            secret = open.position.offset..<bytes.count
        }
        return self.error(at: error.position, error.message(naming: Masking.name), secret: secret)
    }

    private func excerpt(at offset: Int, hidden: [Range<Int>]) -> ConfigurationError.Excerpt {
        let offset = min(offset, bytes.count)
        let lineBreak = UInt8(ascii: "\n")
        let start = bytes[..<offset].lastIndex(of: lineBreak).map { $0 + 1 } ?? 0
        var end = bytes[offset...].firstIndex(of: lineBreak) ?? bytes.count
        if end > start, bytes[end - 1] == UInt8(ascii: "\r"), offset < end { end -= 1 }
        let line = Array(bytes[start..<end])
        let inLine = hidden.map { $0.clamped(to: start..<end) }.filter { !$0.isEmpty }
        var mask = Masking.secrets(inLine: line)
        for range in inLine { mask.append(range.lowerBound - start..<range.upperBound - start) }
        return cut(Masking.apply(mask, to: line, caret: offset - start))
    }

    /// The part of a line that has the caret, with marks where something is missing.
    private func cut(_ line: (scalars: [Unicode.Scalar], caret: Int)) -> ConfigurationError.Excerpt {
        var scalars = line.scalars[...]
        var caret = line.caret
        let max = Self.excerptScalarsMax
        if caret > max * 3 / 4, scalars.count > max {
            let dropped = caret - max / 2
            scalars = scalars.dropFirst(dropped)
            caret -= dropped - 1
            scalars = ["…"] + scalars
        }
        var text = String.UnicodeScalarView()
        text.append(contentsOf: scalars.prefix(max).map { $0 == "\t" ? " " : $0.isPrintable ? $0 : "\u{FFFD}" })
        return ConfigurationError.Excerpt(text: String(text) + (scalars.count > max ? "…" : ""), caret: caret)
    }
}
