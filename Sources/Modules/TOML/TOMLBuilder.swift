// SPDX-License-Identifier: Apache-2.0

/// The tables while they grow, and the rules about what may be defined where.
///
/// Tables live in one array and name one another by index, so that a header can come back to a table without copying
/// it. A table remembers how it was made, because that decides who may still add to it:
///
///     implicit   `[a.b]` makes `a`                   → by its own header, once; by keys; by headers below it
///     header     `[a]`, or an element of `[[a]]`     → by its own keys; by headers below it
///     dotted     `a.b = 1` makes `a`                 → by keys of the same section; by headers below it
///
/// Inline tables and static arrays are values: nobody adds to them.
struct TOMLBuilder {
    /// One header's worth of keys, or one inline table's. Dotted keys may extend only what their own section made.
    typealias Section = Int

    enum Origin: Equatable {
        case implicit
        case header
        case dotted(Section)
    }

    enum Entry {
        case value(TOMLValue)
        case table(Int)
        /// An index into `arrays`.
        case tables(Int)
    }

    private struct Member {
        let key: String
        let position: TOMLPosition
        var entry: Entry
    }

    private struct Table {
        var origin: Origin
        var position: TOMLPosition
        let depth: Int
        var members: [Member] = []
        /// Keys by their bytes: `String` would compare by canonical equivalence, which TOML does not.
        var places: [[UInt8]: Int] = [:]
    }

    private struct ArrayOfTables {
        let position: TOMLPosition
        var elements: [Int]
    }

    private var tables: [Table]
    private var arrays: [ArrayOfTables] = []
    private var keys = 0

    /// The index of the table that the whole document is.
    static let root = 0

    init() {
        tables = [Table(origin: .header, position: .start, depth: 0)]
    }

    // MARK: Headers

    /// The table that `[path]` opens.
    mutating func openTable(_ path: [TOMLKeyPart]) throws(TOMLError) -> Int {
        let (parent, last) = try openParent(path)
        guard let place = tables[parent].places[last.bytes] else {
            return try addTable(last, to: parent, origin: .header)
        }
        let member = tables[parent].members[place]
        guard case .table(let table) = member.entry else {
            throw fault(.duplicateTable(last.name, firstLine: member.position.line), last)
        }
        guard tables[table].origin == .implicit else {
            throw fault(.duplicateTable(last.name, firstLine: tables[table].position.line), last)
        }
        tables[table].origin = .header
        tables[table].position = last.position
        return table
    }

    /// The new element that `[[path]]` opens.
    mutating func openElement(_ path: [TOMLKeyPart]) throws(TOMLError) -> Int {
        let (parent, last) = try openParent(path)
        guard let place = tables[parent].places[last.bytes] else {
            let element = try makeTable(last, below: parent, origin: .header)
            arrays.append(ArrayOfTables(position: last.position, elements: [element]))
            add(last, .tables(arrays.count - 1), to: parent)
            return element
        }
        let member = tables[parent].members[place]
        guard case .tables(let array) = member.entry else {
            throw fault(.notArrayOfTables(last.name, firstLine: member.position.line), last)
        }
        let element = try makeTable(last, below: parent, origin: .header)
        arrays[array].elements.append(element)
        return element
    }

    /// The table that holds the last name of a header; names on the way that do not exist become implicit tables.
    private mutating func openParent(_ path: [TOMLKeyPart]) throws(TOMLError) -> (parent: Int, last: TOMLKeyPart) {
        var parent = Self.root
        for part in path.dropLast() {
            guard let place = tables[parent].places[part.bytes] else {
                parent = try addTable(part, to: parent, origin: .implicit)
                continue
            }
            let member = tables[parent].members[place]
            switch member.entry {
            case .table(let table): parent = table
            case .tables(let array): parent = arrays[array].elements[arrays[array].elements.count - 1]
            case .value(let value):
                let line = member.position.line
                let isClosed = value.table != nil || value.array != nil
                throw fault(
                    isClosed ? .tableClosed(part.name, firstLine: line) : .notTable(part.name, firstLine: line), part)
            }
        }
        return (parent, path[path.count - 1])
    }

    // MARK: Keys

