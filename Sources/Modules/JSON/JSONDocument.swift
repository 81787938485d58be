// SPDX-License-Identifier: Apache-2.0

import Bytes

/// A JSON text with an index over it: no tree, and the bytes are those that came.
///
/// The bytes and the index are shared by the document and all of its nodes, and never change.
package struct JSONDocument: Sendable {
    final class Storage: Sendable {
        let bytes: [UInt8]
        let entries: [JSONEntry]

        init(bytes: [UInt8], entries: [JSONEntry]) {
            self.bytes = bytes
            self.entries = entries
        }

        /// Lends the bytes of `range` to `body`.
        func lend<Result>(_ range: Range<Int>, _ body: (Span<UInt8>) -> Result) -> Result {
            let bytes = bytes  // A span of a class's own array cannot be proven to stay alive; one of a local can.
            return body(bytes.span.extracting(range))
        }

        /// The index of the value of the last member of that name; nil if there is none or the entry is no object. One
        /// walk that makes nothing: this is what readers of bodies do most.
        func value(of name: String, in object: UInt32) -> UInt32? {
            let bytes = bytes
            let entries = entries
            let container = entries[Int(object)]
            guard container.kind == .object else { return nil }
            let wanted = name.utf8.span
            var found: UInt32?
            var index = object &+ 1
            while index < container.extent {
                let entry = entries[Int(index)]
                index &+= 1
                if Int(entry.extent) == wanted.count,
                    JSONString.content(
                        bytes.span.extracting(entry.content), isEscaped: entry.flag, equals: wanted)
                {
                    found = index
                }
                index = entries[Int(index)].following(index)
            }
            return found
        }
    }

    let storage: Storage

    /// Reads the text in one pass.
    ///
    /// - Throws: `JSONError`, with the first thing that is wrong. (Of two equal names it is known at the end of their
    ///   object, so an earlier error may be a later byte.)
    package init(
        parsing bytes: [UInt8], limits: JSONLimits = .request, strictness: JSONStrictness = .interoperable
    ) throws(JSONError) {
        let entries = try JSONScanner.scan(bytes.span, limits: limits, strictness: strictness)
        storage = Storage(bytes: bytes, entries: entries)
    }

    /// The text as it came.
    package var bytes: [UInt8] { storage.bytes }

    /// The one value of the text.
    package var root: JSONNode { JSONNode(storage, 0) }
}
