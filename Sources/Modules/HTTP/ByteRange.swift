// SPDX-License-Identifier: Apache-2.0

import Bytes

/// What a Range field asks for (RFC 9110 §14.2).
package enum ByteRange: Equatable, Sendable {
    /// All of it: no field, one that is malformed, another unit, or several ranges, which a server may ignore.
    case whole
    /// These bytes; never empty.
    case part(Range<Int>)
    /// No byte is in it: 416.
    case unsatisfiable

    /// - Parameter count: the bytes that there are.
    package init(_ field: String?, count: Int) {
        guard let spec = Self.spec(field) else {
            self = .whole
            return
        }
        switch spec {
        case (let first?, let last):
            // A last byte before the first one makes the field invalid, and an invalid field is ignored (§14.1.1).
            if let last, last < first {
                self = .whole
            } else if first >= count {
                self = .unsatisfiable
            } else {
                self = .part(first..<min(last ?? count - 1, count - 1) + 1)
            }
        case (nil, let suffix?):
            self = suffix == 0 || count == 0 ? .unsatisfiable : .part(max(0, count - suffix)..<count)
        case (nil, nil): self = .whole
        }
    }

    /// The numbers of `bytes=1-2`, `bytes=1-` and `bytes=-2`.
    private static func spec(_ field: String?) -> (first: Int?, last: Int?)? {
        guard let field, let equals = field.utf8.firstIndex(of: UInt8(ascii: "=")),
            field[..<equals].equalsIgnoringASCIICase("bytes")
        else { return nil }
        // By bytes: the character `=` would take a combining mark behind it along.
        let numbers = field[field.utf8.index(after: equals)...]
            .split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        guard numbers.count == 2, let first = number(numbers[0]), let last = number(numbers[1]) else { return nil }
        return (first, last)
    }

    /// Nil for no number, `.some(nil)` for an empty one; what has too many digits is as large as a number can be.
    private static func number(_ text: Substring) -> Int?? {
        guard !text.isEmpty else { return .some(nil) }
        guard text.utf8.allSatisfy(\.isASCIIDigit), text.utf8.count <= 64 else { return nil }
        return Int(text) ?? .max
    }
}
