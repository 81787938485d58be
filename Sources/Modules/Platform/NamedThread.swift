// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import Synchronization

/// A thread of the operating system with a name that `top -H` shows.
package final class NamedThread: Sendable {
    /// The name as given; the kernel keeps its first 15 bytes.
    package let name: String
    private let thread: Mutex<pthread_t?>

    /// Starts a thread that runs `body` once, with every signal blocked (signals are read from `Signals`).
    ///
    /// The thread runs on when this object goes away; `join` waits for its end.
    /// - Throws: EAGAIN when the system has no room for another thread.
    package static func start(
        name: String, stackBytes: Int = 1 << 20, body: @escaping @Sendable () -> Void
    ) throws(Errno) -> NamedThread {
        try NamedThread(name: name, stackBytes: stackBytes, body: body)
    }

    private init(name: String, stackBytes: Int, body: @escaping @Sendable () -> Void) throws(Errno) {
        var attributes = pthread_attr_t()
        // SAFETY: `attributes` lives until it is destroyed below, and pthread_create copies what it needs.
        unsafe pthread_attr_init(&attributes)
        defer { unsafe pthread_attr_destroy(&attributes) }
        unsafe pthread_attr_setstacksize(&attributes, stackBytes)
        // SAFETY: retained here, released exactly once: by the new thread, or below when there is none.
        let start = unsafe Unmanaged.passRetained(Start(name: name, body: body))
        var thread = pthread_t()
        let result = Signals.blockingAll {
            unsafe pthread_create(
                &thread, &attributes,
                { argument in
                    // SAFETY: the argument is the one retained above, and this is its only release.
                    guard let argument = unsafe argument else { return nil }
                    let start = unsafe Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
                    unsafe clinux_name_this_thread(start.name)
                    start.body()
                    return nil
                }, start.toOpaque())
        }
        guard result == 0 else {
            unsafe start.release()
            throw Errno(result)
        }
        self.name = name
        self.thread = Mutex(thread)
    }

    deinit {
        // Nobody can wait for it any more, so the system may free it when it ends.
        if let thread = thread.withLock({ $0 }) { pthread_detach(thread) }
    }

    /// Waits until the body has returned. A second call returns at once. Never from the thread itself.
    package func join() {
        let waiting = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        guard let waiting else { return }
        precondition(pthread_equal(waiting, pthread_self()) == 0, "a thread cannot wait for itself")
        pthread_join(waiting, nil)
    }

    private final class Start: Sendable {
        let name: String
        let body: @Sendable () -> Void

        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }
}
