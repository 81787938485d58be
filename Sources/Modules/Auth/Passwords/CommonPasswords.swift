// SPDX-License-Identifier: Apache-2.0

import Bytes
import Crypto

/// The passwords that everybody tries first, in the binary, so that they are refused without asking anybody.
///
/// Kept as digests (the list is in `CommonPasswords+List.swift`), looked up after folding: a capital, or `@` for `a`, makes a
/// password no rarer.
struct CommonPasswords: Sendable {
    /// First 32 bits of the SHA-256 of each folded word, in order.
    private let words: [UInt32]
    private let fold: @Sendable (UInt8) -> UInt8

    /// - Parameter fold: what a letter is taken for before it is looked up.
    init(fold: @escaping @Sendable (UInt8) -> UInt8 = { Self.fold($0) }) {
        var words: [UInt32] = []
        words.reserveCapacity(Self.wordCount)
        var word: UInt32 = 0
        var gap: UInt32 = 0
        var shift: UInt32 = 0
        // The literal is ours and lives as long as the program; a test compares what comes out with the number of words.
        let bytes = Base64.decode("\(Self.gaps)") ?? []
        for byte in bytes {
            gap |= UInt32(byte & 0x7F) &<< shift
            shift += 7
            guard byte & 0x80 == 0 else { continue }
            word &+= gap
            words.append(word)
            (gap, shift) = (0, 0)
        }
        (self.words, self.fold) = (words, fold)
    }

    var count: Int { words.count }

    /// Whether a password is one of the list, or one of it with up to ``endMax`` digits and signs behind it.
    func contains(_ password: String) -> Bool {
        let bytes = Array(password.utf8.prefix(Self.bytesMax))
        if isWord(bytes) { return true }
        var end = bytes.count
        while end > 0, bytes.count - end < Self.endMax, !bytes[end - 1].isASCIILetter { end -= 1 }
        return end >= Self.stemMin && end < bytes.count && isWord(Array(bytes[..<end]))
    }

    /// Words longer than this are not in the list.
    private static let bytesMax = 64
    private static let endMax = 4
    private static let stemMin = 4

    private func isWord(_ bytes: [UInt8]) -> Bool {
        let wanted = number(bytes)
        var (low, high) = (0, words.count)
        while low < high {
            let middle = (low + high) / 2
            if words[middle] < wanted { low = middle + 1 } else { high = middle }
        }
        return low < words.count && words[low] == wanted
    }

    private func number(_ bytes: [UInt8]) -> UInt32 {
        SHA256.digest(bytes.map(fold)).withBytes { digest in
            (0..<4).reduce(0) { number, index in number << 8 | UInt32(digest[index]) }
        }
    }

    /// A letter as a small one, and what people write in place of a letter as that letter.
    static func fold(_ byte: UInt8) -> UInt8 {
        switch byte.asciiLowercased {
        case UInt8(ascii: "@"), UInt8(ascii: "4"): UInt8(ascii: "a")
        case UInt8(ascii: "8"): UInt8(ascii: "b")
        case UInt8(ascii: "("): UInt8(ascii: "c")
        case UInt8(ascii: "3"): UInt8(ascii: "e")
        case UInt8(ascii: "6"), UInt8(ascii: "9"): UInt8(ascii: "g")
        case UInt8(ascii: "l"), UInt8(ascii: "1"), UInt8(ascii: "!"), UInt8(ascii: "|"): UInt8(ascii: "i")
        case UInt8(ascii: "0"): UInt8(ascii: "o")
        case UInt8(ascii: "$"), UInt8(ascii: "5"): UInt8(ascii: "s")
        case UInt8(ascii: "7"), UInt8(ascii: "+"): UInt8(ascii: "t")
        case UInt8(ascii: "2"): UInt8(ascii: "z")
        case let other: other
        }
    }
}
