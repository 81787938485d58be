// SPDX-License-Identifier: Apache-2.0

package import Configuration
package import Core
import EventLoop
import Glibc
package import Log
package import Platform
import Synchronization

/// The section `[sandbox]`: code that a model or a client wrote, run where it can do no harm.
package final class Sandbox: Module {
    let settings: SandboxSettings
    private let house: HouseSettings
    private let log: Logger
    private let keeperPath: String
    private let hello: KeeperLink.Hello
    /// What runs code, once started; guards the reference.
    private let runner = Mutex<Runner?>(nil)
    /// Guards the reference.
    private let kept = Mutex<(any TenantFiles)?>(nil)
    /// Workspaces that are kept between runs.
    let sessions = Sessions()
    /// What this host can, and why it cannot; guards itself.
    private let host = Mutex(HostState())

    package convenience init(
        _ section: Section, settings house: HouseSettings, keeper: String = "/proc/self/exe", log: Logger
    ) throws(ConfigurationError) {
        try self.init(section, settings: house, keeper: keeper, layers: .all, usesGroups: true, log: log)
    }

    /// - Parameters:
    ///   - keeper: the program that is the keeper where it is called so.
    ///   - layers: of every box; for tests that show that the self-test finds one missing.
    init(
        _ section: Section, settings house: HouseSettings, keeper: String, layers: BoxLayers, usesGroups: Bool,
        log: Logger
    ) throws(ConfigurationError) {
        settings = try SandboxSettings(section)
        self.house = house
        self.log = log
        keeperPath = keeper
        var languages = settings.languages
        for language in Language.found where !languages.contains(where: { $0.name == language.name }) {
            languages.append(language)
        }
        var folders: [String] = []
        for folder in languages.flatMap(\.folders) where !folders.contains(folder) { folders.append(folder) }
        hello = KeeperLink.Hello(layers: layers, usesGroups: usesGroups, folders: folders)
        host.withLock { $0.languages = languages }
    }

    package var routes: [Route] { ExecutionRoutes(sandbox: self).all + SessionRoutes(sandbox: self).all }

    /// Lets go of what a tenant had when it is deleted. Before the start.
    package func follow(_ store: any TenantStore) {
        let sessions = sessions
        store.onDeletion { sessions.forget($0) }
    }

    /// Where tenants keep files. Before the start.
    package func join(_ files: any TenantFiles) { kept.withLock { $0 = files } }

    /// What tenants keep; nil without the module that keeps it.
    var files: (any TenantFiles)? { kept.withLock { $0 } }

    /// What runs code; nil where it is not started.
    var running: Runner? { runner.withLock { $0 } }

    /// What this host can, as it is known now.
    var state: HostState { host.withLock { $0 } }

    var layers: BoxLayers { hello.layers }

    package func start() throws(StartFailure) {
        let loop: EventLoop
        do throws(Errno) {
            loop = try EventLoop(name: "sandbox")
            try loop.start()
        } catch {
            throw StartFailure("the sandbox's thread cannot be started: \(error)")
        }
        let processors = max(1, sysconf(CInt(_SC_NPROCESSORS_ONLN)))
        let parallel = settings.parallel > 0 ? settings.parallel : min(4 * processors, SandboxSettings.parallelMax)
        let runner = Runner(on: loop, settings: settings, parallel: parallel, log: log)
        self.runner.withLock { $0 = runner }
        let verdict = Monitor<HostState.Verdict?>(nil)
        let (path, hello) = (keeperPath, hello)
        loop.post {
            SelfTest(runner: runner, settings: self.settings, layers: hello.layers).run(path, hello) { found in
                verdict.withLock { $0 = found }
                verdict.signal(all: true)
            }
        }
        let found =
            verdict.wait(until: .now() + SelfTest.time) { $0 }
            ?? HostState.Verdict(troubles: ["the keeper does not answer"])
        judge(found, runner)
    }

    /// Decides whether code is run: everything holds, and limits by control groups where production demands it.
    private func judge(_ found: HostState.Verdict, _ runner: Runner) {
        var found = found
        if found.troubles.isEmpty, house.mode == .production, !settings.allowsPartial, !found.enforcements.isWhole {
            found.troubles.append(
                "limits are not held by control groups; delegate cpu, memory and pids to the service, or set allow_partial"
            )
        }
        let verdict = found
        host.withLock { $0.verdict = verdict }
        guard verdict.troubles.isEmpty else {
            return log.error(
                "the sandbox refuses to run code on this host",
                ["cause": .string(verdict.troubles.joined(separator: "; "))])
        }
        log.notice(
            "the sandbox is ready",
            [
                "memory": .string(verdict.enforcements.memory.name),
                "processes": .string(verdict.enforcements.processes.name),
                "cpu": .string(verdict.enforcements.cpu.name), "landlock": .int(verdict.landlock),
            ])
        runner.loop.post {
            runner.trust()
            self.askVersions(of: runner)
        }
    }

    /// Asks every language for its version, in boxes, one after the other.
    private func askVersions(of runner: Runner, from index: Int = 0) {
        let languages = host.withLock { $0.languages }
        guard index < languages.count else { return keepWarm(runner, languages) }
        var limits = settings.standard
        limits.wallMilliseconds = min(10_000, limits.wallMilliseconds)
        let order = BoxOrder(languages[index].versionProgram, limits: limits, layers: layers, collectsFiles: false)
        runner.runOwn(order) { result in
            if case .success(.ended(let result)) = result, result.report.exitCode == 0 {
                let text = String(decoding: result.output + result.errors, as: UTF8.self)
                let line = text.prefix { $0 != "\n" }.prefix(100)
                // The last word of the first line that begins with a digit, mostly.
                let word = line.split(separator: " ").first { $0.contains(where: \.isNumber) }
                self.host.withLock { $0.languages[index].version = String(word ?? line) }
            }
            self.askVersions(of: runner, from: index + 1)
        }
    }

    /// Keeps interpreters of Python ready, when nothing else is left to be done at the start.
    private func keepWarm(_ runner: Runner, _ languages: [Language]) {
        guard let python = languages.first(where: { $0.name == "python" }) else { return }
        runner.keepWarm(
            WarmPool.Terms(
                python: python, cpus: max(1, settings.cpuHundredths / 100), standard: settings.standard,
                most: settings.most, layers: layers, count: settings.warm, modules: settings.warmModules))
    }

    package func write(metrics text: inout MetricsText) {
        guard let figures = running?.snapshot else { return }
        text.family("gatehouse_sandbox_runs_total", .counter, "Runs of code by how they ended, since the start.")
        for status in ExecutionStatus.allCases {
            text.sample("gatehouse_sandbox_runs_total", [("status", status.rawValue)], figures.ended[status] ?? 0)
        }
        text.family("gatehouse_sandbox_runs_lost_total", .counter, "Runs whose box ended without a word.")
        text.sample("gatehouse_sandbox_runs_lost_total", [], figures.lost)
        text.family("gatehouse_sandbox_runs_warm_total", .counter, "Runs that found an interpreter waiting.")
        text.sample("gatehouse_sandbox_runs_warm_total", [], figures.begunWarm)
        text.family("gatehouse_sandbox_refused_total", .counter, "Runs that were refused because the queue was full.")
        text.sample("gatehouse_sandbox_refused_total", [], figures.refused)
        text.family("gatehouse_sandbox_running", .gauge, "Runs under way.")
        text.sample("gatehouse_sandbox_running", [], figures.running)
        text.family("gatehouse_sandbox_waiting", .gauge, "Runs that wait for their turn.")
        text.sample("gatehouse_sandbox_waiting", [], figures.waiting)
        text.family("gatehouse_sandbox_warm", .gauge, "Interpreters that wait for a program.")
        text.sample("gatehouse_sandbox_warm", [], figures.warm)
    }

    package func reload(_ section: Section) throws(ConfigurationError) -> ReloadReport {
        let new = try SandboxSettings(section)
        return ReloadReport(needsRestart: new == settings ? [] : ["sandbox"])
    }

    package func stop(by deadline: Instant) {
        guard let runner = runner.withLock({ runner in runner.take() }) else { return }
        let stopped = Monitor(false)
        runner.loop.post {
            runner.stop(by: deadline)
            stopped.withLock { $0 = true }
            stopped.signal(all: true)
        }
        stopped.wait(until: deadline) { $0 ? true : nil }
        runner.loop.stop()
        runner.loop.join()
    }
}

/// What this host can.
struct HostState: Sendable {
    /// What came of the self-test.
    struct Verdict: Sendable {
        /// What does not hold, in words; empty where everything does.
        var troubles: [String] = []
        /// The probes that held.
        var held: [String] = []
        var enforcements = Enforcements()
        /// The version of Landlock's interface; 0 where the kernel has none.
        var landlock = 0
    }

    /// Nil until the self-test is over.
    var verdict: Verdict?
    var languages: [Language] = []

    /// Whether code is run at all.
    var isTrusted: Bool { verdict?.troubles.isEmpty ?? false }
}
