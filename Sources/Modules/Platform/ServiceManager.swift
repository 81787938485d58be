// SPDX-License-Identifier: Apache-2.0

import CLinux

/// Whoever minds this process as a service, and wants to know how it is: systemd (sd_notify(3)).
///
///     NOTIFY_SOCKET   where to tell it
///     WATCHDOG_USEC   how often it wants to hear that all is well, in microseconds
///     WATCHDOG_PID    the process it means by that
package struct ServiceManager: Sendable {
    /// The path of its socket, or `@` and a name.
    private let socket: String
    /// How often it wants to hear from us before it takes us for hung; nil where it does not.
    package let watchdogInterval: Duration?

    /// The longest name of a socket (unix(7)).
    private static let nameBytesMax = 107

    /// - Parameter variable: gives the value of a variable of the environment.
    /// - Returns: nil where nobody minds this process.
    package init?(processID: Int32, _ variable: (String) -> String?) {
        guard let socket = variable("NOTIFY_SOCKET"), socket.utf8.count <= Self.nameBytesMax,
            socket.hasPrefix("/") || socket.hasPrefix("@")
        else { return nil }
        self.socket = socket
        let isMeant = variable("WATCHDOG_PID").map { $0 == String(processID) } ?? true
        watchdogInterval =
            isMeant
            ? variable("WATCHDOG_USEC").flatMap { Int64($0) }.flatMap { $0 > 0 ? .microseconds($0) : nil } : nil
    }

    /// Everything is there, and requests are answered.
    package func ready(_ status: String) { tell(["READY=1", "STATUS=\(status)"]) }

    /// The configuration is being read again; `ready` follows.
    package func reloading() { tell(["RELOADING=1", "MONOTONIC_USEC=\(Instant.now().nanoseconds / 1_000)"]) }

    /// Requests under way are finished, then the process ends.
    package func stopping() { tell(["STOPPING=1", "STATUS=Finishing what is under way"]) }

    /// All is well.
    package func isAlive() { tell(["WATCHDOG=1"]) }

    private func tell(_ lines: [String]) {
        let text = lines.joined(separator: "\n")
        // The string's bytes for the length of the call. It may fail: nobody can be told, and nothing depends on it.
        _ = unsafe clinux_notify(socket, text, text.utf8.count)
    }
}
