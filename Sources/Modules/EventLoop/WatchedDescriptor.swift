// SPDX-License-Identifier: Apache-2.0
import CLinux
package import Platform

/// A descriptor of any pollable kind (signalfd, pidfd, inotify) that a loop watches for reading.
package final class WatchedDescriptor: EventSource, @unchecked Sendable {
    private let loop: EventLoop
    private let descriptor: FileDescriptor
    private var id: UInt64?
    private let onReadable: (borrowing FileDescriptor) -> Void

    /// Calls `onReadable` on the loop as long as there is something to read. On the loop's thread, as is `close`, which
    /// comes before the last reference goes away.
    package init(
        _ descriptor: consuming FileDescriptor, on loop: EventLoop,
        onReadable: @escaping (borrowing FileDescriptor) -> Void
    ) throws(Errno) {
        let number = descriptor.rawValue
        self.loop = loop
        self.descriptor = descriptor
        self.onReadable = onReadable
        super.init()
        id = try loop.register(self, descriptor: number, events: clinux_EPOLLIN)
    }

    deinit {
        precondition(id == nil, "a watched descriptor is closed on its loop before it goes away")
    }

    /// Stops watching. The descriptor closes with this object.
    package func close() {
        if let id { loop.unregister(id, descriptor: descriptor.rawValue) }
        id = nil
    }

    override func handle(_ events: UInt32) {
        onReadable(descriptor)
    }

    override func loopEnds() {
        close()
    }
}
