// SPDX-License-Identifier: Apache-2.0

import JSON
import Support
import Testing

/// JSONTestSuite, whole: names beginning with `y_` must be accepted, with `n_` refused, with `i_` either.
@Suite(.enabled(if: Suites.isPresent, "GATEHOUSE_SUITES is not set: the suites of others are not tried"))
struct `JSONTestSuite` {
    /// Deep enough for the suite's deepest file that may be accepted, which has 500 levels.
    private let limits = JSONLimits(depthMax: 512)

    private func files(_ prefix: String) throws -> [(name: String, bytes: [UInt8])] {
        let folder = Suites.path("json/test_parsing")
        return try TestFile.names(in: folder).filter { $0.hasPrefix(prefix) }
            .map { (name: $0, bytes: try TestFile.bytes("\(folder)/\($0)")) }
    }

    private func outcome(_ bytes: [UInt8], _ strictness: JSONStrictness) -> JSONError.Reason? {
        do throws(JSONError) {
            let document = try JSONDocument(parsing: bytes, limits: limits, strictness: strictness)
            _ = document.root.value
            return nil
        } catch {
            return error.reason
        }
    }

    @Test func `accepts every y`() throws {
        let found = try files("y_")
        #expect(found.count == 95)
        for file in found { #expect(outcome(file.bytes, .rfc8259) == nil, "\(file.name)") }
    }

    @Test func `refuses every n`() throws {
        let found = try files("n_")
        #expect(found.count == 188)
        for file in found {
            #expect(outcome(file.bytes, .rfc8259) != nil, "\(file.name)")
            #expect(outcome(file.bytes, .interoperable) != nil, "\(file.name)")
        }
    }

    @Test func `interoperable strictness refuses of the y only what other parsers read in different ways`() throws {
        var refused: [String: JSONError.Reason] = [:]
        for file in try files("y_") { refused[file.name] = outcome(file.bytes, .interoperable) }
        #expect(
            refused == [
                "y_object_duplicated_key.json": .duplicateName,
                "y_object_duplicated_key_and_value.json": .duplicateName,
            ])
    }

    /// What the RFC leaves open, and what this house does: nil is accepted.
    @Test func `does with every i what this table says`() throws {
        let table: [String: (rfc8259: JSONError.Reason?, interoperable: JSONError.Reason?)] = [
            "i_number_double_huge_neg_exp": (nil, nil),
            "i_number_huge_exp": (nil, .numberTooLong),
            "i_number_neg_int_huge_exp": (nil, .numberTooLong),
            "i_number_pos_double_huge_exp": (nil, .numberTooLong),
            "i_number_real_neg_overflow": (nil, .numberTooLong),
            "i_number_real_pos_overflow": (nil, .numberTooLong),
            "i_number_real_underflow": (nil, nil),
            "i_number_too_big_neg_int": (nil, nil),
            "i_number_too_big_pos_int": (nil, nil),
            "i_number_very_big_negative_int": (nil, nil),
            "i_object_key_lone_2nd_surrogate": (nil, .loneSurrogate),
            "i_string_1st_surrogate_but_2nd_missing": (nil, .loneSurrogate),
            "i_string_1st_valid_surrogate_2nd_invalid": (nil, .loneSurrogate),
            "i_string_UTF-16LE_with_BOM": (.unexpectedByte, .unexpectedByte),
            "i_string_UTF-8_invalid_sequence": (.invalidUTF8, .invalidUTF8),
            "i_string_UTF8_surrogate_U+D800": (.invalidUTF8, .invalidUTF8),
            "i_string_incomplete_surrogate_and_escape_valid": (nil, .loneSurrogate),
            "i_string_incomplete_surrogate_pair": (nil, .loneSurrogate),
            "i_string_incomplete_surrogates_escape_valid": (nil, .loneSurrogate),
            "i_string_invalid_lonely_surrogate": (nil, .loneSurrogate),
            "i_string_invalid_surrogate": (nil, .loneSurrogate),
            "i_string_invalid_utf-8": (.invalidUTF8, .invalidUTF8),
            "i_string_inverted_surrogates_U+1D11E": (nil, .loneSurrogate),
            "i_string_iso_latin_1": (.invalidUTF8, .invalidUTF8),
            "i_string_lone_second_surrogate": (nil, .loneSurrogate),
            "i_string_lone_utf8_continuation_byte": (.invalidUTF8, .invalidUTF8),
            "i_string_not_in_unicode_range": (.invalidUTF8, .invalidUTF8),
            "i_string_overlong_sequence_2_bytes": (.invalidUTF8, .invalidUTF8),
            "i_string_overlong_sequence_6_bytes": (.invalidUTF8, .invalidUTF8),
            "i_string_overlong_sequence_6_bytes_null": (.invalidUTF8, .invalidUTF8),
            "i_string_truncated-utf-8": (.invalidUTF8, .invalidUTF8),
            "i_string_utf16BE_no_BOM": (.unexpectedByte, .unexpectedByte),
            "i_string_utf16LE_no_BOM": (.unexpectedByte, .unexpectedByte),
            "i_structure_500_nested_arrays": (nil, nil),
            "i_structure_UTF-8_BOM_empty_object": (.unexpectedByte, .unexpectedByte),
        ]
        let found = try files("i_")
        #expect(found.count == table.count)
        for file in found {
            let row = table[String(file.name.dropLast(".json".count))]
            #expect(row != nil, "\(file.name)")
            #expect(outcome(file.bytes, .rfc8259) == row?.rfc8259, "\(file.name)")
            #expect(outcome(file.bytes, .interoperable) == row?.interoperable, "\(file.name)")
        }
    }

    @Test func `a request nests less deeply than the suite`() throws {
        for file in try files("i_structure_500") {
            #expect(throws: JSONError(.tooDeep, at: 64)) { try JSONDocument(parsing: file.bytes) }
        }
    }
}
