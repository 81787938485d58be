// SPDX-License-Identifier: Apache-2.0

extension [UInt8] {
    /// An array of what `body` writes, at most `capacity` bytes; made once, and not filled with anything before.
    ///
    /// As the standard library's `init(capacity:initializingWith:)`, which looks up the array's type at each call, since it is
    /// not compiled for bytes, as its appending is.
    @inlinable
    package init(room capacity: Int, _ body: (inout OutputSpan<UInt8>) -> Void) {
        self.init()
        append(addingCapacity: capacity, initializingWith: body)
    }
}
