// SPDX-License-Identifier: Apache-2.0

import Bytes
import TOML

/// One table of the configuration, whose keys are taken one by one.
///
/// Taking marks a key as known. A key that is wrong throws at once, with its place; a key that nobody takes is refused
/// by `Configuration.finish()`. The same key may be taken twice.
package final class Section {
    /// `gateway.provider`; empty for the keys above the first header.
    package let path: String
    /// Whether it is one of several, `[[gateway.provider]]`.
    package let isRepeated: Bool

    /// Where it begins; nil for the root.
    private let header: TOMLPosition?
    private let table: TOMLTable
    private let source: ConfigurationSource
    private let ledger: KeyLedger

    private var keysAsked: [String] = []
    private var sectionsAsked: [String] = []
    private var children: [Section] = []

    init(
        path: String, isRepeated: Bool = false, header: TOMLPosition?, table: TOMLTable, source: ConfigurationSource,
        ledger: KeyLedger
    ) {
        self.path = path
        self.isRepeated = isRepeated
        self.header = header
        self.table = table
        self.source = source
        self.ledger = ledger
    }

    /// Whether the file has the key or section. Asking is not taking.
    package func contains(_ key: String) -> Bool { table[key] != nil }

    /// The keys of the file, in its order: for sections whose keys are names that people choose.
    package var keys: [String] { table.members.map(\.key) }

    // MARK: Keys

    /// Takes a key that has a default.
    package func take<Value>(
        _ key: String, _ kind: ValueKind<Value>, default standard: Value
    ) throws(ConfigurationError) -> Value {
        let value = try read(key, kind)
        note(key, kind, .standard(kind.write(standard)), value ?? standard)
        return value ?? standard
    }

    /// Takes a key that the file must have.
    package func take<Value>(_ key: String, _ kind: ValueKind<Value>) throws(ConfigurationError) -> Value {
        let value = try read(key, kind)
        note(key, kind, .required, value)
        guard let value else { throw missing(key) }
        return value
    }

    /// Takes a key that may be absent.
    package func takeOptional<Value>(_ key: String, _ kind: ValueKind<Value>) throws(ConfigurationError) -> Value? {
        let value = try read(key, kind)
        note(key, kind, .optional, value)
        return value
    }

    private func read<Value>(_ key: String, _ kind: ValueKind<Value>) throws(ConfigurationError) -> Value? {
        if !keysAsked.contains(key) { keysAsked.append(key) }
        guard let value = table[key] else { return nil }
        do {
            return try kind.read(value)
        } catch {
            throw source.error(
                at: error.position ?? value.position,
                (error.isAboutElement ? "every element of " : "") + "\"\(key)\" \(error.message)", hint: error.hint,
                secret: error.hidesValue ? value.range : nil)
        }
    }

    private func note<Value>(
        _ key: String, _ kind: ValueKind<Value>, _ presence: KeyRecord.Presence, _ value: Value?
    ) {
        ledger.note(
            KeyRecord(
                section: path, isRepeated: isRepeated, key: key, type: kind.name, range: kind.range,
                choices: kind.choices, presence: presence, value: value.map(kind.write)))
    }

    /// A mistake that a key that is asked for is not there: one that is needed here, though not everywhere. The hint is for
    /// where no other key looks like it.
    package func missing(_ key: String, hint: String? = nil) -> ConfigurationError {
        let others = table.members.map(\.key).filter { !keysAsked.contains($0) }
        let meant = nearest(to: key, among: others).map { "did you mean it by \"\(Masking.name($0))\"?" }
        return error("\"\(key)\" is missing" + (path.isEmpty ? "" : " in \(title)"), hint: meant ?? hint)
    }

    // MARK: Sections

    /// Takes a table below this one, or nil where the file has none.
    package func takeSection(_ name: String) throws(ConfigurationError) -> Section? {
        guard let value = ask(name) else { return nil }
        guard let table = value.table else {
            let hint = value.array?.first?.table == nil ? nil : "it may be there once: write [\(below(name))]"
            throw source.error(at: value.position, "\"\(name)\" must be a section, not \(value.kind)", hint: hint)
        }
        return open(name, value.position, table, isRepeated: false)
    }

    /// Takes the tables `[[name]]` below this one, in the order of the file; empty where it has none.
    package func takeSections(_ name: String, max: Int = 1000) throws(ConfigurationError) -> [Section] {
        guard let value = ask(name) else { return [] }
        let hint = "write [[\(below(name))]], once for each"
        guard let array = value.array else {
            throw source.error(
                at: value.position, "\"\(name)\" must be a list of sections, not \(value.kind)", hint: hint)
        }
        var sections: [Section] = []
        for element in array {
            guard let table = element.table else {
                throw source.error(at: element.position, "\"\(name)\" must be a list of sections", hint: hint)
            }
            guard sections.count < max else {
                throw source.error(at: element.position, "there may be at most \(max) [[\(below(name))]]")
            }
            sections.append(open(name, element.position, table, isRepeated: true))
        }
        return sections
    }

    private func ask(_ name: String) -> TOMLValue? {
        if !sectionsAsked.contains(name) { sectionsAsked.append(name) }
        return table[name]
    }

    private func open(_ name: String, _ position: TOMLPosition, _ table: TOMLTable, isRepeated: Bool) -> Section {
        // The same table taken again is the same section, so that what either taker took counts as taken.
        if let known = children.first(where: { $0.header == position }) { return known }
        let section = Section(
            path: below(name), isRepeated: isRepeated, header: position, table: table, source: source, ledger: ledger)
        children.append(section)
        return section
    }

    private func below(_ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }

    // MARK: Errors

    /// A mistake that the module found in what it took, shown at the value of `key`, or at one element of it; at the
    /// section's header where the file has no such key.
    package func error(
        at key: String, element: Int? = nil, _ message: String, hint: String? = nil
    ) -> ConfigurationError {
        guard let value = table[key] else { return error(message, hint: hint) }
        var position = value.position
        if let element, let array = value.array, array.indices.contains(element) { position = array[element].position }
        return source.error(at: position, message, hint: hint)
    }

    /// A mistake of the section as a whole, shown at its header.
    package func error(_ message: String, hint: String? = nil) -> ConfigurationError {
        guard let header else { return ConfigurationError(file: source.file, message: message, hint: hint) }
        return source.error(at: header, message, hint: hint)
    }

    /// The section as the file writes it: `[http]`, `[[gateway.provider]]`.
    package var title: String { isRepeated ? "[[\(path)]]" : "[\(path)]" }

    // MARK: What nobody took

    /// A key or section that nobody asked for. The error is made only for those that are shown.
    struct Unknown {
        let section: Section
        let member: TOMLMember

        var position: TOMLPosition { member.position }
        var error: ConfigurationError { section.unknown(member) }
    }

    /// Everything here and below that was not asked for.
    func unknown() -> [Unknown] {
        let own = table.members.filter { member in
            let isSection = member.value.table != nil || member.value.array?.first?.table != nil
            return !keysAsked.contains(member.key) && !(isSection && sectionsAsked.contains(member.key))
        }
        return own.map { Unknown(section: self, member: $0) } + children.flatMap { $0.unknown() }
    }

    private func unknown(_ member: TOMLMember) -> ConfigurationError {
        let isSection = member.value.table != nil || member.value.array?.first?.table != nil
        // A table that has a header is a section by its look; one in braces is a key's value.
        return isSection && member.value.range.isEmpty ? unknownSection(member) : unknownKey(member)
    }

    private func unknownSection(_ member: TOMLMember) -> ConfigurationError {
        let name = below(Masking.name(member.key))
        let meant = nearest(to: member.key, among: sectionsAsked).map(below)
        let hint = meant.map { "did you mean [\($0)]?" } ?? list(sectionsAsked.map(below), "sections here are")
        return source.error(at: member.position, "unknown section [\(name)]", hint: hint)
    }

    private func unknownKey(_ member: TOMLMember) -> ConfigurationError {
        let place = path.isEmpty ? " above the first section" : " in \(title)"
        return source.error(
            at: member.position, "unknown key \"\(Masking.name(member.key))\"\(place)", hint: hintForKey(member.key))
    }

    private func hintForKey(_ key: String) -> String? {
        if let meant = nearest(to: key, among: keysAsked + sectionsAsked) { return "did you mean \"\(meant)\"?" }
        let elsewhere = ledger.sections(knowing: key).map { record in
            record.section.isEmpty
                ? "above the first section" : record.isRepeated ? "in [[\(record.section)]]" : "in [\(record.section)]"
        }
        if !elsewhere.isEmpty { return "it belongs \(elsewhere.prefix(3).joined(separator: " or "))" }
        return list(keysAsked, "keys here are")
    }

    /// All names, where they are few enough to be read.
    private func list(_ names: [String], _ words: String) -> String? {
        names.isEmpty || names.count > 12 ? nil : "\(words) \(names.sorted().joined(separator: ", "))"
    }
}
