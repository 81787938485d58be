// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// A page that is not what was written there. SQLite says only "disk I/O error"; this says where.
package struct PageDamage: Error, Equatable, Hashable, Sendable {
    package enum Reason: Equatable, Hashable, Sendable {
        /// Changed, moved from elsewhere, of another file or tenant, or sealed with another key.
        case notAuthentic
        /// Sealed with a key of a generation that was not given.
        case unknownKey(generation: UInt32)
        /// The file ends before it.
        case missing
    }

    package let file: String
    /// The number of the page, from 1; 0 where it is not known (the head of a log).
    package let page: UInt32
    /// In a write-ahead log: which frame, from 1; 0 is the head of the log.
    package let frame: Int?
    package let reason: Reason

    package init(file: String, page: UInt32, frame: Int? = nil, reason: Reason) {
        self.file = file
        self.page = page
        self.frame = frame
        self.reason = reason
    }
}

extension PageDamage: CustomStringConvertible {
    package var description: String {
        let place = frame.map { " (frame \($0))" } ?? ""
        let what =
            switch reason {
            case .notAuthentic: "is damaged, from elsewhere, or sealed with another key"
            case .unknownKey(let generation): "is sealed with a key of generation \(generation), which is not known"
            case .missing: "is missing"
            }
        return "page \(page)\(place) of \(file) \(what)"
    }
}

/// Damage travels beside SQLite's result code: the file that found it and the call that failed are on one thread.
enum DamageReports {
    // One entry a thread at most, gone when its error is made.
    private static let reports = Mutex<[UInt: PageDamage]>([:])

    static func put(_ damage: PageDamage) {
        reports.withLock { $0[UInt(pthread_self())] = damage }
    }

    static func take() -> PageDamage? {
        reports.withLock { $0.removeValue(forKey: UInt(pthread_self())) }
    }
}
