// SPDX-License-Identifier: Apache-2.0

import Configuration
import Core
import Glibc
import Log
import Platform

/// `gatehouse serve` and `gatehouse dev`: starts the appliance and minds the signals until it is told to stop.
///
///     SIGTERM, SIGINT   drain, then stop; a second one stops at once
///     SIGHUP            read the configuration again
///
/// Between signals it looks after the certificate's files, and tells systemd that the loops turn.
enum Service {
    /// Runs until a signal ends it.
    ///
    /// - Parameter read: reads the configuration; again at each SIGHUP.
    /// - Parameter ready: called once everything listens.
    static func run(
        reading read: () throws(ConfigurationError) -> Configuration, ready: (Appliance) -> Void
    ) throws(CommandFailure) {
        // Before the first thread, so that every thread inherits the mask and signals come to the descriptor only.
        Signals.ignoreBrokenPipe()
        let inherited = try inheritedSockets()
        let manager = ServiceManager(processID: getpid()) { name in
            // SAFETY: there is one thread yet, so that nobody changes the environment meanwhile.
            unsafe getenv(name).map { unsafe String(cString: $0) }
        }
        let signals = try descriptor(of: [SIGTERM, SIGINT, SIGHUP])
        let sink: LogSink
        let printed: PrintedErrors
        do {
            sink = try LogSink.standardError(level: .info, secrets: SecretRegistry())
            printed = try PrintedErrors(to: sink)
        } catch {
            throw CommandFailure("the log's thread cannot be started: \(error)")
        }
        CoreDumps.turnOff()
        OpenFilesLimit.raise()
        let log = Logger(sink)
        defer {
            printed.close()
            sink.flush(timeout: .seconds(2))
        }
        let appliance: Appliance
        do {
            let composition = try Composition(try read(), log: log)
            sink.setLevel(composition.logging.level)
            sink.showAddresses(composition.logging.showsAddresses)
            appliance = try Appliance(starting: composition, inherited: inherited, log: log)
            appliance.isForever()
        } catch let error as ConfigurationError {
            throw CommandFailure(error)
        } catch let error as StartFailure {
            throw CommandFailure(error.message, hint: error.hint)
        } catch {
            throw CommandFailure("the server cannot start: \(error)")
        }
        log.notice(
            "serving",
            [
                "version": .string(Version.text), "mode": .string(appliance.composition.settings.mode.rawValue),
                "address": .string(appliance.address?.description ?? "-"),
                "redirect": .string(appliance.redirectAddress?.description ?? "-"),
            ])
        ready(appliance)
        manager?.ready(appliance.status)
        ColdCode.giveBack()
        mind(signals, appliance, manager, log, read)
        appliance.stop()
        log.notice("stopped")
    }

    private static func inheritedSockets() throws(CommandFailure) -> InheritedSockets {
        do throws(StartFailure) {
            return try InheritedSockets.take()
        } catch {
            throw CommandFailure(error.message, hint: error.hint)
        }
    }

    private static func descriptor(of signals: [CInt]) throws(CommandFailure) -> FileDescriptor {
        do {
            return try Signals.descriptor(signals)
        } catch {
            throw CommandFailure("signals cannot be received: \(error)")
        }
    }

    private static func mind(
        _ signals: borrowing FileDescriptor, _ appliance: Appliance, _ manager: ServiceManager?, _ log: Logger,
        _ read: () throws(ConfigurationError) -> Configuration
    ) {
        var memory = IdleMemory()
        while true {
            switch next(signals, timeoutMilliseconds: CInt(CertificateWatch.interval.milliseconds)) {
            case SIGHUP:
                manager?.reloading()
                do throws(ConfigurationError) {
                    appliance.reload(try read())
                } catch {
                    log.error(
                        "not reloaded; the old configuration stays in force", ["cause": .string(error.description)])
                }
                manager?.ready(appliance.status)
            case SIGTERM, SIGINT:
                log.notice("draining")
                manager?.stopping()
                drain(signals, appliance)
                return
            default:
                appliance.lookAfterCertificate()
                if memory.look() { IdleMemory.giveBack() }
            }
            // One loop that hangs leaves its connections without an answer: then the manager hears nothing any more, and
            // starts the service anew.
            if let manager, manager.watchdogInterval != nil, appliance.doLoopsTurn() { manager.isAlive() }
        }
    }

    /// Waits until every request has been answered, the deadline has passed, or a second signal came.
    private static func drain(_ signals: borrowing FileDescriptor, _ appliance: Appliance) {
        let isEmpty = Monitor(false)
        appliance.drain {
            isEmpty.withLock { $0 = true }
            isEmpty.signal()
        }
        while !isEmpty.withLock({ $0 }) {
            switch next(signals, timeoutMilliseconds: 20) {
            case SIGTERM, SIGINT: return
            default: continue
            }
        }
    }

    /// The next signal, or `nil` at the end of the time.
    private static func next(_ signals: borrowing FileDescriptor, timeoutMilliseconds: CInt) -> CInt? {
        var wait = pollfd(fd: signals.rawValue, events: Int16(POLLIN), revents: 0)
        // SAFETY: one structure, alive through the call.
        guard unsafe poll(&wait, 1, timeoutMilliseconds) > 0 else { return nil }
        return Signals.next(from: signals)
    }
}
