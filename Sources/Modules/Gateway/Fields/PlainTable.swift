// SPDX-License-Identifier: Apache-2.0

package import JSON

/// A field table laid out flat for one kind of provider, and a walk over a body that only says yes.
///
/// Yes means that ``FieldTable/check(_:for:pass:)`` would find nothing to refuse and nothing to carry along, and that nothing
/// in the body is for its decoder to judge (``Tag/isJudged``). Whatever else there is to say (which member is wrong and
/// why, what a `pass` list allows, addresses of media) the full walk says: a body that is not plainly right is walked
/// again. So the rules stand once, in the table; these are copies without references, since this walk is taken by every
/// request.
package final class PlainTable: Sendable {
    private enum Test: UInt8 {
        case any, bool, integer, number, string, choice, array, object, map, either, tagged
        /// Only the full walk can tell.
        case never
    }

    /// A shape. What the figures mean depends on the test.
    private struct Rule {
        var test: Test
        /// The JSON kinds it may have at all, a bit each.
        var kinds: UInt8
        /// Bounds of a number, length or count; those of doubles by their bit patterns.
        var least = 0
        var most = 0
        /// Rules of elements or alternatives, rows of tags, words of choices; of an object its slots, a power of two.
        var from: Int32 = 0
        var to: Int32 = 0
        /// Of a tagged shape: the word that is its tag's name; the row where it has none, or -1.
        var word: Int32 = 0
        var fallback: Int32 = -1
    }

    /// A member of an object, or one of the objects of a tagged shape.
    private struct Row {
        let word: Int32
        /// Whether the table lets it pass unread for this kind of provider.
        let passes: Bool
        let isRequired: Bool
        /// Of a member: its rule. Of a tag: its members, as rule of an object.
        let rule: Int32
    }

    /// Where an object's row may be found by the mark of a name.
    private struct Slot {
        var mark: UInt32 = 0
        /// The row, from 1; 0 where there is none.
        var row: Int32 = 0

        static func number(of mark: UInt32, among count: Int32) -> Int {
            Int((mark &* 0x9E37_79B1) &>> 16) & (Int(count) &- 1)
        }
    }

    private let rules: [Rule]
    private let rows: [Row]
    private let slots: [Slot]
    private let words: [JSONWord]
    private let root: Int

    /// Chats for a provider that speaks their protocol: most of what passes here.
    static let chat = PlainTable(FieldTable.chat.fields, for: .openai)

    init(_ fields: [Field], for kind: ProviderKind) {
        var builder = Builder(kind: kind)
        root = Int(builder.add(.object(fields)))
        rules = builder.rules
        rows = builder.rows
        slots = builder.slots
        words = builder.words
    }

    /// Whether the body is plainly right.
    package func passes(_ view: borrowing JSONView) -> Bool { fits(root, view, 0) }

    // MARK: The walk. It recurses as deeply as the table does, whatever the body.

    private func fits(_ rule: Int, _ view: borrowing JSONView, _ place: Int) -> Bool {
        let rule = rules[rule]
        let kind = view.kind(of: place)
        guard rule.kinds & (1 &<< kind.rawValue) != 0 else { return false }
        switch rule.test {
        case .any, .bool: return true
        case .never: return false
        case .integer: return isWithin(view.int(place), rule)
        case .string: return isWithin(view.stringByteCount(place), rule)
        case .number:
            guard let value = view.double(place) else { return false }
            return value >= Double(bitPattern: UInt64(bitPattern: Int64(rule.least)))
                && value <= Double(bitPattern: UInt64(bitPattern: Int64(rule.most)))
        case .choice:
            for word in Int(rule.from)..<Int(rule.to) where view.string(place, says: words[word]) { return true }
            return false
        case .array:
            guard isWithin(view.count(of: place), rule) else { return false }
            let end = view.end(of: place)
            var element = place + 1
            while element < end {
                guard fits(Int(rule.from), view, element) else { return false }
                element = view.end(of: element)
            }
            return true
        case .map:
            guard isWithin(view.count(of: place), rule) else { return false }
            let end = view.end(of: place)
            var name = place + 1
            while name < end {
                guard fits(Int(rule.from), view, name + 1) else { return false }
                name = view.end(of: name + 1)
            }
            return true
        case .object: return members(of: place, rule, tag: -1, view)
        case .either:
            // The first whose kind it has decides, as in the full walk. Alternatives stand behind each other.
            for index in Int(rule.from)..<Int(rule.to) where rules[index].kinds & (1 &<< kind.rawValue) != 0 {
                return fits(index, view, place)
            }
            return false
        case .tagged: return tagged(rule, view, place)
        }
    }

    private func isWithin(_ value: Int?, _ rule: Rule) -> Bool {
        guard let value else { return false }
        return value >= rule.least && value <= rule.most
    }

    /// - Parameter tag: the place of the name of an object's tag, which has been read; -1 where there is none.
    private func members(of object: Int, _ rule: Rule, tag: Int, _ view: borrowing JSONView) -> Bool {
        let end = view.end(of: object)
        var required = rule.least
        var name = object + 1
        while name < end {
            let value = name + 1
            if name != tag {
                guard let mark = view.mark(ofName: name), let row = row(mark, of: rule, view, name) else {
                    return false
                }
                if row.isRequired { required -= 1 }
                if row.isRequired || !view.isNull(value) {
                    guard row.passes, fits(Int(row.rule), view, value) else { return false }
                }
            }
            name = view.end(of: value)
        }
        // No name stands twice in a request.
        return required == 0
    }

    private func row(_ mark: UInt32, of rule: Rule, _ view: borrowing JSONView, _ name: Int) -> Row? {
        var number = Slot.number(of: mark, among: rule.to)
        while true {
            let slot = slots[Int(rule.from) + number]
            if slot.row == 0 { return nil }
            if slot.mark == mark {
                let row = rows[Int(slot.row) - 1]
                if view.string(name, says: words[Int(row.word)]) { return row }
            }
            number = (number + 1) & (Int(rule.to) - 1)
        }
    }

    private func tagged(_ rule: Rule, _ view: borrowing JSONView, _ place: Int) -> Bool {
        let end = view.end(of: place)
        var name = place + 1
        while name < end, !view.string(name, says: words[Int(rule.word)]) { name = view.end(of: name + 1) }
        var tag: Row? = rule.fallback < 0 ? nil : rows[Int(rule.fallback)]
        // Null counts as absent where there is a fallback; elsewhere no row says null.
        if name < end, rule.fallback < 0 || !view.isNull(name + 1) {
            tag = nil
            for index in Int(rule.from)..<Int(rule.to)
            where view.string(name + 1, says: words[Int(rows[index].word)]) {
                tag = rows[index]
                break
            }
        }
        guard let tag, tag.passes else { return false }
        return members(of: place, rules[Int(tag.rule)], tag: name, view)
    }

    // MARK: The layout

    private struct Builder {
        let kind: ProviderKind
        var rules: [Rule] = []
        var rows: [Row] = []
        var slots: [Slot] = []
        var words: [JSONWord] = []

        /// Adds a shape with all within it; its place among the rules.
        mutating func add(_ shape: Shape) -> Int32 {
            let place = rules.count
            rules.append(Rule(test: .never, kinds: 0))
            rules[place] = rule(shape)
            return Int32(place)
        }

        private mutating func rule(_ shape: Shape) -> Rule {
            let kinds = JSONKind.allCases.reduce(0 as UInt8) { $0 | (shape.takes($1) ? 1 << $1.rawValue : 0) }
            var rule = Rule(test: .never, kinds: kinds)
            switch shape {
            case .any, .free: rule.test = .any
            case .bool: rule.test = .bool
            case .integer(let range): rule = bounded(.integer, kinds, range)
            case .string(let range): rule = bounded(.string, kinds, range)
            case .number(let range):
                rule.test = .number
                rule.least = Int(Int64(bitPattern: range.lowerBound.bitPattern))
                rule.most = Int(Int64(bitPattern: range.upperBound.bitPattern))
            case .choice(let choices):
                rule.test = .choice
                (rule.from, rule.to) = add(words: choices)
            case .address, .fileData: break
            case .array(let element, let range):
                rule = bounded(.array, kinds, range)
                rule.from = add(element)
            case .map(let element, let range):
                rule = bounded(.map, kinds, range)
                rule.from = add(element)
            case .object(let fields): rule = object(fields)
            case .either(let shapes):
                rule.test = .either
                rule.from = Int32(rules.count)
                rule.to = rule.from + Int32(shapes.count)
                // Room first, so that they stand behind each other whatever is within them.
                for _ in shapes { rules.append(Rule(test: .never, kinds: 0)) }
                for (index, shape) in shapes.enumerated() { rules[Int(rule.from) + index] = self.rule(shape) }
            case .tagged(let name, let fallback, let tags):
                rule.test = .tagged
                rule.word = add(words: [name]).from
                let tagRows = tags.map { tag in
                    row(
                        tag.name, passes: passes(tag.treatment(for: kind)) && !tag.isJudged, isRequired: false,
                        .object(tag.fields))
                }
                rule.from = Int32(rows.count)
                rows += tagRows
                rule.to = Int32(rows.count)
                if let fallback, let index = tags.firstIndex(where: { $0.name == fallback }) {
                    rule.fallback = rule.from + Int32(index)
                }
            }
            return rule
        }

        private mutating func object(_ fields: [Field]) -> Rule {
            let fieldRows = fields.map { field in
                row(
                    field.name, passes: passes(field.treatment(for: kind)), isRequired: field.isRequired, field.shape)
            }
            var rule = Rule(test: .object, kinds: 1 << JSONKind.object.rawValue)
            rule.least = fields.count(where: \.isRequired)
            (rule.from, rule.to) = add(slotsFor: fieldRows)
            return rule
        }

        private mutating func row(
            _ name: String, passes: Bool, isRequired: Bool, _ shape: Shape
        ) -> Row {
            let word = add(words: [name]).from
            return Row(word: word, passes: passes, isRequired: isRequired, rule: add(shape))
        }

        /// Adds rows with slots for them, half of them free at least; where these begin, and how many there are.
        private mutating func add(slotsFor new: [Row]) -> (from: Int32, count: Int32) {
            var count: Int32 = 2
            while count < 2 * new.count { count *= 2 }
            let from = slots.count
            slots += Array(repeating: Slot(), count: Int(count))
            for row in new {
                rows.append(row)
                let mark = words[Int(row.word)].mark
                var number = Slot.number(of: mark, among: count)
                while slots[from + number].row != 0 { number = (number + 1) & (Int(count) - 1) }
                slots[from + number] = Slot(mark: mark, row: Int32(rows.count))
            }
            return (Int32(from), count)
        }

        private func bounded(_ test: Test, _ kinds: UInt8, _ range: ClosedRange<Int>) -> Rule {
            Rule(test: test, kinds: kinds, least: range.lowerBound, most: range.upperBound)
        }

        private func passes(_ treatment: Treatment) -> Bool {
            switch treatment {
            case .pass, .hint: true
            case .within, .only, .refused, .unknown: false
            }
        }

        private mutating func add(words texts: [String]) -> (from: Int32, to: Int32) {
            let from = Int32(words.count)
            for text in texts { words.append(JSONWord(text.utf8.span)) }
            return (from, Int32(words.count))
        }
    }
}
