// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Sandbox

struct WorkspacePathTests {
    @Test(arguments: ["a", "a/b", "plot.png", "..evil", "a..b/c", "€/漢", "-rf", " ", "C:x"])
    func `takes paths below the workspace`(path: String) throws { try WorkspacePath.check(path) }

    @Test(arguments: [
        "", ".", "..", "/", "/a", "a/", "a//b", "../a", "a/../b", "./a", "a/.", "a\0b", "a\nb", "a\\b", "....//x",
        String(repeating: "x", count: 256), String(repeating: "d/", count: 16) + "x",
        String(repeating: "ab/", count: 400) + "x",
    ])
    func `refuses every other`(path: String) {
        #expect(throws: WorkspacePath.Refusal.self) { try WorkspacePath.check(path) }
    }
}
