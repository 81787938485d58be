// SPDX-License-Identifier: Apache-2.0

/// A value that comes later, once, to one waiter, on one loop. Of several who try to give it (an answer, a timer, a
/// cancellation), the first wins.
@safe package final class OneShot<Value: Sendable>: @unchecked Sendable {
    private let loop: EventLoop
    private var given: Value?
    private var waiter: UnsafeContinuation<Value, Never>?
    private var isTaken = false

    /// Makes one for use on `loop` only.
    package init(on loop: EventLoop) {
        self.loop = loop
    }

    /// Gives the value.
    /// - Returns: false when another came first; the value is then dropped.
    @discardableResult
    package func fulfil(_ value: Value) -> Bool {
        loop.checkThread()
        guard given == nil, !isTaken else { return false }
        if let waiter = unsafe waiter {
            unsafe self.waiter = nil
            isTaken = true
            unsafe waiter.resume(returning: value)
        } else {
            given = value
        }
        return true
    }

    /// Waits for the value. It can be taken once.
    package func value() async -> Value {
        loop.checkThread()
        precondition(unsafe waiter == nil && !isTaken, "a value is taken once")
        if let given {
            self.given = nil
            isTaken = true
            return given
        }
        return unsafe await withUnsafeContinuation { unsafe waiter = $0 }
    }
}
