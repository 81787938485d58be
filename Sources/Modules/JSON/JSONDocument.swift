// SPDX-License-Identifier: Apache-2.0

import Bytes

/// A JSON text with an index over it: no tree, and the bytes are those that came.
///
/// The bytes and the index are shared by the document and all of its nodes, and never change.
package struct JSONDocument: Sendable {
    // The tape is not written to any more: hence `@unchecked Sendable`.
    @usableFromInline final class Storage: @unchecked Sendable {
        let bytes: [UInt8]
        let tape: JSONTape

        init(bytes: [UInt8], tape: consuming JSONTape) {
            self.bytes = bytes
            self.tape = tape
        }

        /// Lends the bytes of `range` to `body`.
        func lend<Result>(_ range: Range<Int>, _ body: (Span<UInt8>) -> Result) -> Result {
            let bytes = bytes  // A span of a class's own array cannot be proven to stay alive; one of a local can.
            return body(bytes.span.extracting(range))
        }

        /// All of it, for as long as this is held.
        @usableFromInline var view: JSONView {
            @_lifetime(borrow self)
            get {
                // Neither the array nor the tape is ever replaced or written to: their memory stays where it is, and as it
                // is, for as long as this lives.
                let bytes = unsafe bytes.withUnsafeBufferPointer { unsafe $0 }
                return unsafe _overrideLifetime(JSONView(tape.memory.span, bytes.span), borrowing: self)
            }
        }
    }

    @usableFromInline let storage: Storage

    /// Reads the text in one pass.
    ///
    /// - Throws: `JSONError`, with the first thing that is wrong. (Of two equal names it is known at the end of their
    ///   object, so an earlier error may be a later byte.)
    package init(
        parsing bytes: [UInt8], limits: JSONLimits = .request, strictness: JSONStrictness = .interoperable
    ) throws(JSONError) {
        let tape = try JSONScanner.scan(bytes.span, limits: limits, strictness: strictness)
        storage = Storage(bytes: bytes, tape: tape)
    }

    /// The text as it came.
    package var bytes: [UInt8] { storage.bytes }

    /// The one value of the text.
    package var root: JSONNode { JSONNode(storage, 0) }
}
