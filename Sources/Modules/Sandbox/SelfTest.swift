// SPDX-License-Identifier: Apache-2.0

import Platform

/// The self-test at the start: the keeper is started, and a box tries what a program would. Where anything gives way, nothing
/// is run on this host. On the sandbox's loop.
struct SelfTest {
    /// How long the start waits for it.
    static let time = Duration.seconds(15)

    let runner: Runner
    let settings: SandboxSettings
    let layers: BoxLayers

    func run(_ path: String, _ hello: KeeperLink.Hello, done: @escaping (HostState.Verdict) -> Void) {
        let runner = runner
        runner.onState = { state in
            runner.onState = nil
            switch state {
            case .ready:
                probe { result in
                    switch result {
                    case .success(let verdict): done(verdict)
                    case .failure: done(HostState.Verdict(troubles: ["a box ends without a word"]))
                    }
                }
            case .failed(let step, let cause): done(HostState.Verdict(troubles: [Self.words(step, cause)]))
            case .starting, .stopped: done(HostState.Verdict(troubles: ["the keeper does not start"]))
            }
        }
        runner.start(path, hello)
    }

    /// Tries it in one more box of a keeper that is ready; fails where no box can be begun now.
    func probe(_ done: @escaping (Result<HostState.Verdict, RunRefusal>) -> Void) {
        var limits = settings.standard
        limits.wallMilliseconds = 10_000
        let order = BoxOrder(.probes, limits: limits, layers: layers, collectsFiles: false)
        runner.runOwn(order) { result in
            var verdict = HostState.Verdict()
            verdict.enforcements = runner.enforcements
            verdict.landlock = runner.landlock
            switch result {
            case .success(.ended(let result)): Self.read(result, into: &verdict)
            case .success(.refused(let cause)):
                verdict.troubles.append(Self.words(.group, cause))
            case .success(.lost): verdict.troubles.append("a box ends without a word")
            case .failure(let refusal): return done(.failure(refusal))
            }
            done(.success(verdict))
        }
    }

    private static func read(_ result: RunResult, into verdict: inout HostState.Verdict) {
        guard result.report.end == .itself else {
            verdict.troubles.append(words(result.report.step, Errno(CInt(result.report.errno))))
            return
        }
        for line in String(decoding: result.output, as: UTF8.self).split(separator: "\n") {
            if line.hasPrefix("held ") { verdict.held.append(String(line.dropFirst(5))) }
            if line == "broken \(Probes.landlock)", verdict.landlock == 0 { continue }
            if line.hasPrefix("broken ") { verdict.troubles.append("does not hold: \(line.dropFirst(7))") }
        }
        // One that did not come to speak may have been stopped by what it tried.
        for probe in Probes.all where !verdict.held.contains(probe.name) {
            if probe.name == Probes.landlock, verdict.landlock == 0 { continue }
            let words = "does not hold: \(probe.name)"
            if !verdict.troubles.contains(words) { verdict.troubles.append(words) }
        }
    }

    /// What a host lacks, for whoever runs it.
    static func words(_ step: BoxStep, _ cause: Errno) -> String {
        let hint: String =
            switch step {
            case .identities:
                ": unprivileged user namespaces are off (kernel.unprivileged_userns_clone, user.max_user_namespaces, AppArmor)"
            case .processes, .root: ": mounts in a user namespace are refused (a container that masks /proc, say)"
            case .filter: ": the kernel has no seccomp filters"
            default: ""
            }
        return "\(step.name) cannot be made: \(cause)\(hint)"
    }
}
