// SPDX-License-Identifier: Apache-2.0

/// How numbers of people are written: the lengths of groups and what stands between them, and what must hold of digits.
struct NumberShapes: Sendable {
    /// What a shape may be. A shape may be several; the digits decide.
    struct Rules: OptionSet, Sendable {
        let rawValue: UInt32

        static let cpf = Rules(rawValue: 1 << 0)
        static let cnpj = Rules(rawValue: 1 << 1)
        static let cuit = Rules(rawValue: 1 << 2)
        static let ssn = Rules(rawValue: 1 << 3)
        static let nif = Rules(rawValue: 1 << 4)
        /// North America: area and exchange begin with 2 to 9.
        static let american = Rules(rawValue: 1 << 5)
        /// The same behind a 1.
        static let american1 = Rules(rawValue: 1 << 6)
        /// Two digits of area without zeros, then eight or nine (Brazil, Argentina, Mexico).
        static let area = Rules(rawValue: 1 << 7)
        /// A zero, another digit, nine to twelve in all: most of Europe, Asia, Africa.
        static let trunk = Rules(rawValue: 1 << 8)
        /// Begins with 6 to 9, or 2 (Spain, Portugal, Poland, Peru).
        static let iberian = Rules(rawValue: 1 << 9)
        /// Begins with 3 (Italy, Colombia).
        static let three = Rules(rawValue: 1 << 10)
        /// Begins with 1 and 3 to 9 (China).
        static let chinese = Rules(rawValue: 1 << 11)
        /// Begins with 7 or 8 (Russia and its neighbours).
        static let russian = Rules(rawValue: 1 << 12)
        /// Begins with 7 to 9 (India), or 9 (Chile).
        static let indian = Rules(rawValue: 1 << 13)
        /// A mobile number with its country's code or its trunk's zero, in one piece.
        static let bare = Rules(rawValue: 1 << 14)
        /// Groups that are also how other numbers are written: not behind a word that says so, nor before a unit.
        static let weak = Rules(rawValue: 1 << 15)

        /// With a country's code, but no plus sign.
        static let coded = Rules(rawValue: 1 << 16)

        static let phones: Rules = [
            .american, .american1, .area, .trunk, .iberian, .three, .chinese, .russian, .indian, .bare, .coded,
        ]
    }

    private let rules: [UInt64: Rules]

    func rules(of shape: UInt64) -> Rules { rules[shape] ?? [] }

