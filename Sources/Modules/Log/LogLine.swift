// SPDX-License-Identifier: Apache-2.0

import Bytes
import Platform

/// One line before it is written.
struct LogLine: Sendable {
    let level: Logger.Level
    let time: WallTime
    let message: String
    let fields: Logger.Fields

    /// About what it takes in memory, in bytes: what the sink's queue counts.
    var cost: Int {
        fields.pairs.reduce(128 + message.utf8.count) { sum, pair in
            if case .string(let text) = pair.value { sum + 48 + text.utf8.count } else { sum + 48 }
        }
    }
}

/// How lines look.
package enum LogFormat: Equatable, Sendable {
    /// For people: time, level, message, `name=value`.
    case text(isColoured: Bool)
    /// One JSON object a line, for programs.
    case json
}

extension LogLine {
    /// The most bytes of one text that are shown; the rest is cut, after secrets were taken out.
    static let textBytesMax = 8 * 1024

    /// Appends the line and a line end, without what `redaction` takes out. No byte of any text can end the line, start another or speak to a terminal.
    func write(as format: LogFormat, redactedBy redaction: Redaction, to output: inout [UInt8]) {
        switch format {
        case .json: writeJSON(redaction, &output)
        case .text(let isColoured): writeText(isColoured, redaction, &output)
        }
        output.append(UInt8(ascii: "\n"))
    }

    private func writeJSON(_ redaction: Redaction, _ output: inout [UInt8]) {
        output.append(utf8: "{\"time\":\"")
        output.append(utf8: time.rfc3339)
        output.append(utf8: "\",\"level\":\"")
        output.append(utf8: level.rawValue)
        output.append(utf8: "\",\"message\":")
        LogText.append(quoting: message, redaction, to: &output)
        for (name, value) in fields.pairs {
            output.append(UInt8(ascii: ","))
            // Two members of one name would be two truths.
            let isTaken = ["time", "level", "message"].contains(name)
            LogText.append(quoting: isTaken ? "field_\(name)" : name, redaction, to: &output)
            output.append(UInt8(ascii: ":"))
            switch value {
            case .string(let text): LogText.append(quoting: text, redaction, to: &output)
            case .peer(let address):
                output.append(UInt8(ascii: "\""))
                redaction.append(address, to: &output)
                output.append(UInt8(ascii: "\""))
            case .int(let number): output.append(decimal: number)
            case .double(let number): output.append(utf8: number.isFinite ? "\(number)" : "null")
            case .bool(let bool): output.append(utf8: bool ? "true" : "false")
            }
        }
        output.append(UInt8(ascii: "}"))
    }

    private func writeText(_ isColoured: Bool, _ redaction: Redaction, _ output: inout [UInt8]) {
        func colour(_ code: String) { if isColoured { output.append(utf8: "\u{1B}[\(code)m") } }
        colour("2")
        output.append(utf8: time.rfc3339)
        colour("0")
        output.append(UInt8(ascii: " "))
        colour(level.colour)
        output.append(utf8: level.rawValue)
        colour("0")
        output.append(contentsOf: repeatElement(UInt8(ascii: " "), count: 8 - level.rawValue.utf8.count))
        LogText.append(message, redaction, isQuoted: false, to: &output)
        for (name, value) in fields.pairs {
            output.append(UInt8(ascii: " "))
            colour("2")
            LogText.append(name, redaction, isQuoted: false, to: &output)
            output.append(UInt8(ascii: "="))
            colour("0")
            switch value {
            case .string(let text) where LogText.isPlain(text):
                LogText.append(text, redaction, isQuoted: false, to: &output)
            case .string(let text): LogText.append(quoting: text, redaction, to: &output)
            case .peer(let address): redaction.append(address, to: &output)
            case .int(let number): output.append(decimal: number)
            case .double(let number): output.append(utf8: "\(number)")
            case .bool(let bool): output.append(utf8: bool ? "true" : "false")
            }
        }
    }
}

extension Logger.Level {
    /// SGR parameters of ECMA-48.
    fileprivate var colour: String {
        switch self {
        case .debug: "2"
        case .info: "32"
        case .notice: "36"
        case .warning: "33"
        case .error: "1;31"
        }
    }
}
