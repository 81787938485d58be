// SPDX-License-Identifier: Apache-2.0

import Bytes
import JSON

/// Google's test vectors for cryptography (github.com/C2SP/wycheproof), which are not part of the
/// repository.
package struct Wycheproof {
    /// One vector with the numbers of its group.
    package struct Case {
        private let group, test: JSONValue

        fileprivate init(group: JSONValue, test: JSONValue) {
            self.group = group
            self.test = test
        }

        /// Its number in the file, for messages.
        package var number: Int { test["tcId"]?.int ?? 0 }

        /// Whether the operation must succeed.
        package var isValid: Bool { test["result"]?.string == "valid" }

        /// The bytes of a member written in hex, of the test or of its group's public key.
        package func bytes(_ name: String) -> [UInt8] {
            (test[name] ?? group["publicKey"]?[name])?.string.flatMap { Hex.decode($0) } ?? []
        }

        /// A number of the test or its group.
        package func number(_ name: String) -> Int { (test[name] ?? group[name])?.int ?? 0 }
    }

    /// What became of the vectors of one file.
    package struct Tally {
        package var accepted = 0
        package var refused = 0
        /// Vectors of parameters we do not have (keys of 128 bits): refused before any cryptography.
        package var outside = 0

        package init() {}
    }

    package let cases: [Case]
    private let name: String

    /// Reads `<name>_test.json`.
    package init(_ name: String) throws {
        self.name = name
        let file = try JSONValue(parsing: try TestFile.bytes(Suites.path("wycheproof/\(name)_test.json")))
        cases = (file["testGroups"]?.array ?? []).flatMap { group in
            (group["tests"]?.array ?? []).map { Case(group: group, test: $0) }
        }
    }

    /// Says on standard output what was tried.
    package func report(_ tally: Tally) {
        let outside = tally.outside == 0 ? "" : ", \(tally.outside) of sizes we do not have refused"
        print("wycheproof \(name): \(tally.accepted) valid accepted, \(tally.refused) invalid refused\(outside)")
    }
}
