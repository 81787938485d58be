// SPDX-License-Identifier: Apache-2.0

import Bytes

/// What StoreLoad said it had been promised.
struct Promises {
    /// Rows by tenant: round and number.
    private(set) var rows: [String: [(round: Int, number: Int)]] = [:]
    /// Rows that a write wrote before it threw.
    private(set) var thrown: [String: [String]] = [:]
    /// Sealed content by tenant and object.
    private(set) var sealed: [String: [String: [UInt8]]] = [:]
    /// Objects whose erasure was asked for, and those whose erasure was promised.
    private(set) var erasing: Set<String> = []
    private(set) var erased: Set<String> = []
    private(set) var deleting: Set<String> = []
    private(set) var deleted: Set<String> = []
    /// What it saw broken itself.
    private(set) var complaints: [String] = []
    private(set) var count = 0

    /// - Parameter text: whole lines, and perhaps the beginning of one.
    mutating func read(_ text: String) {
        guard let end = text.lastIndex(of: "\n") else { return }
        for line in text[..<end].split(separator: "\n") { read(line: line) }
    }

    private mutating func read(line: Substring) {
        let words = line.split(separator: " ").map(String.init)
        count += 1
        switch words[0] {
        case "started": return
        case "wrote":
            guard let round = Int(words[2]), let number = Int(words[3]) else { return }
            rows[words[1], default: []].append((round, number))
        case "threw": thrown[words[1], default: []].append("\(words[2])/\(words[3])")
        case "sealed": sealed[words[1], default: [:]][words[2]] = Hex.decode(words[3])
        case "erasing": erasing.insert(words[2])
        case "erased": erased.insert(words[2])
        case "deleting": deleting.insert(words[1])
        case "deleted": deleted.insert(words[1])
        default: complaints.append(String(line))
        }
    }
}
