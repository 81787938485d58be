// SPDX-License-Identifier: Apache-2.0
import COpenSSL

/// The buffers in which OpenSSL keeps records.
package enum RecordBuffers {
    /// Lets each thread keep some of them for the next request, instead of giving them back each time. For the start of the
    /// program, before anything else is asked of OpenSSL.
    /// - Returns: false when it is too late; nothing has changed then.
    @discardableResult
    package static func keep() -> Bool { copenssl_keep_buffers() == 1 }
}