    /// The table in which the last name of a dotted key belongs. It is called before the value is read, so that the
    /// first mistake by position is the one reported.
    mutating func openKey(
        _ path: [TOMLKeyPart], in table: Int, section: Section
    ) throws(TOMLError) -> Int {
        var parent = table
        for part in path.dropLast() {
            guard let place = tables[parent].places[part.bytes] else {
                parent = try addTable(part, to: parent, origin: .dotted(section))
                continue
            }
            let member = tables[parent].members[place]
            guard case .table(let child) = member.entry else {
                let line = member.position.line
                if case .value(let value) = member.entry, value.table == nil {
                    throw fault(.notTable(part.name, firstLine: line), part)
                }
                throw fault(.tableClosed(part.name, firstLine: line), part)
            }
            switch tables[child].origin {
            case .dotted(section): break
            case .implicit: tables[child].origin = .dotted(section)
            case .dotted, .header:
                throw fault(.tableClosed(part.name, firstLine: tables[child].position.line), part)
            }
            parent = child
        }
        let last = path[path.count - 1]
        if let place = tables[parent].places[last.bytes] {
            throw fault(.duplicateKey(last.name, firstLine: tables[parent].members[place].position.line), last)
        }
        return parent
    }

    mutating func setValue(_ value: TOMLValue, of key: TOMLKeyPart, in table: Int) throws(TOMLError) {
        try count(key)
        add(key, .value(value), to: table)
    }

    // MARK: Inline tables

    /// A table for the members of an inline table. It belongs to nobody until `closeInline` takes it out.
    mutating func openInline(at position: TOMLPosition, depth: Int) -> Int {
        tables.append(Table(origin: .header, position: position, depth: depth))
        return tables.count - 1
    }

    /// The finished inline table. What was made since `openInline` is below it and goes with it.
    mutating func closeInline(_ table: Int) -> TOMLTable {
        let finished = finish(table)
        tables.removeSubrange(table...)
        return finished
    }

    /// How many tables are around the members of this one.
    func depth(of table: Int) -> Int { tables[table].depth }

    // MARK: The finished tree

    /// The tree below a table. As deep as `depthMax` at most.
    func finish(_ table: Int = root) -> TOMLTable {
        TOMLTable(
            members: tables[table].members.map { member in
                TOMLMember(key: member.key, position: member.position, value: finish(member.entry))
            })
    }

    private func finish(_ entry: Entry) -> TOMLValue {
        switch entry {
        case .value(let value): return value
        case .table(let table): return finished(.table(finish(table)), at: tables[table].position)
        case .tables(let array):
            let elements = arrays[array].elements.map { finished(.table(finish($0)), at: tables[$0].position) }
            return finished(.array(elements), at: arrays[array].position)
        }
    }

    private func finished(_ content: TOMLValue.Content, at position: TOMLPosition) -> TOMLValue {
        TOMLValue(content: content, position: position, range: position.offset..<position.offset)
    }

    // MARK: Helpers

    private mutating func addTable(
        _ key: TOMLKeyPart, to parent: Int, origin: Origin
    ) throws(TOMLError) -> Int {
        let table = try makeTable(key, below: parent, origin: origin)
        add(key, .table(table), to: parent)
        return table
    }

    private mutating func makeTable(
        _ key: TOMLKeyPart, below parent: Int, origin: Origin
    ) throws(TOMLError) -> Int {
        let depth = tables[parent].depth + 1
        guard depth <= TOMLLimits.depthMax else { throw fault(.tooDeep, key) }
        try count(key)
        tables.append(Table(origin: origin, position: key.position, depth: depth))
        return tables.count - 1
    }

    private mutating func add(_ key: TOMLKeyPart, _ entry: Entry, to table: Int) {
        tables[table].places[key.bytes] = tables[table].members.count
        tables[table].members.append(Member(key: key.name, position: key.position, entry: entry))
    }

    private mutating func count(_ key: TOMLKeyPart) throws(TOMLError) {
        keys += 1
        guard keys <= TOMLLimits.keysMax else { throw fault(.tooManyKeys, key) }
    }

    private func fault(_ reason: TOMLError.Reason, _ key: TOMLKeyPart) -> TOMLError {
        TOMLError(reason, at: key.position)
    }
}
