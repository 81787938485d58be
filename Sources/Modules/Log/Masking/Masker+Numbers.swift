// SPDX-License-Identifier: Apache-2.0

import Bytes

extension Masker {
    /// A number that begins at `index`: with its plus sign, its parenthesis or its first digit.
    func number(_ text: Span<UInt8>, at index: Int, floor: Int) -> Outcome {
        var first = index
        var hasPlus = false
        var hasParenthesis = false
        if text[index] == UInt8(ascii: "(") {
            hasParenthesis = true
            first += 1
        } else if !text[index].isASCIIDigit {
            hasPlus = true
            first += text[index] == UInt8(ascii: "+") ? 1 : text.escapedByte(at: index)?.width ?? 1
            if text.peek(first) == UInt8(ascii: "(") { first += 1 }
        }
        guard text.peek(first).isASCIIDigit, text[index].isASCIIDigit || text.isStart(index, floor: floor) else {
            return .none(next: first)
        }
        // What a parenthesis does not belong to is looked at again behind it.
        let run = hasParenthesis ? first : text.end(of: \.isASCIIDigit, from: first)
        // Behind a point or a dash it is the end of something longer: a fraction, a version, a row of numbers.
        let attachment = attachment(text, at: index, floor: floor)
        guard hasPlus || attachment != .fraction else { return .none(next: run) }
        if !hasPlus, !hasParenthesis, !text.mayGoOn(behindDigits: run, count: run - first) {
            // Joined to letters, or too short to be anything: most numbers there are.
            if run - first == 8, let end = text.spanishNIF(at: index) { return .found(index..<end, .nif) }
            return .none(next: run)
        }
        let cluster = NumberCluster(
            text, at: index, digitsAt: first, hasPlus: hasPlus, hasParenthesis: hasParenthesis)
        guard cluster.digitCount >= 7, cluster.groupCount > 0 else { return .none(next: run) }
        if hasPlus {
            guard let groups = international(cluster, text) else { return .none(next: run) }
            return .found(index..<cluster.end(groups), .phone)
        }
        if text.isUUID(at: index) { return .none(next: index + 36) }
        if let found = text.botToken(at: index) { return .found(found, .secret) }
        if let (groups, kind) = personal(cluster, text, floor: floor, isAttached: attachment == .word) {
            return .found(index..<cluster.end(groups), kind)
        }
        if !hasParenthesis, let end = text.spanishNIF(at: index) { return .found(index..<end, .nif) }
        return .none(next: run)
    }

    /// What a number is joined to: nothing, a word, or a number whose later part it is.
    private enum Attachment { case none, word, fraction }

    /// Whether the number at `index` is the end of something longer: `file-5…`, `key_5…`, `v1.5…`, `12-5…`.
    private func attachment(_ text: Span<UInt8>, at index: Int, floor: Int) -> Attachment {
        guard index - 2 >= floor else { return .none }
        let before = text[index - 2]
        switch text[index - 1] {
        case UInt8(ascii: "."), UInt8(ascii: ","):
            if before.isASCIIDigit, text[index - 1] == UInt8(ascii: ".") { return .fraction }
            return before.isWord && text[index - 1] == UInt8(ascii: ".") ? .word : .none
        case UInt8(ascii: "-"): return before.isASCIIDigit ? .fraction : before.isWord ? .word : .none
        case UInt8(ascii: "_"): return .word
        default: return .none
        }
    }

    /// The most groups from the first that are a number of a person's, and of which kind.
    private func personal(
        _ cluster: NumberCluster, _ text: Span<UInt8>, floor: Int, isAttached: Bool
    ) -> (groups: Int, MaskKind)? {
        // A single digit begins few numbers, and rows of them are common; looking for words is what costs here.
        let mayBeSpoken = cluster.length(0) > 1 && !cluster.hasParenthesis
        var context: NumberContext?
        func spoken() -> NumberContext {
            if let context { return context }
            let found = text.context(before: cluster.start, floor: floor)
            context = found
            return found
        }
        // What is part of a longer word counts where the word says what it is.
        if isAttached, spoken() == .none || spoken() == .other { return nil }
        for groups in stride(from: cluster.groupCount, through: 1, by: -1) where cluster.count(groups) >= 7 {
            let rules = shapes.rules(of: cluster.shape(groups))
            let mayBeCard = (13...19).contains(cluster.count(groups))
            guard !rules.isEmpty || mayBeCard, cluster.isEnd(groups, in: text) else { continue }
            if !rules.isEmpty, let kind = identity(cluster, groups, rules, spoken(), text) { return (groups, kind) }
            // Thirteen digits are a card of the old kind or a mobile number, whose beginning says more.
            let isPhone = !rules.isDisjoint(with: .phones) && isPhone(cluster, groups, rules, spoken(), text)
            let isOldCard = cluster.count(groups) == 13
            if mayBeCard, isCard(cluster, groups), !isOldCard || !isPhone && spoken() != .other {
                return (groups, .card)
            }
            if isPhone { return (groups, .phone) }
        }
        guard mayBeSpoken else { return nil }
        for groups in stride(from: cluster.groupCount, through: 1, by: -1)
        where (7...15).contains(cluster.count(groups)) && cluster.isEnd(groups, in: text) {
            return isDateOrAddress(cluster, groups) || spoken() != .phone ? nil : (groups, .phone)
        }
        return nil
    }

