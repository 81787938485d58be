// SPDX-License-Identifier: Apache-2.0

import Configuration
import Core
import EventLoop
import Glibc
import HTTP
import Log
import Platform
import TLS

/// A server from its start to its stop: modules, loops and doors, as a composition describes them.
///
/// Belongs to the main thread.
final class Appliance {
    let composition: Composition
    private let log: Logger
    private let policy: DoorPolicy
    /// Of the network.
    private let door: FrontDoor
    private let loops: [EventLoop]
    private let server: Server
    private let pulse: LoopPulse
    /// Nil where there is no thread for it: then nothing is said to hold that would have to be tried.
    private let rounds: ControlRounds?
    private var certificate: (files: TLSSettings, watch: CertificateWatch)

    /// Starts everything in order: the data directory and its modules, the certificate, the addresses, the loops. What was
    /// started is stopped again if a later step fails.
    ///
    /// - Parameter inherited: sockets that were bound for this process, which take the place of its own.
    init(
        starting composition: Composition, inherited: InheritedSockets = .none, log: Logger
    ) throws(StartFailure) {
        self.composition = composition
        self.log = log
        let settings = composition.settings
        try Self.start(composition.modules)
        do throws(StartFailure) {
            let context = try CertificateFiles.load(
                settings.http.tls, hosts: settings.http.names.hosts, dataDirectory: settings.dataDirectory)
            certificate = (settings.http.tls, CertificateWatch(using: context.pair))
            policy = DoorPolicy(
                kind: .network, names: settings.http.names, keyOrigins: composition.roles.keyOrigins)
            door = FrontDoor(table: composition.routes, stages: composition.stages, policy: policy, log: log)
            loops = try Self.makeLoops(settings.http.loops)
            server = try Server(Self.plan(composition, context.context, policy, door, loops, inherited, log))
            try Self.run(loops)
            pulse = LoopPulse(of: loops)
            rounds = Self.rounds(of: composition, at: server, log)
        } catch {
            for (_, module) in composition.modules.reversed() { module.stop(by: .now()) }
            throw error
        }
    }

    /// Says that this is the server of the process, from now to its end: what every request refers to is not counted any more.
    func isForever() {
        for loop in loops { Immortal.keep(loop) }
        Immortal.keep(composition.stages)
        for stage in composition.stages.members { Immortal.keep(stage) }
        for route in composition.routes.routes { Immortal.keep(route) }
        Immortal.keep(door)
        log.secrets?.isForever()
        for (_, module) in composition.modules { module.isForever() }
    }

    /// The address of the TLS listener, with the port the kernel chose if 0 was asked for.
    var address: SocketAddress? { server.address }
    var redirectAddress: SocketAddress? { server.redirectAddress }

    /// A line for whoever asks how the service is.
    var status: String { "Serving on \(address?.description ?? "the admin socket")" }

    /// Whether every loop has turned since this was last asked.
    func doLoopsTurn() -> Bool { pulse.beat() }

    // MARK: Start

    private static func start(_ modules: [(section: String, module: any Module)]) throws(StartFailure) {
        for (index, (_, module)) in modules.enumerated() {
            do throws(StartFailure) {
                try module.start()
            } catch {
                for (_, started) in modules[..<index].reversed() { started.stop(by: .now()) }
                throw error
            }
        }
    }

    private static func makeLoops(_ wanted: Int) throws(StartFailure) -> [EventLoop] {
        let count = wanted > 0 ? wanted : max(1, min(sysconf(CInt(_SC_NPROCESSORS_ONLN)), HTTPSettings.loopsMax))
        do {
            return try (0..<count).map { index throws(Errno) in try EventLoop(name: "loop-\(index)") }
        } catch {
            throw StartFailure("an event loop cannot be made: \(error)")
        }
    }

    private static func run(_ loops: [EventLoop]) throws(StartFailure) {
        for (index, loop) in loops.enumerated() {
            do {
                try loop.start()
            } catch {
                for started in loops[..<index] {
                    started.stop()
                    started.join()
                }
                throw StartFailure("a loop's thread cannot be started: \(error)")
            }
        }
    }

    /// In production promises are tried at once; elsewhere when the server has stayed, or somebody asks.
    private static func rounds(of composition: Composition, at server: Server, _ log: Logger) -> ControlRounds? {
        guard let secure = server.address else { return nil }
        let plain = server.redirectAddress
        let delay: Duration = composition.settings.mode == .production ? .seconds(2) : .seconds(900)
        let facts = ProbeWorld.Facts(composition)
        return try? ControlRounds(
            composition.controls, after: delay,
            world: { () throws(ProbeClient.Failure) in try ProbeWorld(facts, at: secure, plain) }, log: log)
    }

