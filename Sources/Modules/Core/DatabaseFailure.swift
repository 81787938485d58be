// SPDX-License-Identifier: Apache-2.0

package import SQLite

/// Why work on a database was not done. Nothing of it was written.
package enum DatabaseFailure: Error, Sendable {
    /// Too much work waits, or the database is stopping.
    case busy
    /// The disk has no room. What is there can be read, and writing goes on when there is room again.
    case full
    /// The tenant's database has reached its largest size; reading and deleting go on.
    case quota(bytesMax: Int)
    /// The file is not what was written; `page` counts from 1 and is `nil` where no single page is to blame.
    case damaged(file: String, page: Int?)
    /// The tenant was deleted.
    case gone
    /// SQLite refused.
    case failed(SQLiteError)
}

extension Failure {
    /// Work on a database that was not done.
    package init(_ failure: DatabaseFailure) {
        switch failure {
        case .busy:
            self.init(.overloaded, "the store is busy; try again")
            retryAfter = .seconds(1)
        case .full:
            self.init(.overloaded, "the store has no room", cause: "the disk is full")
            retryAfter = .seconds(60)
        case .quota(let bytesMax):
            self.init(.payloadTooLarge, "this tenant's store is full (\(bytesMax) bytes); delete something first")
        case .damaged(let file, let page):
            let place = page.map { ", page \($0)" } ?? ""
            self.init(.internal, "the store failed", cause: "the file \(file)\(place) is damaged")
        case .gone:
            self.init(.notFound, "there is nothing of that id")
        case .failed(let error):
            self.init(.internal, "the store failed", cause: error.description)
        }
    }
}
