// SPDX-License-Identifier: Apache-2.0

import FuzzProperties
import Support
import Testing

/// Every input that a fuzzer found worth keeping, and every one that once broke something, replayed without a fuzzer.
struct CorpusTests {
    private static let root = #filePath.split(separator: "/").dropLast(2).map { "/" + $0 }.joined() + "/Fuzz/Corpora/"

    private static func inputs(_ property: Property) throws -> [(name: String, bytes: [UInt8])] {
        let folder = root + property.name
        return try TestFile.names(in: folder).map { ($0, try TestFile.bytes("\(folder)/\($0)")) }
    }

    @Test(arguments: Property.all.map(\.name))
    func `every input of the fuzzers' corpora keeps the properties`(_ name: String) throws {
        let property = try #require(Property.all.first { $0.name == name })
        let inputs = try Self.inputs(property)
        var accepted = 0
        for (file, bytes) in inputs {
            do throws(Broken) {
                if try property.check(bytes) { accepted += 1 }
            } catch {
                Issue.record("\(name)/\(file): \(error.sentence)")
            }
        }
        // A corpus of which everything is refused, or nothing, would show little.
        #expect(accepted >= 5 && inputs.count - accepted >= 5, "\(accepted) of \(inputs.count) accepted")
    }

    @Test func `a property that does not hold is told`() {
        #expect(throws: Broken("planted")) { try Planted.property.check([]) }
    }
}
