// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Programs that were built with the tests.
package enum BuiltProgram {
    /// The path of one; it stands beside the test bundle.
    package static func path(_ name: String) -> String {
        var buffer = [CChar](repeating: 0, count: 4096)
        // The count is one less than the buffer's, so that it ends with a zero (readlink(2)).
        let count = unsafe readlink("/proc/self/exe", &buffer, buffer.count - 1)
        let own = String(decoding: buffer.prefix(max(count, 0)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let directory = own.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        return "\(directory)/\(name)"
    }
}
