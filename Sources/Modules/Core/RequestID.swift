// SPDX-License-Identifier: Apache-2.0

import EventLoop
import Platform

/// The id of one request: on its answer, in its log lines, in every record about it.
enum RequestID {
    /// A new one: `req_` and a ULID.
    static func make() -> String {
        ULID.make(prefix: "req_", at: .now())
    }

    /// The same, made on a loop.
    static func make(on loop: EventLoop) -> String {
        ULID.make(prefix: "req_", at: .now(), from: &loop.randomness)
    }
}
