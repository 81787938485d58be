// SPDX-License-Identifier: Apache-2.0

import Bytes
package import TOML

/// How a kind of setting is read from the file, written into the manual, and refused.
///
/// A module with a type of its own makes its own kind; the common ones are `static` below and beside this file, and
/// `Section` has a verb for each (`takeDuration`, …).
package struct ValueKind<Value: Sendable>: Sendable {
    /// Reads a value or says what is wrong with it.
    package typealias Reader = @Sendable (TOMLValue) throws(Complaint) -> Value

    /// A noun: "integer", "duration".
    package let name: String
    /// What is allowed: "between 1 and 10", "at most 128 bytes", "at most 64 elements, each at most 128 bytes".
    package let range: String?
    package let choices: [String]
    package let read: Reader
    /// The value as TOML.
    package let write: @Sendable (Value) -> String

    package init(
        _ name: String, range: String? = nil, choices: [String] = [], read: @escaping Reader,
        write: @escaping @Sendable (Value) -> String
    ) {
        self.name = name
        self.range = range
        self.choices = choices
        self.read = read
        self.write = write
    }
}

extension ValueKind {
    /// An array whose elements are of one kind. `count` counts them.
    package static func list<Element>(
        of element: ValueKind<Element>, count: ClosedRange<Int> = 0...1000
    ) -> ValueKind where Value == [Element] {
        let counted = words(count, of: "elements")
        let range = element.range.map { "\(counted), each \($0)" } ?? counted
        let plural = element.name.hasSuffix("s") ? "\(element.name)es" : "\(element.name)s"
        return ValueKind("list of \(plural)", range: range, choices: element.choices) { value throws(Complaint) in
            guard let array = value.array else {
                let hint = value.string == nil ? nil : "a list has brackets: [\"…\"]"
                throw Complaint("must be a list, not \(value.kind)", hint: hint)
            }
            guard array.count <= count.upperBound else {
                throw Complaint("must have at most \(count.upperBound) elements")
            }
            guard count.lowerBound <= array.count else {
                throw Complaint("must have at least \(count.lowerBound) element\(count.lowerBound == 1 ? "" : "s")")
            }
            var values: [Element] = []
            for item in array {
                do throws(Complaint) {
                    values.append(try element.read(item))
                } catch {
                    var complaint = error
                    complaint.isAboutElement = true
                    complaint.position = error.position ?? item.position
                    throw complaint
                }
            }
            return values
        } write: { values in
            "[" + values.map(element.write).joined(separator: ", ") + "]"
        }
    }
}

/// What is wrong with a value, said without repeating it: it may be a secret that stands in the wrong place.
package struct Complaint: Error {
    /// What follows the key in a sentence: "must be between 1 and 10".
    package var message: String
    package var hint: String?
    /// Where in the value, if not at its beginning.
    package var position: TOMLPosition?
    /// Whether it is about one element of a list.
    package var isAboutElement = false
    /// Whether the line is shown without the value.
    package var hidesValue: Bool

    package init(_ message: String, hint: String? = nil, hidesValue: Bool = false) {
        self.message = message
        self.hint = hint
        self.hidesValue = hidesValue
    }
}

// MARK: Plain kinds

extension ValueKind where Value == Int {
    /// A whole number.
    package static func integer(in range: ClosedRange<Int>) -> ValueKind {
        let words = "between \(range.lowerBound) and \(range.upperBound)"
        return ValueKind("integer", range: words) { value throws(Complaint) in
            guard let number = value.integer else {
                let isNumber = value.string.map { Int($0) != nil } ?? false
                throw Complaint(
                    "must be an integer, not \(value.kind)", hint: isNumber ? "write it without quotes" : nil)
            }
            guard range.contains(number) else { throw Complaint("must be \(words)") }
            return number
        } write: {
            String($0)
        }
    }
}

extension ValueKind where Value == Bool {
    /// `true` or `false`.
    package static var boolean: ValueKind {
        ValueKind("boolean", choices: ["true", "false"]) { value throws(Complaint) in
            guard let flag = value.boolean else {
                let isFlag = value.string == "true" || value.string == "false"
                throw Complaint(
                    "must be true or false, not \(value.kind)", hint: isFlag ? "write it without quotes" : nil)
            }
            return flag
        } write: {
            $0 ? "true" : "false"
        }
    }
}

extension ValueKind where Value == String {
    /// One line of text of so many bytes, without control characters.
    package static func string(bytes range: ClosedRange<Int> = 1...4096) -> ValueKind {
        text("string", bytes: range) { _ in nil }
    }

    /// The path of a file, absolute or not. It is not looked at.
    package static var path: ValueKind { text("path", bytes: 1...4095) { _ in nil } }

    /// What people call a thing in the file and in URLs: letters, digits and `. _ - / : @`.
    package static var name: ValueKind {
        text("name", bytes: 1...128) { text in
            let isName = text.utf8.allSatisfy { byte in
                byte.isASCIILetter || byte.isASCIIDigit || "._-/:@".utf8.contains(byte)
            }
            return isName ? nil : Complaint("must be made of letters, digits and . _ - / : @ only")
        }
    }

    /// Text with a rule of its own; `complaint` says what is wrong with it.
    package static func text(
        _ name: String, bytes range: ClosedRange<Int>, complaint: @escaping @Sendable (String) -> Complaint?
    ) -> ValueKind {
        ValueKind(name, range: words(range, of: "bytes")) { value throws(Complaint) in
            guard let text = value.string else {
                throw Complaint("must be a string, not \(value.kind)", hint: "write it in quotes")
            }
            guard range.lowerBound <= text.utf8.count else {
                throw Complaint(
                    text.isEmpty ? "must not be empty" : "must have at least \(range.lowerBound) bytes")
            }
            guard text.utf8.count <= range.upperBound else {
                throw Complaint("must have at most \(range.upperBound) bytes")
            }
            guard text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
                throw Complaint("must be on one line and without control characters")
            }
            if let complaint = complaint(text) { throw complaint }
            return text
        } write: {
            quoted($0)
        }
    }
}

extension ValueKind where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
    /// One word of a closed list.
    package static var choice: ValueKind {
        let choices = Value.allCases.map(\.rawValue)
        return ValueKind("choice", choices: choices) { value throws(Complaint) in
            let list = "must be one of " + choices.map { "\"\($0)\"" }.joined(separator: ", ")
            guard let text = value.string else { throw Complaint("\(list), not \(value.kind)") }
            guard let choice = Value(rawValue: text) else {
                let meant = nearest(to: text, among: choices)
                throw Complaint(list, hint: meant.map { "did you mean \"\($0)\"?" })
            }
            return choice
        } write: {
            quoted($0.rawValue)
        }
    }
}

/// "at most 128 bytes", "between 8 and 64 bytes".
private func words(_ range: ClosedRange<Int>, of unit: String) -> String {
    range.lowerBound <= (unit == "bytes" ? 1 : 0)
        ? "at most \(range.upperBound) \(unit)" : "between \(range.lowerBound) and \(range.upperBound) \(unit)"
}

/// Text without control characters as a basic string of TOML.
func quoted(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
        if scalar == "\"" || scalar == "\\" { quoted += "\\" }
        quoted.unicodeScalars.append(scalar)
    }
    return quoted + "\""
}
