// SPDX-License-Identifier: Apache-2.0

import Platform

/// A step of making a box that failed. Nothing of the program runs then.
struct BoxFailure: Error {
    let step: BoxStep
    let errno: Errno

    init(_ step: BoxStep, _ errno: Errno = .last) {
        self.step = step
        self.errno = errno
    }
}

extension BoxStep {
    /// Runs a call that answers a negative number where it fails.
    @discardableResult
    func take<Number: SignedInteger>(_ call: () -> Number) throws(BoxFailure) -> Number {
        do throws(Errno) {
            return try Errno.check(call)
        } catch {
            throw BoxFailure(self, error)
        }
    }
}
