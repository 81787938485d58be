// SPDX-License-Identifier: Apache-2.0

import HTTP
import SQLite

extension Failure {
    /// A body that could not be read.
    init(reading failure: BodyFailure, bytesMax: Int) {
        switch failure {
        case .tooLarge: self.init(.payloadTooLarge, "the body is larger than \(bytesMax) bytes")
        case .malformed: self.init(.invalidParameter, "the body's framing is malformed")
        case .timedOut: self.init(.requestTimeout, "the body did not come in time")
        case .gone: self.init(.requestTimeout, "the body ended early", cause: "the client went away")
        }
    }
}

extension Failure {
    /// Work on a database that was not done.
    package init(_ failure: DatabaseFailure) {
        switch failure {
        case .busy:
            self.init(.overloaded, "the store is busy; try again")
            retryAfter = .seconds(1)
        case .failed(let error):
            self.init(.internal, "the store failed", cause: error.description)
        }
    }
}