    /// In a shape a digit is a group's length; `-`, `.`, `/` and a space are themselves; `(` and `)` too.
    private static let table: [(Rules, [StaticString])] = [
        (.cpf, ["3.3.3-2", "3.3.3/2", "3 3 3 2", "3 3 3-2", "3-3-3-2", "3.3.3.2", "9-2", "9/2", "11"]),
        (.cnpj, ["2.3.3/4-2", "2.3.3.4-2", "2 3 3 4 2", "2.3.3/4.2", "8/4-2", "12-2", "2 3 3/4-2", "14"]),
        (.cuit, ["2-8-1", "2.8.1", "2 8 1", "2/8/1", "2-8/1", "2-2.3.3-1", "11"]),
        (.ssn, ["3-2-4", "3 2 4"]),
        ([.nif, .weak], ["9", "3 3 3"]),
        (.american, ["3-3-4", "3.3.4", "(3)3-4", "(3)3 4", "(3)3.4", "(3)7"]),
        ([.american, .weak], ["3 3 4"]),
        (.american1, ["1-3-3-4", "1 3-3-4", "1(3)3-4", "1(3)3 4", "1(3)7"]),
        ([.american1, .weak], ["1.3.3.4", "1 3 3 4"]),
        (.area, ["(2)5-4", "(2)4-4", "(2)5 4", "(2)4 4", "(2)9", "(2)8", "(2)1 4-4", "(2)1 4 4", "(2)5.4", "(2)4.4"]),
        (.area, ["2 5-4", "2 4-4", "2-5-4", "2 1 4-4", "2 5 4", "2 1 4 4", "2.5.4", "2.5-4", "2/5-4"]),
        ([.area, .weak], ["2-4-4", "2 4 4", "2 9"]),
        (.trunk, ["(3)5-4", "(3)4-4", "(3)8", "(3)7", "(3)6", "(4)6", "(4)7", "(4)8", "(5)6", "(5)5", "(2)8"]),
        (.trunk, ["(3)4 4", "(2)4 4", "(4)3 4", "(4)3-4", "(4)3 3", "(3)5 4", "(3)3-4", "(3)3 4", "(3)2-4-4"]),
        (.trunk, ["3 4 4", "3-4-4", "2 4 4", "2-4-4", "3 4-4", "4 4-4", "3 5-4", "3 2-4-4", "4 3-4", "4-3-4"]),
        (
            .trunk,
            ["4 3 4", "4 3 3", "4-3-3", "4 6", "5 6", "5 5", "4 7", "4-7", "4 8", "3 8", "3 7", "3-7", "3-8", "3 6"]
        ),
        (.trunk, ["4/7", "4/8", "4/6", "3/8", "3/7", "3/6", "3 3 4", "3-3-4", "3 3 3", "3-3-3", "4-6", "4-8", "5-6"]),
        (
            .trunk,
            ["3 3 2 2", "3-3-2-2", "4 3 2 2", "2 2 2 2 2", "2.2.2.2.2", "2-2-2-2-2", "2 3 2 2", "3 2 2 2", "4 2 2 2"]
        ),
        (.trunk, ["3 4 3", "4 4 3", "4 4 4", "5 3 3", "4 5", "2 8"]),
        ([.iberian, .weak], ["3 3 3", "3-3-3"]),
        (.iberian, ["3 2 2 2", "3-2-2-2", "2 3 2 2", "2-3-2-2", "3.2.2.2", "2 3 4", "2-3-4"]),
        ([.three, .weak], ["3 3 4", "3 7"]),
        (.three, ["3-3-4", "3-7"]),
        (.chinese, ["3 4 4", "3-4-4"]),
        (.russian, ["1 3 3-2-2", "1(3)3-2-2", "1-3-3-2-2", "1 3 3 2 2", "1(3)3 2 2", "1(3)7", "1(3)3-4"]),
        ([.indian, .weak], ["5 5", "5-5", "1 4 4", "1-4-4"]),
        (
            .coded,
            ["4 5-4", "4 5 4", "4 4-4", "2 2 5-4", "2 2 5 4", "2(2)5-4", "2(2)5 4", "2 2 4-4", "2(2)4-4", "2 2 9"]
        ),
        (.coded, ["2 3 3 3", "2-3-3-3", "3 3 3 3", "3 9", "2 11", "2 10", "4 2 5-4", "4 2 5 4", "4 3 3 3", "5 3 3 3"]),
        (.coded, ["2 2 1 4-4", "2 2 1 4 4", "2 9 2 4-4", "4 2 4-4", "4 3 8", "4 9", "2 3 2 2 2", "2 1 2 2 2 2"]),
        ([.bare, .weak], ["10", "11", "12", "13"]),
    ]

    init() {
        var rules: [UInt64: Rules] = [:]
        for (rule, shapes) in Self.table {
            for shape in shapes { rules[Self.key(of: shape), default: []].formUnion(rule) }
        }
        self.rules = rules
    }

    /// A shape as `NumberCluster.shape` writes it.
    private static func key(of shape: StaticString) -> UInt64 {
        var key: UInt64 = 1
        var length: UInt64 = 0
        func separator(_ character: Character) -> NumberCluster.Separator {
            switch character {
            case " ": .space
            case "-": .dash
            case ".": .dot
            case "/": .slash
            case ")": .close
            default: .open
            }
        }
        for character in shape.description {
            if let digit = character.wholeNumberValue {
                length = length * 10 + UInt64(digit)
            } else if length == 0 {
                key = 2
            } else {
                key = key << 7 | length << 3 | UInt64(separator(character).rawValue)
                length = 0
            }
        }
        return key << 7 | length << 3
    }
}
