// SPDX-License-Identifier: Apache-2.0

import HTTP

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
