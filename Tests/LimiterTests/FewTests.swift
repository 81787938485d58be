// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Limiter

struct FewTests {
    @Test func `a short list is a list`() {
        for count in 0..<6 {
            var few = Few<Int>()
            for number in 0..<count { few.append(number * 7) }
            var seen: [Int] = []
            few.forEach { seen.append($0) }
            let expected = (0..<count).map { $0 * 7 }
            #expect(seen == expected && few.count == count && few.isEmpty == (count == 0))
            #expect((0..<count).map { few[$0] } == expected)
        }
    }
}
