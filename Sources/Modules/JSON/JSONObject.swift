// SPDX-License-Identifier: Apache-2.0

import Bytes

/// Members in their order. Two objects are equal if their members are, in the same order. Names are compared as bytes.
///
/// Lookup by name goes through the members one by one: objects of protocols are small. For members by the thousand, walk
/// `members` once.
package struct JSONObject: Sendable, ExpressibleByDictionaryLiteral {
    /// The members in their order. The parser keeps two of one name if it was not told to refuse them.
    package private(set) var members: [(name: String, value: JSONValue)]

    package init() { members = [] }

    /// An object of these members as they are; names are not compared.
    package init(_ members: [(name: String, value: JSONValue)]) { self.members = members }

    package init(dictionaryLiteral elements: (String, JSONValue)...) {
        members = elements.map { (name: $0.0, value: $0.1) }
    }

    /// The value of the last member of that name; nil if there is none. Setting a value keeps the place of a member
    /// that is there and appends one that is not; setting nil removes every member of that name.
    package subscript(_ name: String) -> JSONValue? {
        get { members.last { $0.name.isSameBytes(as: name) }?.value }
        set {
            guard let newValue else { return members.removeAll { $0.name.isSameBytes(as: name) } }
            if let index = members.lastIndex(where: { $0.name.isSameBytes(as: name) }) {
                members[index].value = newValue
            } else {
                members.append((name, newValue))
            }
        }
    }

    /// Appends a member without looking for its name: the caller knows that it is new.
    package mutating func append(_ name: String, _ value: JSONValue) { members.append((name, value)) }

    /// The number of members.
    package var count: Int { members.count }

    package var isEmpty: Bool { members.isEmpty }

    /// The names of the members in their order.
    package var names: [String] { members.map(\.name) }
}

extension JSONObject: Equatable {
    package static func == (first: JSONObject, second: JSONObject) -> Bool {
        first.members.elementsEqual(second.members) { $0.name.isSameBytes(as: $1.name) && $0.value == $1.value }
    }
}
