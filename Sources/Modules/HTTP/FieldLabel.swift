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
        // Twenty digits at most in words of eight, and the end of each line.
        let room = first.count + second.count + third.count + 2 * 24 + text.count + 3 * 2
        return appendLines(room) { lines in
            unsafe lines.withUnsafeMutableBufferPointer { buffer, count in
                guard let start = buffer.baseAddress else { return }
                var writer = unsafe LineWriter(at: UnsafeMutableRawPointer(start + count))
                writer.put(first, DecimalDigits(firstNumber))
                writer.put(second, DecimalDigits(secondNumber))
                writer.put(third, text)
                count += writer.count
            }
        }
    }

    /// Adds a field with a text.
    @discardableResult
    package mutating func append(_ label: FieldLabel, _ value: String) -> Bool { append(label, value.utf8.span) }
}

/// Writes lines of an answer eight bytes at a time, where each line's few bytes would otherwise be a call for each part of it.
@safe private struct LineWriter: ~Copyable {
    // SAFETY: whoever makes this has room for each label, 24 bytes for each number, each text and two bytes for each line's end.
    // What a number takes less is written over by what follows it, or stands behind the end of what was written.
    private let start: UnsafeMutableRawPointer
    private(set) var count = 0

    init(at start: UnsafeMutableRawPointer) { unsafe self.start = start }

    mutating func put(_ label: FieldLabel, _ digits: DecimalDigits) {
        label.withSpan { put($0) }
        var place = count
        digits.forEachWord {
            unsafe start.storeBytes(of: $0.littleEndian, toByteOffset: place, as: UInt64.self)
            place &+= 8
        }
        count &+= digits.count
        putEnd()
    }

    mutating func put(_ label: FieldLabel, _ text: Span<UInt8>) {
        label.withSpan { put($0) }
        put(text)
        putEnd()
    }

    @inline(__always)
    private mutating func put(_ text: Span<UInt8>) {
        if text.count >= 8 {
            var place = 0
            while place < text.count &- 8 {
                put(text.word(at: place), at: count &+ place)
                place &+= 8
            }
            // The last eight, some of which stand there already.
            put(text.word(at: text.count &- 8), at: count &+ text.count &- 8)
        } else {
            for index in 0..<text.count {
                unsafe start.storeBytes(of: text[index], toByteOffset: count &+ index, as: UInt8.self)
            }
        }
        count &+= text.count
    }

    @inline(__always)
    private func put(_ word: UInt64, at place: Int) {
        unsafe start.storeBytes(of: word.littleEndian, toByteOffset: place, as: UInt64.self)
    }

    @inline(__always)
    private mutating func putEnd() {
        unsafe start.storeBytes(of: Octet.carriageReturn, toByteOffset: count, as: UInt8.self)
        unsafe start.storeBytes(of: Octet.lineFeed, toByteOffset: count &+ 1, as: UInt8.self)
        count &+= 2
    }
}

extension OutputSpan<UInt8> {
    /// Adds a line; its text holds nothing that ends one.
    @inline(__always)
    fileprivate mutating func append(_ label: FieldLabel, _ value: Span<UInt8>) {
        label.withSpan { append($0) }
        append(value)
        append(Octet.carriageReturn)
        append(Octet.lineFeed)
    }
}
