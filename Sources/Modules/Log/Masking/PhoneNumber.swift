// SPDX-License-Identifier: Apache-2.0

/// What plans of numbers say of digits (ITU-T E.164 and the national plans), as far as it tells telephones from other
/// numbers.
enum PhoneNumber {
    /// How many digits a number behind a plus sign has, its country's code included. Nil where no country has that code.
    static func lengths(of cluster: NumberCluster) -> ClosedRange<Int>? {
        guard cluster.digitCount >= 7 else { return nil }
        let two = cluster.value(0..<2)
        if two / 10 == 1 { return cluster.digits[1] >= 2 ? 11...11 : nil }
        if two / 10 == 7 { return 11...11 }
        switch two {
        case 27, 33, 34, 36, 40, 41, 48, 56, 61, 93, 94: return two == 36 || two == 40 ? 10...11 : 11...11
        case 44: return 11...12
        case 45, 47, 65: return 10...10
        case 46: return 9...12
        case 32, 51: return 10...11
        case 31, 53: return 10...11
        case 58, 84, 90, 91, 92, 98: return 11...12
        case 52, 54, 55: return 12...13
        case 86: return 12...13
        case 39, 49, 43: return 9...15
        case 20, 30, 57, 60, 62, 63, 64, 66, 81, 82, 95: return 10...13
        default: break
        }
        switch cluster.value(0..<3) {
        case 351, 420, 421, 380, 966, 974...977, 992...996, 998: return 11...12
        case 352, 353, 356...359, 370...378, 381...389, 595, 971...973: return 9...13
        case 211...299, 350, 354, 355, 423, 500...599, 670...699, 800, 808, 850...886, 960...970, 979: return 9...13
        default: return nil
        }
    }

    /// True where the first `groups` groups agree with one of the plans that the shape allows.
    static func isNumber(_ cluster: NumberCluster, _ groups: Int, _ rules: NumberShapes.Rules) -> Bool {
        let count = cluster.count(groups)
        let first = cluster.digits[0]
        let second = cluster.digits[1]
        if rules.contains(.american), first >= 2, cluster.digits[3] >= 2, !isRound(cluster) { return true }
        if rules.contains(.american1), first == 1, second >= 2, cluster.digits[4] >= 2 { return true }
        if rules.contains(.area), first > 0, second > 0, isLocal(cluster, 2, count) { return true }
        if rules.contains(.trunk), first == 0, second > 0, (9...12).contains(count), !isRow(cluster, groups) {
            return true
        }
        if rules.contains(.coded), isCoded(cluster, count) { return true }
        if rules.contains(.iberian), first >= 6 || first == 2 && second > 0 { return true }
        if rules.contains(.three), first == 3 { return true }
        if rules.contains(.chinese), first == 1, second >= 3 { return true }
        if rules.contains(.russian), first == 7 || first == 8 { return true }
        if rules.contains(.indian), cluster.length(0) == 1 ? first == 9 : first >= 7 { return true }
        return rules.contains(.bare) && isBare(cluster, count)
    }

    /// `200 300 4000`: three round numbers. No area but those of free calls ends with two zeros.
    private static func isRound(_ cluster: NumberCluster) -> Bool {
        cluster.digits[1] == 0 && cluster.digits[2] == 0 && cluster.digits[0] < 8 || cluster.value(7..<10) == 0
    }

    /// `01 02 03 04 05`: one more each time.
    private static func isRow(_ cluster: NumberCluster, _ groups: Int) -> Bool {
        guard groups == 5 else { return false }
        let step = cluster.value(2..<4) - cluster.value(0..<2)
        return (1..<4).allSatisfy {
            cluster.value(2 * $0 + 2..<2 * $0 + 4) - cluster.value(2 * $0..<2 * $0 + 2) == step
        }
    }

    /// A country's code without its plus sign, or with two zeros.
    private static func isCoded(_ cluster: NumberCluster, _ count: Int) -> Bool {
        let zeros = cluster.digits[0] == 0 && cluster.digits[1] == 0 ? 2 : 0
        switch (cluster.value(zeros..<zeros + 2), count - zeros) {
        case (34, 11), (33, 11), (44, 12), (54, 12...13), (55, 12...13), (52, 12...13), (39, 12), (49, 11...13):
            return true
        default: return cluster.value(zeros..<zeros + 3) == 351 && count - zeros == 12
        }
    }

    /// A number behind an area's: nine digits are a mobile's and begin with 9, eight begin with 2 to 9.
    private static func isLocal(_ cluster: NumberCluster, _ start: Int, _ count: Int) -> Bool {
        switch count - start {
        case 9: cluster.digits[start] == 9
        // A parenthesis, or one of Mexico's cities, says enough.
        case 8:
            cluster.digits[start] >= 2
                || cluster.digits[start] == 1
                    && (cluster.hasParenthesis || [33, 55, 56, 81].contains(cluster.value(0..<2)))
        default: false
        }
    }

    /// Mobile numbers in one piece: what WhatsApp and forms send. Only those whose beginning says much: of all numbers of
    /// such a length a few in a hundred begin so.
    private static func isBare(_ cluster: NumberCluster, _ count: Int) -> Bool {
        let start = cluster.value(0..<4)
        guard (1..<count).contains(where: { cluster.digits[$0] != cluster.digits[0] }) else { return false }
        switch count {
        // France, the Netherlands, Australia, Spain's neighbours: a trunk's zero and a mobile's digit.
        case 10: return [6, 7, 4].contains(start / 100) && start / 10 % 10 > 0
        case 11:
            // Brazil: an area without zeros, then 9 and a digit from 6 on.
            if isArea(start / 100), start / 10 % 10 == 9, start % 10 >= 6 { return true }
            // The United Kingdom 07, Germany 015 to 017, Japan 070, 080, 090.
            if start / 100 == 7 || (15...17).contains(start / 10) || [70, 80, 90].contains(start / 10) { return true }
            // With the country: Spain, France, Chile, Peru.
            return start / 10 == 346 || start / 10 == 336 || start / 10 == 337 || start / 10 == 569 || start / 10 == 519
        case 12:
            // Portugal; landlines of Brazil; the United Kingdom, Italy, Germany, Colombia.
            if [3519].contains(start) || start / 100 == 55 && isArea(start % 100) && cluster.digits[4] >= 2 {
                return true
            }
            return start / 10 == 447 || start / 10 == 393 || [4915, 4916, 4917].contains(start) || start / 10 == 573
        case 13:
            // Brazil, Argentina, Mexico, Germany.
            if start / 100 == 55 { return isArea(start % 100) && cluster.digits[4] == 9 && cluster.digits[5] >= 6 }
            return start / 10 == 549 || start / 10 == 521 || [4915, 4916, 4917].contains(start)
        default: return false
        }
    }

    /// Brazil's areas: no zeros, and not the few pairs that were never given.
    private static func isArea(_ number: Int) -> Bool {
        number >= 11 && number % 10 > 0
            && ![23, 25, 26, 29, 36, 39, 52, 56, 57, 58, 59, 72, 76, 78].contains(number)
    }
}
