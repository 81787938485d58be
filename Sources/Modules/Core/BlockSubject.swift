// SPDX-License-Identifier: Apache-2.0

/// Who was blocked for what they did, for its record.
package enum BlockSubject: Sendable {
    case key(KeyID)
    /// The digest by which records name the person behind a key.
    case user([UInt8])
    /// The bytes of an address, or of a network's first one.
    case address([UInt8])
}
