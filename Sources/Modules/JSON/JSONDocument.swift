// SPDX-License-Identifier: Apache-2.0

import Bytes

/// A JSON text with an index over it: no tree, and the bytes are those that came.
///
/// The bytes and the index are shared by the document and all of its nodes, and never change.
package struct JSONDocument: Sendable {
    // The tape is not written to any more: hence `@unchecked Sendable`.
    final class Storage: @unchecked Sendable {
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

        /// Lends all of it to `body`.
        @inline(__always)
        func read<Result, Failure: Error>(
            _ body: (JSONView) throws(Failure) -> Result
        ) throws(Failure) -> Result {
            let bytes = bytes
            return try withExtendedLifetime(self) { () throws(Failure) in
                try tape.withSpan { entries throws(Failure) in try body(JSONView(entries, bytes.span)) }
            }
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
        let tape = try JSONScanner.scan(bytes.span, limits: limits, strictness: strictness)
        storage = Storage(bytes: bytes, tape: tape)
    }

    /// The text as it came.
    package var bytes: [UInt8] { storage.bytes }

    /// The one value of the text.
    package var root: JSONNode { JSONNode(storage, 0) }
}
