// SPDX-License-Identifier: Apache-2.0

/// The id of something that can be erased by itself: a thread, a file, a node, a memory (`thr_…`, `file_…`, `node_…`,
/// `mem_…`). Each has a content key of its own, and erasing it is deleting that key.
package struct ObjectID: Hashable, Sendable {
    package let text: String

    package init(_ text: String) {
        self.text = text
    }
}
