// SPDX-License-Identifier: Apache-2.0

/// What lets a task of a loop go on, for whoever works for it on another thread.
///
/// A continuation by itself would have the task go on with the thread that resumes it, where what it touches is not its own.
@safe package struct WaitingTask<Value: Sendable>: Sendable {
    /// Nil for a task on no loop, as tests have them.
    private let loop: EventLoop?
    private let continuation: UnsafeContinuation<Value, Never>

    fileprivate init(_ loop: EventLoop?, _ continuation: UnsafeContinuation<Value, Never>) {
        self.loop = loop
        unsafe self.continuation = continuation
    }

    /// Lets the task go on with a value, on its loop: exactly once. Any thread. Where the loop has ended the task stays suspended.
    package func resume(returning value: Value) {
        if let loop, !loop.isCurrent {
            loop.post { unsafe continuation.resume(returning: value) }
        } else {
            unsafe continuation.resume(returning: value)
        }
    }
}

extension WaitingTask where Value == Void {
    /// Lets the task go on.
    package func resume() { resume(returning: ()) }
}

extension EventLoop {
    /// Suspends the task until what `body` hands on is resumed, from whatever thread. On the loop.
    package func suspend<Value: Sendable>(_ body: (WaitingTask<Value>) -> Void) async -> Value {
        checkThread()
        return unsafe await withUnsafeContinuation { continuation in unsafe body(WaitingTask(self, continuation)) }
    }

    /// The same on the loop whose thread this is, if there is one.
    package static func suspend<Value: Sendable>(_ body: (WaitingTask<Value>) -> Void) async -> Value {
        let loop = current
        return unsafe await withUnsafeContinuation { continuation in unsafe body(WaitingTask(loop, continuation)) }
    }
}
