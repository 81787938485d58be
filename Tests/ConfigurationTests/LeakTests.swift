// SPDX-License-Identifier: Apache-2.0

import Configuration
import Support
import Testing

/// A configuration that somebody wrote a key into, with random damage around the key: whatever is said about it, the key
/// is not in it. `GATEHOUSE_SEED` repeats a run.
struct LeakTests {
    static let secret = "Zq7xV2mT9bLw4KdR8sNf3HjY6cPg1AeU"

    static let texts = [
        "[[gateway.provider]]\nname = \"a\"\nkind = \"openai\"\nkey = \"\(secret)\"\n",
        "[[gateway.provider]]\nname = \"a\"\nkey = '\(secret)' # note\nkind = \"x\"\n",
        "[gateway]\nprovider = [ { name = \"a\", key = \"\(secret)\", kind = \"openai\" } ]\n",
        "[[gateway.provider]]\nkey = \"\"\"\n\(secret)\"\"\"\nname = \"a\"\nkind = \"openai\"\n",
        "[[gateway.provider]]\nkey = \(secret)\n",
        "[[gateway.provider]]\nname = \"a\"\nkind = \"openai\"\nbase_url = \"https://u:\(secret)@h/v1\"\n",
        "data = \"\(secret)\"\nkey = [\"\(secret)\"]\n",
    ]

    @Test(arguments: texts)
    func `no error shows a key`(text: String) {
        var random = SeededGenerator()
        let alphabet = Array("[]{}=.,\"'\\#\n\r\t -_19akey:")
        // Only what is around the key is damaged: damage inside would make it another one.
        let whole = pieces(of: text)
        var refused = 0
        for _ in 0..<400 {
            var pieces = whole
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                let number = Int.random(in: pieces.indices, using: &random)
                guard !pieces[number].isEmpty else { continue }
                let index = Int.random(in: pieces[number].indices, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: pieces[number].remove(at: index)
                case 1: pieces[number][index] = alphabet.randomElement(using: &random) ?? " "
                default: pieces[number].insert(alphabet.randomElement(using: &random) ?? " ", at: index)
                }
            }
            let answer = House.answer(to: pieces.map { String($0) }.joined(separator: Self.secret))
            if answer != "accepted" { refused += 1 }
            for start in stride(from: 0, to: Self.secret.count - 8, by: 4) {
                let piece = String(Self.secret.dropFirst(start).prefix(8))
                #expect(!answer.contains(piece), "GATEHOUSE_SEED=\(SeededGenerator.seed)\n\(answer)")
            }
        }
        #expect(refused > 100)
    }
    /// What is before, between and behind the keys.
    private func pieces(of text: String) -> [[Character]] {
        var pieces: [[Character]] = [[]]
        var rest = text[...]
        while let character = rest.first {
            if rest.hasPrefix(Self.secret) {
                rest = rest.dropFirst(Self.secret.count)
                pieces.append([])
            } else {
                pieces[pieces.count - 1].append(character)
                rest = rest.dropFirst()
            }
        }
        return pieces
    }
}
