// SPDX-License-Identifier: Apache-2.0

import Bytes
import EventLoop
import Platform

/// The id of one request, `req_` and a ULID: on its answer, in its log lines, in every record about it. In place, since
/// of most requests nobody asks for it as a text.
struct RequestID: Sendable {
    private let bytes: [30 of UInt8]

    /// A new one, made on a loop.
    init(at time: WallTime, on loop: EventLoop) {
        bytes = ULID.characters(behind: Self.prefix, at: time, from: &loop.randomness)
    }

    /// `req_`, the first character in the lowest byte.
    private static let prefix: UInt32 = 0x5F71_6572

    /// A new one as text, for where no loop is.
    static func make() -> String { ULID.make(prefix: "req_", at: .now()) }

    var text: String { String(decoding: bytes.span) }

    /// Lends its characters for the length of `body`.
    func withSpan<Result>(_ body: (Span<UInt8>) -> Result) -> Result { body(bytes.span) }
}
