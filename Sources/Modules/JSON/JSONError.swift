// SPDX-License-Identifier: Apache-2.0

/// Why a text is not JSON that this house accepts, and where.
package struct JSONError: Error, Equatable, Sendable {
    /// What is wrong with the text.
    package enum Reason: Equatable, Sendable, CaseIterable {
        case unexpectedEnd
        case unexpectedByte
        case trailingBytes
        case malformedNumber
        case malformedEscape
        case controlCharacter
        case invalidUTF8
        case duplicateName
        case loneSurrogate
        case numberTooLong
        case tooDeep
        case tooLarge
        case tooManyValues
    }

    /// What is wrong.
    package let reason: Reason
    /// The offset of the byte where it is wrong, from 0; the count of bytes for what is missing at the end.
    package let offset: Int

    package init(_ reason: Reason, at offset: Int) {
        self.reason = reason
        self.offset = offset
    }

    /// A sentence for the one who sent the text, without any of its contents.
    package var message: String {
        switch reason {
        case .unexpectedEnd: "the JSON text ends too early, at byte \(offset)"
        case .unexpectedByte: "unexpected byte in the JSON text at byte \(offset)"
        case .trailingBytes: "more bytes follow the JSON value, at byte \(offset)"
        case .malformedNumber: "malformed number at byte \(offset)"
        case .malformedEscape: "malformed escape in a string at byte \(offset)"
        case .controlCharacter: "unescaped control character in a string at byte \(offset)"
        case .invalidUTF8: "the text is not valid UTF-8 at byte \(offset)"
        case .duplicateName: "an object has the same name twice, the second at byte \(offset)"
        case .loneSurrogate: "an escape names half of a surrogate pair at byte \(offset)"
        case .numberTooLong: "the number at byte \(offset) is too long or too large"
        case .tooDeep: "arrays and objects are nested too deeply at byte \(offset)"
        case .tooLarge: "the JSON text is too large"
        case .tooManyValues: "the JSON text has too many values"
        }
    }
}

/// How strictly a text is read, beyond the grammar of RFC 8259 which always holds.
///
/// What other parsers read in different ways is where a check and its subject come apart: the bytes go upstream as they
/// are, so a text that two parsers may read differently is refused (RFC 7493 §2.1, §2.2, §2.3).
package struct JSONStrictness: OptionSet, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Refuses an object with two names that are equal after unescaping, at every level.
    package static let refuseDuplicateNames = JSONStrictness(rawValue: 1)
    /// Refuses an escape that names a surrogate without its other half; else it is read as U+FFFD.
    package static let refuseLoneSurrogates = JSONStrictness(rawValue: 2)
    /// Refuses a number of more than `numberBytesMax` bytes and one beyond the range of a double.
    package static let refuseLongNumbers = JSONStrictness(rawValue: 4)

    /// The grammar alone. Of two equal names in an object the last one counts.
    package static let rfc8259: JSONStrictness = []
    /// All of the above: only texts that every parser reads in the same way.
    package static let interoperable: JSONStrictness = [
        .refuseDuplicateNames, .refuseLoneSurrogates, .refuseLongNumbers,
    ]
}

/// The maxima of one JSON text. A text at a maximum is accepted.
package struct JSONLimits: Sendable {
    /// No limit can be set above this, as offsets in the index have 32 bits and one is kept as a mark.
    package static let bytesCeiling = Int(Int32.max)
    /// No limit can be set above this, as trees of `JSONValue` are compared and freed level by level.
    package static let depthCeiling = 512
    /// No limit can be set above this, as counts in the index have 28 bits.
    package static let valuesCeiling = 1 << 27

    /// Bytes of the whole text.
    package let bytesMax: Int
    /// Arrays and objects within each other.
    package let depthMax: Int
    /// Bytes of one number, with `.refuseLongNumbers`.
    package let numberBytesMax: Int
    /// Values in the text, names of members included.
    package let valuesMax: Int

    /// Limits as given; what is above a ceiling or below 1 is brought into range.
    package init(
        bytesMax: Int = 64 << 20, depthMax: Int = 64, numberBytesMax: Int = 128, valuesMax: Int = 1_000_000
    ) {
        self.bytesMax = min(max(1, bytesMax), JSONLimits.bytesCeiling)
        self.depthMax = min(max(1, depthMax), JSONLimits.depthCeiling)
        self.numberBytesMax = max(1, numberBytesMax)
        self.valuesMax = min(max(1, valuesMax), JSONLimits.valuesCeiling)
    }

    /// For a client's request: 64 MiB, depth 64, numbers of 128 bytes, a million values and names.
    package static let request = JSONLimits()
    /// For a provider's answer, in which long lists of embeddings are usual: 16 million values.
    package static let upstream = JSONLimits(valuesMax: 16_000_000)
}
