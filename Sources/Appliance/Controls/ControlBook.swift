// SPDX-License-Identifier: Apache-2.0

import Core
import JSON
import Platform
import Synchronization

/// What probes have found lately, and what is made of it for whoever asks.
final class ControlBook: Sendable {
    /// How a promise stands.
    enum Standing: Equatable, Sendable {
        /// Seen to hold, so lately that it counts.
        case verified(at: WallTime)
        /// Held by tests of this version.
        case tested
        /// Seen not to hold, or not seen: with the reason, for the operator.
        case unverified(reason: String, at: WallTime?)
        /// What it is about is turned off.
        case absent(section: String)
    }

    struct Entry: Sendable {
        let control: Control
        let standing: Standing
    }

    /// Controls, in their order.
    let controls: [Control]
    /// Sections that are there.
    private let sections: Set<String>
    private let now: @Sendable () -> WallTime
    private let found = Mutex<[String: Found]>([:])
    /// Who tries everything when asked to, while the server serves.
    private let examiner = Mutex<(any ControlExaminer)?>(nil)

    private struct Found: Sendable {
        let result: ProbeResult
        let time: WallTime
    }

    init(
        _ controls: [Control] = Controls.all, sections: Set<String>,
        now: @escaping @Sendable () -> WallTime = WallTime.now
    ) {
        (self.controls, self.sections, self.now) = (controls, sections, now)
    }

    /// Whether there is something to try.
    func isPresent(_ control: Control) -> Bool { control.section.map(sections.contains) ?? true }

    func note(_ result: ProbeResult, of control: Control) {
        let found = Found(result: result, time: now())
        self.found.withLock { $0[control.id] = found }
    }

    /// Controls whose probes are to run again. A clock that was set back does not put it off.
    func due() -> [(control: Control, probe: Control.Probe)] {
        let (time, found) = (now(), found.withLock { $0 })
        return probes.filter { control, _ in
            guard case .live(let interval, _) = control.evidence, let last = found[control.id] else { return true }
            return time - last.time >= interval || time < last.time
        }
    }

    /// All that can be tried.
    var probes: [(control: Control, probe: Control.Probe)] {
        controls.compactMap { control in
            guard isPresent(control), case .live(_, let probe) = control.evidence else { return nil }
            return (control, probe)
        }
    }

    var entries: [Entry] {
        let (time, found) = (now(), found.withLock { $0 })
        return controls.map { Entry(control: $0, standing: standing(of: $0, found[$0.id], time)) }
    }

    private func standing(of control: Control, _ found: Found?, _ time: WallTime) -> Standing {
        if let section = control.section, !sections.contains(section) { return .absent(section: section) }
        guard case .live(let interval, _) = control.evidence else { return .tested }
        guard let found else { return .unverified(reason: "it was not tried yet", at: nil) }
        switch found.result {
        case .failed(let reason): return .unverified(reason: reason, at: found.time)
        case .untried(let reason): return .unverified(reason: reason, at: found.time)
        case .held:
            // What was seen long ago proves nothing of today, and neither does what is to be seen tomorrow.
            let isFresh = found.time <= time + .seconds(60) && time - found.time <= interval * 2
            return isFresh
                ? .verified(at: found.time) : .unverified(reason: "it was not tried lately", at: found.time)
        }
    }

    // MARK: Trying at once

    /// Says who tries everything at once, and that nobody does any more.
    func join(_ examiner: (any ControlExaminer)?) { self.examiner.withLock { $0 = examiner } }

    /// Who tries everything at once; nil where nothing is served.
    var currentExaminer: (any ControlExaminer)? { examiner.withLock { $0 } }
}

/// Tries every control when it is asked to.
protocol ControlExaminer: Sendable {
    /// Asks for a round of everything. From any thread; does not wait.
    ///
    /// - Returns: what `isOver` knows it by.
    func request() -> Int
    func isOver(_ ticket: Int) -> Bool
}