    private static func plan(
        _ composition: Composition, _ context: TLSServerContext, _ policy: DoorPolicy, _ door: FrontDoor,
        _ loops: [EventLoop], _ inherited: InheritedSockets, _ log: Logger
    ) -> Server.Plan {
        let socketPolicy = DoorPolicy(kind: .socket(ownUserID: geteuid()))
        let admin = FrontDoor(table: composition.routes, stages: composition.stages, policy: socketPolicy, log: log)
        return Server.Plan(
            settings: composition.settings.http, context: context, network: door, stages: composition.stages,
            redirect: { port in
                RedirectDoor(
                    policy: policy, port: port, recorder: composition.stages.recorder,
                    watch: composition.roles.exposureWatch, log: log)
            },
            admin: composition.roles.socketPath == nil ? nil : admin, socketPath: composition.roles.socketPath,
            inherited: inherited, isDevelopment: composition.settings.mode == .development, loops: loops, log: log)
    }

    // MARK: Reload

    /// Takes over what can change while serving. A configuration with a mistake changes nothing.
    func reload(_ configuration: Configuration) {
        do throws(ConfigurationError) {
            let settings = try HouseSettings(configuration)
            var report = ReloadReport()
            for (name, module) in composition.modules {
                guard let section = try configuration.section(name) else {
                    report.needsRestart.append(name)
                    continue
                }
                let part = try module.reload(section)
                report.applied += part.applied
                report.needsRestart += part.needsRestart
            }
            takeOver(settings, &report)
            log.notice(
                "reloaded",
                [
                    "applied": .string(report.applied.joined(separator: " ")),
                    "needs_restart": .string(report.needsRestart.joined(separator: " ")),
                ])
        } catch {
            log.error("not reloaded; the old configuration stays in force", ["cause": .string(error.description)])
        }
    }

    private func takeOver(_ settings: HouseSettings, _ report: inout ReloadReport) {
        let (old, new) = (composition.settings, settings)
        policy.replace(new.http.names)
        report.applied += ["http.hosts", "http.origins"]
        do {
            let context = try CertificateFiles.load(
                new.http.tls, hosts: new.http.names.hosts, dataDirectory: old.dataDirectory)
            server.replace(context.context)
            certificate = (new.http.tls, CertificateWatch(using: context.pair))
            report.applied.append("http.tls")
        } catch {
            log.error("the old certificate stays in use", ["cause": .string(error.message)])
        }
        if old.mode != new.mode { report.needsRestart.append("mode") }
        if old.dataDirectory != new.dataDirectory { report.needsRestart.append("data") }
        if old.http.listen != new.http.listen { report.needsRestart.append("http.listen") }
        if old.http.redirect != new.http.redirect { report.needsRestart.append("http.redirect") }
        if old.http.loops != new.http.loops { report.needsRestart.append("http.loops") }
        if old.http.limits != new.http.limits { report.needsRestart.append("http limits") }
    }

    /// Looks at the files of the certificate, and uses them for the connections that follow if another pair is there. A
    /// pair that cannot be used (half of it is written, say) changes nothing, and is complained about once. To be called
    /// every `CertificateWatch.interval`.
    func lookAfterCertificate() {
        let files = certificate.files
        let pair = CertificateWatch.Pair((files.certificate, files.key))
        guard certificate.watch.look(pair) == .load else { return }
        do throws(StartFailure) {
            let context = try CertificateFiles.open(files)
            server.replace(context)
            log.notice("another certificate is in use", ["expires": .string(context.expiry.rfc3339)])
        } catch {
            log.error("the old certificate stays in use", ["cause": .string(error.message)])
        }
    }

    // MARK: Stop

    /// Stops accepting and lets requests under way finish.
    ///
    /// - Parameter finished: called once, on some thread.
    func drain(finished: @escaping @Sendable () -> Void) {
        server.drain(until: .now() + composition.settings.http.drainTimeout, finished: finished)
    }

    /// Stops loops and modules, in reverse order of start. After a drain, or instead of one.
    func stop() {
        rounds?.stop()
        for loop in loops { loop.stop() }
        for loop in loops { loop.join() }
        let deadline = Instant.now() + .seconds(5)
        for (_, module) in composition.modules.reversed() { module.stop(by: deadline) }
    }
}
