// SPDX-License-Identifier: Apache-2.0

import Platform
import Testing

/// Objects that are lent without being counted.
@Suite struct LendingTests {
    private final class Object {
        let number: Int
        var ends: (() -> Void)?
        init(_ number: Int) { self.number = number }
        deinit { ends?() }
    }

    private struct Refusal: Error, Equatable {
        let number: Int
    }

    private func checked(_ object: Unmanaged<Object>) throws(Refusal) -> Int {
        try unsafe object.lend { (object) throws(Refusal) in
            guard object.number > 0 else { throw Refusal(number: object.number) }
            return object.number * 2
        }
    }

    @Test func `what is made of a lent object comes back, and so does why it was not`() {
        let (good, bad) = (Object(21), Object(-1))
        #expect(throws: Refusal(number: -1)) { try unsafe checked(.passUnretained(bad)) }
        #expect((try? unsafe checked(.passUnretained(good))) == 42)
        withExtendedLifetime((good, bad)) {}
    }

    @Test func `an object that was lent ends with its last holder, also where its borrower has kept it`() {
        var ends = 0
        var kept: [Object] = []
        var held: Object? = Object(1)
        held?.ends = { ends += 1 }
        if let lent = unsafe held.map({ unsafe Unmanaged.passUnretained($0) }) { unsafe lent.lend { kept.append($0) } }
        held = nil
        #expect(ends == 0 && kept.first?.number == 1)
        kept = []
        #expect(ends == 1)
    }
}
