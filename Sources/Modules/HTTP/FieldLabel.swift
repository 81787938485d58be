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
        // A literal's memory lives as long as the program.
        let bytes = unsafe UnsafeBufferPointer(start: opening.utf8Start, count: opening.utf8CodeUnitCount)
        let span = unsafe bytes.span
        let count = span.count - 2
        precondition(count > 0 && span.extracting(count...).equals(": "), "a label ends with a colon and a space")
        let name = span.extracting(..<count)
        precondition(name.isToken && !FramingFields.contain(name), "a label is the name of a field")
    }
}

extension Fields {
    /// Adds a field at the end.
    ///
    /// - Returns: false, and the fields are unaltered, if the value holds a control character other than a tab.
    @discardableResult
    package mutating func append(_ label: FieldLabel, _ value: Span<UInt8>) -> Bool {
        // A literal's memory lives as long as the program.
        let opening = unsafe UnsafeBufferPointer(
            start: label.opening.utf8Start, count: label.opening.utf8CodeUnitCount)
        let name = unsafe opening.span
        guard isWireForm else { return append(name.extracting(..<(name.count - 2)), value) }
        return appendLine(name, value)
    }

    /// Adds a field with a number.
    @discardableResult
    package mutating func append(_ label: FieldLabel, _ value: Int) -> Bool {
        DecimalDigits(value).withSpan { append(label, $0) }
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
        let labels =
            first.opening.utf8CodeUnitCount + second.opening.utf8CodeUnitCount + third.opening.utf8CodeUnitCount
        return appendLines(labels + 2 * 20 + text.count + 3 * 2) { lines in
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
        // A literal's memory lives as long as the program.
        let opening = unsafe UnsafeBufferPointer(
            start: label.opening.utf8Start, count: label.opening.utf8CodeUnitCount)
        append(unsafe opening.span)
        append(value)
        append(Octet.carriageReturn)
        append(Octet.lineFeed)
    }
}
