// SPDX-License-Identifier: Apache-2.0

import Bytes

/// The name of a field that the house writes into many answers, checked once: each answer then only copies it.
package struct FieldLabel: Sendable {
    /// The name, a colon and a space, as they stand in a message.
    let opening: StaticString

    /// Stops the process unless `opening` is a token, a colon and a space, and no field that frames a message
    /// (`FramingFields`): it is a literal of ours.
    package init(_ opening: StaticString) {
        self.opening = opening
        withSpan { bytes in
            let count = bytes.count - 2
            precondition(count > 0 && bytes.extracting(count...).equals(": "), "a label ends with a colon and a space")
            let name = bytes.extracting(..<count)
            precondition(name.isToken && !FramingFields.contain(name), "a label is the name of a field")
        }
    }

    /// Bytes of `opening`.
    fileprivate var count: Int { opening.utf8CodeUnitCount }

    @inline(__always)
    fileprivate func withSpan<Result>(_ body: (Span<UInt8>) -> Result) -> Result {
        // A literal's memory lives as long as the program.
        body(unsafe UnsafeBufferPointer(start: opening.utf8Start, count: count).span)
    }
}

extension Fields {
    /// Adds a field at the end.
    ///
    /// - Returns: false, and the fields are unaltered, if the value holds a control character other than a tab.
    @discardableResult
    package mutating func append(_ label: FieldLabel, _ value: Span<UInt8>) -> Bool {
        guard isWireForm else { return label.withSpan { append($0.extracting(..<($0.count - 2)), value) } }
        guard value.isFieldContent, value.count <= Int(Int32.max) / 4 else { return false }
        return appendLines(label.count + value.count + 2) { $0.append(label, value) }
    }

    /// Adds a field with a number.
    @discardableResult
    package mutating func append(_ label: FieldLabel, _ value: Int) -> Bool {
        let digits = DecimalDigits(value)
        guard isWireForm else { return digits.withSpan { append(label, $0) } }
        return digits.withSpan { digits in appendLines(label.count + digits.count + 2) { $0.append(label, digits) } }
    }

    /// Adds two fields with numbers and one with a text, in one step.
    ///
    /// - Returns: false, and the fields are unaltered, if the text holds a control character other than a tab.
    @discardableResult
    package mutating func append(
        _ first: FieldLabel, _ firstNumber: Int, _ second: FieldLabel, _ secondNumber: Int, _ third: FieldLabel,
        _ text: Span<UInt8>
    ) -> Bool {
        guard text.isFieldContent else { return false }
        guard isWireForm, text.count <= 1024 else {
            append(first, firstNumber)
            append(second, secondNumber)
            return append(third, text)
        }
        // Twenty digits at most, and the end of each line.
        return appendLines(first.count + second.count + third.count + 2 * 20 + text.count + 3 * 2) { lines in
            DecimalDigits(firstNumber).withSpan { lines.append(first, $0) }
            DecimalDigits(secondNumber).withSpan { lines.append(second, $0) }
            lines.append(third, text)
        }
    }

    /// Adds a field with a text.
    @discardableResult
    package mutating func append(_ label: FieldLabel, _ value: String) -> Bool { append(label, value.utf8.span) }
}

extension OutputSpan<UInt8> {
    /// Adds a line; its text holds nothing that ends one.
    @inline(__always)
    fileprivate mutating func append(_ label: FieldLabel, _ value: Span<UInt8>) {
        label.withSpan { append($0) }
        append(value)
        append(utf8: "\r\n")
    }
}
