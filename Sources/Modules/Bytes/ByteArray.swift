// SPDX-License-Identifier: Apache-2.0

extension [UInt8] {
    /// An array of what `body` writes, at most `capacity` bytes; made once, and not filled with anything before.
    ///
    /// As the standard library's `init(capacity:initializingWith:)`, which looks up the array's type at each call, since it is
    /// not compiled for bytes.
    @inlinable
    package init(room capacity: Int, _ body: (inout OutputSpan<UInt8>) -> Void) {
        unsafe self.init(unsafeUninitializedCapacity: capacity) { buffer, count in
            // The buffer has room for `capacity` bytes, and what is finalized is what was written.
            var output = unsafe OutputSpan(buffer: buffer, initializedCount: 0)
            body(&output)
            count = unsafe output.finalize(for: buffer)
        }
    }
}
