// SPDX-License-Identifier: Apache-2.0

import Bytes

/// A head read in the plainest way, to compare the real parser with: lines are what stands between CR LF, a name ends at
/// the first colon.
struct PlainHead {
    var firstLine: [UInt8] = []
    var fields: [(name: [UInt8], value: [UInt8])] = []

    /// Nil where no empty line comes. One empty line in front is passed over.
    init?(_ bytes: [UInt8]) {
        var lines: [[UInt8]] = []
        var line: [UInt8] = []
        for byte in bytes {
            line.append(byte)
            guard byte == 0x0A, line.count >= 2, line[line.count - 2] == 0x0D else { continue }
            line.removeLast(2)
            if line.isEmpty, !lines.isEmpty {
                firstLine = lines.removeFirst()
                fields = lines.map(Self.field)
                return
            }
            if !line.isEmpty { lines.append(line) }
            line = []
        }
        return nil
    }

    private static func field(_ line: [UInt8]) -> (name: [UInt8], value: [UInt8]) {
        let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.count
        var value = line[min(colon + 1, line.count)...]
        while value.first == 0x20 || value.first == 0x09 { value.removeFirst() }
        while value.last == 0x20 || value.last == 0x09 { value.removeLast() }
        return (Array(line[..<colon]), Array(value))
    }

    /// The values of a name, given in lower case.
    func values(_ name: String) -> [String] {
        fields.filter { $0.name.map(\.asciiLowercased) == Array(name.utf8) }
            .map { String(decoding: $0.value, as: UTF8.self) }
    }
}

extension StringProtocol {
    /// Neither CR nor LF nor NUL nor another control but the tab: what could start another line.
    var isOneLine: Bool { utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 } }
}
