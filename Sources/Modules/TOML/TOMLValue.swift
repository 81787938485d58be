// SPDX-License-Identifier: Apache-2.0

/// A value and the bytes it was written as.
package struct TOMLValue: Sendable {
    package enum Content: Sendable {
        case string(String)
        case integer(Int)
        case float(Double)
        case boolean(Bool)
        case dateTime(TOMLDateTime)
        /// A static array, or an array of tables written as `[[name]]`.
        case array([TOMLValue])
        /// An inline table, one made of dotted keys, or one with a header.
        case table(TOMLTable)
    }

    package let content: Content
    /// Of the first byte of the value; of the header, for a table that has one; of the first key that made it
    /// necessary, for a table that nobody wrote down.
    package let position: TOMLPosition
    /// The bytes of the value in the document. Empty for tables and arrays that have headers, which have no one place.
    package let range: Range<Int>

    /// The value's kind in the words of a message: "a string", "an integer", …
    package var kind: String {
        switch content {
        case .string: "a string"
        case .integer: "an integer"
        case .float: "a float"
        case .boolean: "a boolean"
        case .dateTime: "a date or time"
        case .array: "an array"
        case .table: "a table"
        }
    }

    package var string: String? { if case .string(let value) = content { value } else { nil } }
    package var integer: Int? { if case .integer(let value) = content { value } else { nil } }
    package var boolean: Bool? { if case .boolean(let value) = content { value } else { nil } }
    package var array: [TOMLValue]? { if case .array(let value) = content { value } else { nil } }
    package var table: TOMLTable? { if case .table(let value) = content { value } else { nil } }
}

/// The members of a table in the order in which they were first named.
package struct TOMLTable: Sendable {
    package let members: [TOMLMember]

    package init(members: [TOMLMember] = []) {
        self.members = members
    }

    /// The value of a key, by its bytes: two spellings that only Unicode normalisation makes equal are two keys.
    /// Linear in the number of members.
    package subscript(_ key: String) -> TOMLValue? {
        members.first { $0.key.utf8.elementsEqual(key.utf8) }?.value
    }
}

/// A key with its value.
package struct TOMLMember: Sendable {
    package let key: String
    /// Of the key's first byte, where it first appears.
    package let position: TOMLPosition
    package let value: TOMLValue
}

/// A date, a time or both, checked against the calendar and kept as text.
package struct TOMLDateTime: Equatable, Sendable {
    package enum Kind: Sendable {
        case offsetDateTime, localDateTime, localDate, localTime
    }

    package let kind: Kind
    /// As RFC 3339 writes it, with `T` and `Z` in upper case; the fraction has the digits it was given.
    package let text: String
}
