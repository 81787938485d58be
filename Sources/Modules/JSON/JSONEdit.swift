// SPDX-License-Identifier: Apache-2.0

import Bytes

/// Changes to a text that leave every byte that is not concerned as it came: white space, order, the spelling of
/// numbers and escapes.
///
/// Changes are noted first and made at once by `apply`, in any order. Each refers to the document as it was read: a
/// value that was set cannot be edited further. Where one change contains another, the outer one counts.
package struct JSONEdit {
    /// What is asked of one object.
    private struct Plan {
        var removed: [String] = []
        var inserted: [(name: String, json: [UInt8])] = []
    }

    /// One stretch of the text and what stands there afterwards.
    private struct Change {
        var range: Range<Int>
        var bytes: [UInt8]
    }

    private let document: JSONDocument
    private var replacements: [UInt32: [UInt8]] = [:]
    private var plans: [UInt32: Plan] = [:]

    /// An edit of `document` that changes nothing yet. All nodes given to it must be of this document.
    package init(_ document: JSONDocument) { self.document = document }

    /// True if nothing is to be changed.
    package var isEmpty: Bool { replacements.isEmpty && plans.isEmpty }

    /// Puts `json` in the place of a value. Of two replacements of one value the later counts.
    ///
    /// - Parameter json: one JSON value as text; it is not looked at.
    package mutating func replace(_ node: JSONNode, with json: [UInt8]) {
        guard belongs(node) else { return }
        replacements[node.index] = json
    }

    /// Sets the member of that name: in its place if there is one (the last, if the document was let through with two),
    /// else behind the last member. Does nothing if `object` is not an object.
    ///
    /// - Parameter json: one JSON value as text; it is not looked at.
    package mutating func setMember(of object: JSONNode, _ name: String, rawJSON json: [UInt8]) {
        guard belongs(object), object.kind == .object else { return }
        plans[object.index]?.removed.removeAll { $0.isSameBytes(as: name) }
        if let value = object[name] {
            replacements[value.index] = json
        } else if let place = plans[object.index]?.inserted.firstIndex(where: { $0.name.isSameBytes(as: name) }) {
            plans[object.index]?.inserted[place].json = json
        } else {
            plans[object.index, default: Plan()].inserted.append((name, json))
        }
    }

    /// Sets the member of that name to a value.
    package mutating func setMember(of object: JSONNode, _ name: String, _ value: JSONValue) {
        setMember(of: object, name, rawJSON: value.serialized())
    }

    /// Removes every member of that name, and one that was to be inserted.
    package mutating func removeMember(of object: JSONNode, _ name: String) {
        guard belongs(object), object.kind == .object else { return }
        plans[object.index]?.inserted.removeAll { $0.name.isSameBytes(as: name) }
        if object[name] != nil { plans[object.index, default: Plan()].removed.append(name) }
    }

    /// The text with all changes made.
    package func apply() -> [UInt8] {
        guard !isEmpty else { return document.bytes }
        var changes = replacements.map { index, json in
            Change(range: JSONNode(document.storage, Int(index)).range, bytes: json)
        }
        for (index, plan) in plans { add(plan, of: JSONNode(document.storage, Int(index)), to: &changes) }
        // Outer before inner; at one offset, what is taken out before what is put in behind it.
        changes.sort { first, second in
            first.range.lowerBound != second.range.lowerBound
                ? first.range.lowerBound < second.range.lowerBound
                : first.range.upperBound > second.range.upperBound
        }
        var edited: [UInt8] = []
        edited.reserveCapacity(document.bytes.count + changes.reduce(0) { $0 + $1.bytes.count })
        var position = 0
        for change in changes where change.range.lowerBound >= position {
            edited.append(contentsOf: document.bytes[position..<change.range.lowerBound])
            edited.append(contentsOf: change.bytes)
            position = change.range.upperBound
        }
        edited.append(contentsOf: document.bytes[position...])
        return edited
    }

    private func belongs(_ node: JSONNode) -> Bool { node.storage === document.storage }

    /// Removed members go with the comma before them or, while none before them stays, with the comma behind them.
    /// Inserted ones come behind the last.
    private func add(_ plan: Plan, of object: JSONNode, to changes: inout [Change]) {
        var previousEnd = object.range.lowerBound + 1
        var anyStays = false
        var pending: Int?  // The start of a removed member with nothing before it, until its comma is known.
        for member in object.members {
            if let start = pending.take() {
                changes.append(Change(range: start..<member.nameRange.lowerBound, bytes: []))
            }
            if plan.removed.contains(where: member.nameEquals) {
                if anyStays {
                    changes.append(Change(range: previousEnd..<member.value.range.upperBound, bytes: []))
                } else {
                    pending = member.nameRange.lowerBound
                }
            } else {
                anyStays = true
            }
            previousEnd = member.value.range.upperBound
        }
        if let start = pending { changes.append(Change(range: start..<previousEnd, bytes: [])) }
        guard !plan.inserted.isEmpty else { return }
        var writer = JSONWriter()
        for member in plan.inserted { writer.member(member.name, raw: member.json) }
        let comma = anyStays ? [UInt8(ascii: ",")] : []
        changes.append(Change(range: previousEnd..<previousEnd, bytes: comma + writer.bytes))
    }
}
