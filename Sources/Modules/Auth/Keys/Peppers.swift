// SPDX-License-Identifier: Apache-2.0

import Crypto
package import Platform

/// The secrets under which keys are digested, by generation. A database without its pepper says nothing about a key, not
/// even whether a guess is right.
///
/// New keys are digested under the newest generation; old ones stay under theirs, since a key is not known here and cannot be
/// digested anew. A generation lives as long as a key of it.
package struct Peppers: Sendable {
    /// Generations at once: a candidate is digested under each of them.
    package static let generationsMax = 4

    private let generations: [(number: Int, pepper: HMACSHA256)]

    /// From the secrets by generation, of 32 bytes each; at least one, at most `generationsMax`.
    package init?(_ secrets: [Int: SecretBytes]) {
        guard (1...Peppers.generationsMax).contains(secrets.count), secrets.values.allSatisfy({ $0.count >= 32 }) else {
            return nil
        }
        generations = secrets.sorted { $0.key > $1.key }.map { (number: $0.key, pepper: HMACSHA256(key: $0.value)) }
    }

    /// Says that these are the peppers of the process, which uses them to its end.
    func isForever() {
        for generation in generations { Immortal.keep(generation.pepper) }
    }

    /// The digest of a new key.
    func digest(of key: APIKey) -> (digest: Digest, generation: Int) {
        // At least one: the initialiser saw to it.
        (key.digest(under: generations[0].pepper), generations[0].number)
    }

    /// The digests of a candidate under every generation, whatever the candidate is.
    func digests(of key: APIKey) -> Candidates {
        var candidates = Candidates(key.digest(under: generations[0].pepper), generations[0].number)
        for index in 1..<generations.count {
            candidates.add(key.digest(under: generations[index].pepper), generations[index].number)
        }
        return candidates
    }
}

/// The digests of one presented key, at most one a generation; in place, since each request makes them.
struct Candidates {
    // As many as `Peppers.generationsMax`.
    private var digests: [4 of Digest]
    private var generations: [4 of Int]
    private(set) var count = 1

    init(_ digest: Digest, _ generation: Int) {
        digests = .init(repeating: digest)
        generations = .init(repeating: generation)
    }

    mutating func add(_ digest: Digest, _ generation: Int) {
        digests[count] = digest
        generations[count] = generation
        count += 1
    }

    /// Whether one of that generation is this digest; all of them are looked at, each in constant time.
    func agree(with digest: Digest, of generation: Int) -> Bool {
        var agrees = false
        for index in 0..<count where generations[index] == generation && digests[index] == digest { agrees = true }
        return agrees
    }
}
