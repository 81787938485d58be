// SPDX-License-Identifier: Apache-2.0

import Support
import TOML
import Testing

/// Documents with random damage are read or refused, and nothing else happens. `GATEHOUSE_SEED` repeats a run.
struct MutationTests {
    static let sample = Array(
        """
        \u{FEFF}# comment é
        a.b."c d".'e' = "text \\u00e9 \\\\ \\U0001F600"\r
        ml = \"\"\"
        x \\
           y "" \"\"\"\"\"
        lit = '''it''s'''
        ints = [ 0, -1, +2, 0xff_ff, 0o17, 0b1_0, 9223372036854775807 ]
        floats = [ 1.5, -0.1e+2, 3e1_4, inf, -nan ]
        times = [ 1987-07-05T17:45:00.25Z, 1987-07-05 17:45:00-07:00, 2000-02-29, 07:32:00 ]
        [tab.le] # header
        in = { x = 1, y.z = [ true, { deep = {} } ] }
        [[tab.array]]
        [[tab.array]]
        k = false
        [tab.array.sub]
        k = 'v'

        """.utf8)

    @Test func `the sample itself is read`() throws {
        #expect(try TOMLDocument(parsing: Self.sample).root.members.count == 7)
    }

    @Test func `damage never traps`() {
        print("TOML mutation seed: GATEHOUSE_SEED=\(SeededGenerator.seed)")
        var random = SeededGenerator()
        let alphabet = Array("[]{}=.,\"'\\#\n\r\t -+_0179abefinxTZ:u".utf8) + [0, 0x7F, 0x80, 0xC3, 0xFF]
        var accepted = 0
        var refused = 0
        for _ in 0..<20_000 {
            var bytes = Self.sample
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                let index = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<5, using: &random) {
                case 0: bytes.remove(at: index)
                case 1: bytes[index] = alphabet.randomElement(using: &random) ?? 0
                case 2: bytes.insert(alphabet.randomElement(using: &random) ?? 0, at: index)
                case 3: bytes.removeSubrange(index...)
                default:
                    let end = Int.random(in: index..<bytes.count, using: &random)
                    bytes.insert(contentsOf: bytes[index..<end], at: Int.random(in: 0..<bytes.count, using: &random))
                }
                if bytes.isEmpty { bytes = [UInt8(ascii: "a")] }
            }
            do {
                let root = try TOMLDocument(parsing: bytes).root
                #expect(root.members.allSatisfy { bytes.indices.contains($0.position.offset) })
                accepted += 1
            } catch {
                #expect(error.position.offset <= bytes.count)
                refused += 1
            }
        }
        // A mutator that breaks everything, or nothing, would prove little.
        #expect(accepted > 100 && refused > 100)
    }
}
