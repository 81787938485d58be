// SPDX-License-Identifier: Apache-2.0

import Bytes
import EventLoop
import Platform

/// The id of one request, `req_` and a ULID: on its answer, in its log lines, in every record about it. In place, since
/// of most requests nobody asks for it as a text.
struct RequestID: Sendable {
    private var bytes: [30 of UInt8]

    private init(_ characters: [26 of UInt8]) {
        bytes = .init(repeating: 0)
        (bytes[0], bytes[1]) = (UInt8(ascii: "r"), UInt8(ascii: "e"))
        (bytes[2], bytes[3]) = (UInt8(ascii: "q"), UInt8(ascii: "_"))
        for index in 0..<26 { bytes[4 &+ index] = characters[index] }
    }

    /// A new one, made on a loop.
    init(at time: WallTime, on loop: EventLoop) { self.init(ULID.characters(at: time, from: &loop.randomness)) }

    /// A new one as text, for where no loop is.
    static func make() -> String { ULID.make(prefix: "req_", at: .now()) }

    var text: String { String(decoding: bytes.span) }

    /// Lends its characters for the length of `body`.
    func withSpan<Result>(_ body: (Span<UInt8>) -> Result) -> Result { body(bytes.span) }
}
