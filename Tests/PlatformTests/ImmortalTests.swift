// SPDX-License-Identifier: Apache-2.0

import Platform
import Testing

/// Objects whose references are not counted any more.
@Suite struct ImmortalTests {
    private final class Ends {
        var count = 0
    }

    private final class Object {
        let ends: Ends
        init(_ ends: Ends) { self.ends = ends }
        deinit { ends.count += 1 }
    }

    @Test func `an object that is kept outlives its last reference, and any other does not`() {
        let ends = Ends()
        var kept: [Object] = []
        for _ in 0..<8 {
            let object = Object(ends)
            #expect(Immortal.keep(object))
            // Copies, and their ends, change nothing.
            kept = Array(repeating: object, count: 1000)
            kept = []
        }
        #expect(ends.count == 0 && kept.isEmpty)
        kept = [Object(ends)]
        kept = []
        #expect(ends.count == 1)
    }

    @Test func `an object with a weak reference is counted as before`() {
        let ends = Ends()
        var object: Object? = Object(ends)
        weak let other = object
        #expect(object.map { Immortal.keep($0) } == false)
        object = nil
        #expect(ends.count == 1 && other == nil)
    }

    @Test func `keeping twice is keeping once, and weak references come behind it`() throws {
        let ends = Ends()
        var object: Object? = Object(ends)
        #expect(Immortal.keep(try #require(object)))
        #expect(object.map { Immortal.keep($0) } == false)
        weak let other = object
        object = nil
        #expect(other != nil && ends.count == 0)
    }
}
