// SPDX-License-Identifier: Apache-2.0

/// The largest document, in every direction. What is past one of them is refused with a sentence that names it.
package enum TOMLLimits {
    /// Bytes of a whole document.
    package static let bytesMax = 1 << 20
    /// Tables, arrays and dotted names inside one another.
    package static let depthMax = 64
    /// Keys and table headers in a whole document.
    package static let keysMax = 20_000
    /// Bytes of one number or date.
    package static let numberBytesMax = 1024
}

/// A TOML 1.0.0 document (https://toml.io/en/v1.0.0) as an ordered tree in which every key and value knows its place.
package struct TOMLDocument: Sendable {
    package let root: TOMLTable

    /// Reads the whole of `bytes`, which need not be valid UTF-8; the work is linear in their number.
    ///
    /// A document that is not TOML 1.0.0 or passes one of `TOMLLimits` throws the first mistake by position.
    package init(parsing bytes: [UInt8]) throws(TOMLError) {
        var parser = TOMLParser(bytes)
        root = try parser.parse()
    }
}

/// Where something stands in a document.
package struct TOMLPosition: Hashable, Sendable, Comparable {
    /// From 1.
    package let line: Int
    /// From 1, counted in Unicode scalars (a tab is one).
    package let column: Int
    /// In bytes, from 0.
    package let offset: Int

    package init(line: Int, column: Int, offset: Int) {
        self.line = line
        self.column = column
        self.offset = offset
    }

    package static let start = TOMLPosition(line: 1, column: 1, offset: 0)

    package static func < (left: TOMLPosition, right: TOMLPosition) -> Bool { left.offset < right.offset }
}