    private func identity(
        _ cluster: NumberCluster, _ groups: Int, _ rules: NumberShapes.Rules, _ context: NumberContext,
        _ text: Span<UInt8>
    ) -> MaskKind? {
        guard !cluster.hasParenthesis else { return nil }
        let digits = cluster.digits
        let number = digits.span.extracting(0..<cluster.count(groups))
        if rules.contains(.cpf), Checksum.cpf(number) { return .cpf }
        if rules.contains(.cuit), Checksum.cuit(number) { return .cuit }
        if rules.contains(.cnpj), Checksum.cnpj(number) { return .cnpj }
        if rules.contains(.ssn), Checksum.ssn(number) { return .ssn }
        guard number.count == 9 else { return nil }
        if context == .socialSecurity, Checksum.ssn(number) { return .ssn }
        guard rules.contains(.nif), Checksum.portugueseNIF(number) else { return nil }
        if context == .national { return .nif }
        // One in eleven numbers of nine digits is a NIF, and this one is everybody's example of a number.
        let isPlain = context == .none && !text.hasUnit(at: cluster.end(groups))
        return isPlain && cluster.value(0..<9) != 123_456_789 ? .nif : nil
    }

    /// Thirteen to nineteen digits of an issuer's range, in groups with one separator, that agree with their check.
    private func isCard(_ cluster: NumberCluster, _ groups: Int) -> Bool {
        let count = cluster.count(groups)
        guard (13...19).contains(count), !cluster.hasParenthesis else { return false }
        for group in 0..<groups - 1 {
            guard (3...6).contains(cluster.length(group)), cluster.separator(behind: group) != .slash,
                cluster.separator(behind: group) == cluster.separator(behind: 0)
            else { return false }
        }
        let digits = cluster.digits
        let number = digits.span.extracting(0..<count)
        return Checksum.isIssued(number) && Checksum.luhn(number)
    }

    private func isPhone(
        _ cluster: NumberCluster, _ groups: Int, _ rules: NumberShapes.Rules, _ context: NumberContext,
        _ text: Span<UInt8>
    ) -> Bool {
        if rules.contains(.weak), context == .other || text.hasUnit(at: cluster.end(groups)) { return false }
        return PhoneNumber.isNumber(cluster, groups, rules)
    }

    /// `2026-11-21`, `21.11.2026`, `192.168.100.1`: seven digits or more, and no telephone though the word said so.
    private func isDateOrAddress(_ cluster: NumberCluster, _ groups: Int) -> Bool {
        let isDate =
            groups >= 3 && cluster.length(0) + cluster.length(1) + cluster.length(2) == 8
            && (cluster.length(0) == 4 || cluster.length(2) == 4)
        let isAddress = groups == 4 && (0..<3).allSatisfy { cluster.separator(behind: $0) == .dot }
        return isDate || isAddress || groups == 2 && cluster.separator(behind: 0) == .dot
    }

    /// The groups of a number behind a plus sign.
    private func international(_ cluster: NumberCluster, _ text: Span<UInt8>) -> Int? {
        // `+1234567.89` is money; a telephone with points has more of them.
        if cluster.groupCount == 2, cluster.separator(behind: 0) == .dot { return nil }
        guard let lengths = PhoneNumber.lengths(of: cluster) else { return nil }
        // National trunk zeros are written in parentheses: +44 (0)20.
        for groups in stride(from: cluster.groupCount, through: 1, by: -1) {
            let count = cluster.count(groups)
            let trunk = groups > 1 && cluster.separator(behind: 0) == .open && cluster.length(1) == 1 ? 1 : 0
            if lengths.contains(count - trunk), cluster.isEnd(groups, in: text) { return groups }
        }
        return nil
    }

    /// A CNPJ with letters, `12.ABC.345/01DE-35`, whose stroke is at `index`.
    func companyNumber(_ text: Span<UInt8>, at index: Int, floor: Int) -> Outcome {
        let start = index - 10
        guard start >= floor, text[index - 4] == UInt8(ascii: "."), text[index - 8] == UInt8(ascii: "."),
            text.peek(index + 5) == UInt8(ascii: "-"), text.isStart(start, floor: floor), text.isEnd(index + 8)
        else { return .none(next: index + 1) }
        var values = [14 of UInt8](repeating: 0)
        var count = 0
        for place in start..<index + 8 where ![2, 6, 10, 15].contains(place - start) {
            let byte = text.peek(place).asciiUppercased
            guard byte.isASCIIAlphanumeric, count < 12 || byte.isASCIIDigit else { return .none(next: index + 1) }
            values[count] = byte - 48
            count += 1
        }
        return Checksum.cnpj(values.span) ? .found(start..<index + 8, .cnpj) : .none(next: index + 1)
    }
}

