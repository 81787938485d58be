// SPDX-License-Identifier: Apache-2.0

import Bytes

/// Texts that stand in record after record: each is made once, as long as none of the same place in the table comes between.
/// Equal texts out of it are mostly the same text, which compare at once.
struct TextCache {
    private static let placesMax = 256

    private var texts: [String] = []

    /// The text of bytes that are UTF-8.
    mutating func text(_ bytes: Span<UInt8>) -> String {
        if texts.isEmpty { texts = Array(repeating: "", count: Self.placesMax) }
        // Ids end in what tells them apart.
        var word = UInt64(bytes.count)
        if bytes.count >= 8 {
            word = bytes.word(at: bytes.count - 8)
        } else {
            for place in bytes.indices { word = word << 8 | UInt64(bytes[place]) }
        }
        let place = Int(truncatingIfNeeded: (word &* 0x9E37_79B9_7F4A_7C15) >> 56)
        if bytes.equals(texts[place]) { return texts[place] }
        let text = String(decoding: bytes)
        texts[place] = text
        return text
    }
}
