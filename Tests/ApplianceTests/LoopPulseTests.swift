// SPDX-License-Identifier: Apache-2.0

import EventLoop
import Platform
import Support
import Testing

@testable import Appliance

struct LoopPulseTests {
    @Test func `a loop that does not turn is noticed, and noticed to turn again`() throws {
        let turns = try EventLoop(name: "turns")
        let hangs = try EventLoop(name: "hangs")
        try turns.start()
        try hangs.start()
        defer {
            for loop in [turns, hangs] {
                loop.stop()
                loop.join()
            }
        }
        let pulse = LoopPulse(of: [turns, hangs])
        let gate = Monitor(false)
        #expect(pulse.beat())
        #expect(eventually { pulse.beat() })
        let isHeld = Monitor(false)
        hangs.post {
            isHeld.withLock { $0 = true }
            isHeld.signal()
            _ = gate.wait { $0 ? true : nil }
        }
        _ = isHeld.wait { $0 ? true : nil }
        // What was asked before that is answered; what is asked now is not.
        #expect(eventually { pulse.beat() })
        for _ in 0..<20 { #expect(!pulse.beat()) }
        gate.withLock { $0 = true }
        gate.signal()
        #expect(eventually { pulse.beat() })
    }

    private func eventually(_ condition: () -> Bool) -> Bool {
        let end = Instant.now() + .seconds(10)
        while Instant.now() < end { if condition() { return true } }
        return false
    }
}
