// SPDX-License-Identifier: Apache-2.0

/// A key that the code asks for: one row of the manual's table.
package struct KeyRecord: Equatable, Sendable {
    package enum Presence: Equatable, Sendable {
        /// The file must have it.
        case required
        /// It may be absent, which means something of its own.
        case optional
        /// Where it is absent, this holds, written as TOML.
        case standard(String)
    }

    /// `gateway.provider`; empty for the keys above the first header.
    package let section: String
    /// Whether the section is an array of tables, `[[gateway.provider]]`.
    package let isRepeated: Bool
    package let key: String
    /// "string", "integer", "boolean", "duration", "size", "money", …
    package let type: String
    /// What values are allowed, in words: "between 1s and 24h", "at most 128 bytes".
    package let range: String?
    /// The words allowed, for a key that has a closed list of them.
    package let choices: [String]
    package let presence: Presence
    /// What holds, written as TOML; nil where it is absent. Never a secret, only where one is.
    package let value: String?
}

/// The table of all keys while they are being taken.
final class KeyLedger {
    private(set) var keys: [KeyRecord] = []
    private var seen: Set<[String]> = []

    /// Notes a key; of a repeated section the first table counts.
    func note(_ record: KeyRecord) {
        if seen.insert([record.section, record.key]).inserted { keys.append(record) }
    }

    /// The other sections that know this key.
    func sections(knowing key: String) -> [KeyRecord] {
        keys.filter { $0.key == key }
    }
}