extension Span where Element == UInt8 {
    /// True where a number may be what begins with `count` digits that end before `index`.
    fileprivate func mayGoOn(behindDigits index: Int, count: Int) -> Bool {
        switch peek(index) {
        case UInt8(ascii: " "), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "/"), UInt8(ascii: "("),
            UInt8(ascii: ")"), UInt8(ascii: "%"), UInt8(ascii: "\\"), 0xC2, 0xE2:
            true
        case let byte: count >= 7 && !byte.isWord
        }
    }

    /// Spain's NIF at `index`: eight digits and their letter, in capitals, with a dash or points or without.
    func spanishNIF(at index: Int) -> Int? {
        var number = 0
        var digits = 0
        var next = index
        while digits < 8 {
            let byte = peek(next)
            if byte.isASCIIDigit {
                number = number * 10 + Int(byte - 48)
                digits += 1
            } else if byte != UInt8(ascii: ".") || (digits != 2 && digits != 5) {
                return nil
            }
            next += 1
        }
        if peek(next) == UInt8(ascii: "-") || peek(next) == UInt8(ascii: " ") { next += 1 }
        return peek(next) == Checksum.spanishLetter(number) && isEnd(next + 1) ? next + 1 : nil
    }

    /// Letters before a number, the last of them before `index`: a NIE (`X1234567L`), or a NIF with its country (`PT…`,
    /// `ES…`).
    func lettersAndNumber(at index: Int, floor: Int) -> Range<Int>? {
        if has("pt", at: index - 2), index - 2 >= floor, isStart(index - 2, floor: floor) {
            let end = self.end(of: \.isASCIIDigit, from: index, max: 10)
            guard end == index + 9, isEnd(end) else { return nil }
            var digits = [9 of UInt8](repeating: 0)
            for place in 0..<9 { digits[place] = self[index + place] - 48 }
            return Checksum.portugueseNIF(digits.span) ? index - 2..<end : nil
        }
        if has("es", at: index - 2), index - 2 >= floor, isStart(index - 2, floor: floor) {
            return spanishNIF(at: index).map { index - 2..<$0 }
        }
        let first = peek(index - 1).asciiUppercased
        guard (UInt8(ascii: "X")...UInt8(ascii: "Z")).contains(first), index - 1 >= floor,
            isStart(index - 1, floor: floor)
        else { return nil }
        return foreignerNumber(at: index, leading: Int(first - UInt8(ascii: "X")))
    }

    private func foreignerNumber(at index: Int, leading: Int) -> Range<Int>? {
        var number = leading
        for place in 0..<7 {
            let byte = peek(index + place)
            guard byte.isASCIIDigit else { return nil }
            number = number * 10 + Int(byte - 48)
        }
        let letter = peek(index + 7) == UInt8(ascii: "-") ? index + 8 : index + 7
        guard peek(letter).asciiUppercased == Checksum.spanishLetter(number), isEnd(letter + 1) else { return nil }
        return index - 1..<letter + 1
    }

    /// An IBAN that begins at `index`: two letters, two digits, and as many more as its country has, in one piece or in
    /// groups of four.
    func accountNumber(at index: Int, floor: Int) -> Range<Int>? {
        guard index >= floor, peek(index).isASCIILetter, peek(index + 1).isASCIILetter, peek(index + 2).isASCIIDigit,
            peek(index + 3).isASCIIDigit, isStart(index, floor: floor),
            let length = Self.accountLength(peek(index).asciiUppercased, peek(index + 1).asciiUppercased)
        else { return nil }
        var places = [34 of UInt8](repeating: 0)
        var next = index
        for place in 0..<length {
            if place > 0, place % 4 == 0 {
                let between = blank(at: next)
                next += between > 0 ? between : peek(next) == UInt8(ascii: "-") ? 1 : 0
            }
            let byte = peek(next)
            guard byte.isASCIIAlphanumeric else { return nil }
            places[place] = byte
            next += 1
        }
        guard isEnd(next), Checksum.iban(places.span.extracting(0..<length)) else { return nil }
        return index..<next
    }

    /// Characters of a country's IBAN (SWIFT, IBAN Registry, release 99).
    private static func accountLength(_ first: UInt8, _ second: UInt8) -> Int? {
        let table: StaticString = """
            AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24FI18FK18FO18\
            FR27GB22GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27\
            MD24ME22MK19MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27\
            SO23ST25SV28TL23TN24TR26UA29VA22VG24XK20YE30
            """
        return table.withUTF8Buffer { table in
            // Four bytes a country; `index + 3` is below the count, a multiple of four.
            for index in stride(from: 0, to: table.count, by: 4)
            where unsafe table[index] == first && table[index + 1] == second {
                return unsafe Int(table[index + 2] - 48) * 10 + Int(table[index + 3] - 48)
            }
            return nil
        }
    }
}
