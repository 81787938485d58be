// SPDX-License-Identifier: Apache-2.0

package import Core
import EventLoop
package import JSON
import Platform

/// What `gatehouse sandbox check|run|languages` asks of a sandbox that serves nobody.
extension Sandbox {
    /// What the self-test found.
    package struct Inspection: Sendable {
        /// Probes that held, and what does not hold, in words.
        package var held: [String]
        package var troubles: [String]
        /// How memory, processes and processor time are held: `cgroup1`, `cgroup2` or `partial`.
        package var enforcement: [(limit: String, by: String)]
        /// The version of Landlock's interface; 0 where the kernel has none.
        package var landlock: Int
    }

    /// After `start`.
    package var inspection: Inspection {
        Self.inspection(state.verdict ?? HostState.Verdict(troubles: ["the sandbox was not started"]))
    }

    /// What a box of now finds, tried anew in the sandbox that serves; nil where none can be begun now. On a thread that may
    /// block, for some seconds at most.
    package func examine() -> Inspection? {
        guard let runner = running else { return nil }
        let answer = Monitor<Result<HostState.Verdict, RunRefusal>?>(nil)
        let test = SelfTest(runner: runner, settings: settings, layers: layers)
        runner.loop.post {
            test.probe { result in
                answer.withLock { $0 = result }
                answer.signal(all: true)
            }
        }
        guard case .success(let verdict)? = answer.wait(until: .now() + SelfTest.time, { $0 }) else { return nil }
        return Self.inspection(verdict)
    }

    private static func inspection(_ verdict: HostState.Verdict) -> Inspection {
        Inspection(
            held: verdict.held, troubles: verdict.troubles,
            enforcement: [
                ("memory", verdict.enforcements.memory.name), ("processes", verdict.enforcements.processes.name),
                ("cpu", verdict.enforcements.cpu.name),
            ],
            landlock: verdict.landlock)
    }

    /// The languages with what is known of them. Waits until each was asked for its version, up to some seconds.
    package func languagesBlocking() -> [(name: String, version: String?, command: String, file: String)] {
        let deadline = Instant.now() + .seconds(10)
        while state.languages.contains(where: { $0.version == nil }), Instant.now() < deadline { pause() }
        return state.languages.map { ($0.name, $0.version, $0.command, $0.file) }
    }

    /// Runs a program as a request would. On a thread that may block.
    ///
    /// - Parameter language: nil for the one whose files end like this one's.
    package func runBlocking(
        code: [UInt8], named file: String, language: String?, arguments: [String], input: [UInt8]
    ) throws(Failure) -> JSONObject {
        let ending = file.split(separator: ".").last.map(String.init) ?? ""
        guard
            let found = state.languages.first(where: { known in
                language.map { $0 == known.name } ?? known.file.hasSuffix("." + ending)
            })
        else { throw Failure(.invalidParameter, "there is no such language here", param: "language") }
        guard let runner = running else { throw Failure(RunRefusal.unable) }
        let main = BoxOrder.File(name: Array(found.file.utf8), content: code)
        let order = BoxOrder(
            found.program(file: found.file, arguments: arguments, cpus: max(1, settings.cpuHundredths / 100)),
            files: [main], limits: settings.standard, layers: layers)
        let answer = Monitor<Result<RunOutcome, RunRefusal>?>(nil)
        runner.loop.post {
            runner.runOwn(order, input: input) { result in
                answer.withLock { $0 = result }
                answer.signal(all: true)
            }
        }
        switch answer.wait({ $0 }) {
        case .success(.ended(let result)):
            return ExecutionAnswer(
                id: "exe_here", result: result, queued: .zero, order: order,
                enforcements: state.verdict?.enforcements ?? Enforcements()
            ).json
        case .success(.refused(let cause)): throw Failure(.internal, "the run could not be begun: \(cause)")
        case .success(.lost): throw Failure(RunRefusal.restarting)
        case .failure(let refusal): throw Failure(refusal)
        }
    }

    private func pause() {
        let never = Monitor(false)
        never.wait(until: .now() + .milliseconds(20)) { $0 ? true : nil }
    }
}
