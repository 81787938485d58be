// SPDX-License-Identifier: Apache-2.0

import Bytes

/// Check digits of numbers that belong to people. Digits are values, 0 to 9.
enum Checksum {
    /// Cards: Luhn (ISO/IEC 7812-1, annex B).
    static func luhn(_ digits: Span<UInt8>) -> Bool {
        var sum = 0
        for index in digits.indices {
            let digit = Int(digits[digits.count - 1 - index])
            let doubled = digit * 2
            sum += index & 1 == 0 ? digit : doubled > 9 ? doubled - 9 : doubled
        }
        return sum % 10 == 0
    }

    /// True where an issuer has numbers of this length that begin so.
    static func isIssued(_ digits: Span<UInt8>) -> Bool {
        guard digits.count >= 13 else { return false }
        let first = (0..<4).reduce(0) { $0 * 10 + Int(digits[$1]) }
        let two = first / 100
        let three = first / 10
        switch digits.count {
        // Visa's old length; a time in milliseconds begins with 1.
        case 13: return two / 10 == 4
        // Diners Club.
        case 14: return two == 36 || two == 38 || (300...305).contains(three) || three == 309
        // American Express.
        case 15: return two == 34 || two == 37
        case 16:
            // Visa, Mastercard (51–55, 2221–2720), Discover, JCB, Mir, Diners, Maestro and the national schemes of 5 and 6
            // (Elo, Hipercard, RuPay, Troy, UnionPay, Verve, Cabal, Naranja), Hipercard's 3841, Troy's 9792.
            return (4...6).contains(two / 10) || (2200...2204).contains(first) || (2221...2720).contains(first)
                || (3528...3589).contains(first) || two == 36 || two == 38 || two == 30 || first == 9792
                || two == 81 || two == 82
        // Maestro, UnionPay and Visa's long form.
        case 17, 18: return two == 62 || two == 50 || (56...58).contains(two) || two == 67 || two == 63
        case 19: return two / 10 == 6 || two == 50 || two == 58 || two / 10 == 4
        default: return false
        }
    }

    /// IBAN: ISO 13616, mod 97 of the text with its first four characters last.
    static func iban(_ text: Span<UInt8>) -> Bool {
        var remainder = 0
        for index in text.indices {
            let byte = text[index + 4 < text.count ? index + 4 : index + 4 - text.count].asciiUppercased
            if byte.isASCIIDigit {
                remainder = (remainder * 10 + Int(byte - 48)) % 97
            } else {
                remainder = (remainder * 100 + Int(byte) - 55) % 97
            }
        }
        return remainder == 1
    }

    /// CPF: Brazil's number of a person, eleven digits, two of them checks mod 11. All digits the same is no number.
    static func cpf(_ digits: Span<UInt8>) -> Bool {
        guard digits.count == 11, !isRepetition(digits) else { return false }
        for place in [9, 10] {
            let sum = (0..<place).reduce(0) { $0 + Int(digits[$1]) * (place + 1 - $1) }
            let rest = sum * 10 % 11 % 10
            if rest != Int(digits[place]) { return false }
        }
        return true
    }

    /// CNPJ: Brazil's number of a company, fourteen places; since 2026 the first twelve may be letters, each worth its
    /// ASCII code less 48 (Receita Federal, IN 2.229/2024).
    static func cnpj(_ values: Span<UInt8>) -> Bool {
        guard values.count == 14, !isRepetition(values) else { return false }
        for place in [12, 13] {
            let sum = (0..<place).reduce(0) { $0 + Int(values[$1]) * ((place - 1 - $1) % 8 + 2) }
            let rest = sum % 11
            if (rest < 2 ? 0 : 11 - rest) != Int(values[place]) { return false }
        }
        return true
    }

    /// CUIT and CUIL: Argentina's eleven digits with a prefix of a closed list and a check mod 11.
    static func cuit(_ digits: Span<UInt8>) -> Bool {
        guard digits.count == 11, [20, 23, 24, 25, 26, 27, 30, 33, 34].contains(digits[0] * 10 + digits[1]) else {
            return false
        }
        let weights: [10 of Int] = [5, 4, 3, 2, 7, 6, 5, 4, 3, 2]
        let sum = (0..<10).reduce(0) { $0 + Int(digits[$1]) * weights[$1] }
        let check = (11 - sum % 11) % 11
        return check == Int(digits[10])
    }

    /// NIF: Portugal's nine digits, the last one a check mod 11, the first one of those given to anybody.
    static func portugueseNIF(_ digits: Span<UInt8>) -> Bool {
        guard digits.count == 9, ![0, 4, 7].contains(digits[0]) || digits[0] == 4 && digits[1] == 5 else {
            return false
        }
        let sum = (0..<8).reduce(0) { $0 + Int(digits[$1]) * (9 - $1) }
        let rest = sum % 11
        return (rest < 2 ? 0 : 11 - rest) == Int(digits[8])
    }

    /// NIF and NIE: Spain's control letter for a number of eight digits. A NIE's first letter stands for 0, 1 or 2.
    static func spanishLetter(_ number: Int) -> UInt8 {
        let letters: StaticString = "TRWAGMYFPDXBNJZSQVHLCKE"
        // The remainder is below 23, the count of the letters.
        return letters.withUTF8Buffer { unsafe $0[number % 23] }
    }

    /// SSN: no check digit, but areas, groups and serials that were never given (SSA, POMS RM 10201.035).
    static func ssn(_ digits: Span<UInt8>) -> Bool {
        guard digits.count == 9 else { return false }
        let area = Int(digits[0]) * 100 + Int(digits[1]) * 10 + Int(digits[2])
        return area != 0 && area != 666 && area < 900 && digits[3] + digits[4] > 0
            && digits[5] + digits[6] + digits[7] + digits[8] > 0
    }

    private static func isRepetition(_ digits: Span<UInt8>) -> Bool {
        for index in 1..<digits.count where digits[index] != digits[0] { return false }
        return true
    }
}
