// SPDX-License-Identifier: Apache-2.0

import JSON

/// One thing that `gatehouse doctor` looked at.
struct Finding: Equatable {
    /// How bad it is.
    enum Level: Int, CaseIterable, Comparable {
        /// As it should be.
        case ok
        /// Worth knowing; nothing has to be done.
        case note
        /// Will be trouble, or is less safe than it could be.
        case warning
        /// Does not work, or does not protect.
        case fault

        static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }

        var name: String {
            switch self {
            case .ok: "ok"
            case .note: "note"
            case .warning: "warning"
            case .fault: "fault"
            }
        }
    }

    /// A name that stays, for scripts and for looking it up: `tls.expiry`.
    let code: String
    let level: Level
    /// What was seen: a sentence without a full stop.
    let reason: String
    /// What to do about it; nil where it is as it should be.
    let mend: String?

    init(_ code: String, _ reason: String) {
        self.init(code, .ok, reason, mend: nil)
    }

    init(_ code: String, _ level: Level, _ reason: String, mend: String?) {
        self.code = code
        self.level = level
        self.reason = reason
        self.mend = mend
    }

    var json: JSONValue {
        [
            "code": .string(code), "level": .string(level.name), "reason": .string(reason),
            "mend": mend.map { .string($0) } ?? .null,
        ]
    }
}
