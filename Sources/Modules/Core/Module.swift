// SPDX-License-Identifier: Apache-2.0

package import Configuration
package import Platform

/// A room of the house, turned on by its section of the configuration.
///
/// Its life has four steps:
///
/// 1. *made* from its section (an initializer), without any effect outside itself, so that `gatehouse check` can make all
///    and start none;
/// 2. *started*, in the order of the composition: files are opened, threads begin;
/// 3. serving: its routes are called and its stages entered, on the loops;
/// 4. *stopped*, in reverse order, when no request is under way any more or the deadline has passed.
package protocol Module: AnyObject, Sendable {
    /// What it serves. Each route names its guard.
    var routes: [Route] { get }

    /// The steps it takes with every exchange.
    var stages: [any Stage] { get }

    /// The tables it keeps, each column with what is in it.
    var schemas: [Schema] { get }

    /// What a tenant takes away of what it keeps.
    var archiveParts: [ArchivePart] { get }

    /// Its part of `/metrics`. Called on a loop: it reads what is in memory and waits for nothing.
    func write(metrics: inout MetricsText)

    /// Opens what it needs. Runs on the main thread before any loop; may block.
    func start() throws(StartFailure)

    /// Takes over what can change while serving, from a new reading of its section; on `SIGHUP`, on the main thread.
    ///
    /// - Throws: if the new section is wrong; then nothing has changed.
    /// - Returns: what was taken over, and what differs but needs a restart.
    func reload(_ section: Section) throws(ConfigurationError) -> ReloadReport

    /// Hears, once it has started, that its server is the process's own from now to its end: what every request refers to
    /// need not be counted any more (``Immortal``).
    func isForever()

    /// Closes what it opened, by a deadline.
    func stop(by deadline: Instant)
}

extension Module {
    package var routes: [Route] { [] }
    package var stages: [any Stage] { [] }
    package var schemas: [Schema] { [] }
    package var archiveParts: [ArchivePart] { [] }
    package func write(metrics: inout MetricsText) {}
    package func start() throws(StartFailure) {}
    package func isForever() {}
    package func stop(by deadline: Instant) {}
}

/// Why a module could not start, and what to do about it.
package struct StartFailure: Error, Sendable {
    package let message: String
    package let hint: String?

    package init(_ message: String, hint: String? = nil) {
        self.message = message
        self.hint = hint
    }
}

/// What came of a reload of one section.
package struct ReloadReport: Sendable {
    /// Keys whose new value is in force.
    package var applied: [String]
    /// Keys that differ and stay as they are until a restart.
    package var needsRestart: [String]

    package init(applied: [String] = [], needsRestart: [String] = []) {
        self.applied = applied
        self.needsRestart = needsRestart
    }
}

/// Development or production (DESIGN: `mode`).
package enum Mode: String, CaseIterable, Sendable {
    /// Loopback only, a fresh key at each start, and it says so.
    case development
    case production
}
