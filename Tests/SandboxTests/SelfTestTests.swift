// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Sandbox

/// The self-test at the start, in real boxes: it holds for what is delivered, and finds each layer that is left out.
@Suite(.serialized) struct SelfTestTests {
    private func verdict(_ layers: BoxLayers, usesGroups: Bool = true) throws -> HostState.Verdict {
        try Sandbox.with(layers: layers, usesGroups: usesGroups) { try #require($0.state.verdict) }
    }

    @Test func `everything holds on this host`() throws {
        let found = try verdict(.all)
        #expect(found.troubles == [])
        // One that the kernel may not have; the answer says which version it has.
        #expect(found.held.count == Probes.all.count - (found.landlock > 0 ? 0 : 1))
    }

    @Test func `without control groups the isolation holds and the limits are called partial`() throws {
        let found = try verdict(.all, usesGroups: false)
        #expect(found.troubles == [])
        #expect(found.enforcements == Enforcements())
    }

    @Test(arguments: [
        (BoxLayers.network, "network namespace"), (.processes, "process namespace"), (.capabilities, "capabilities"),
        (.filter, "system call filter"), (.resources, "resource limits"), (.landlock, "Landlock"),
    ])
    func `a box without one of its layers is found out`(layer: BoxLayers, probe: String) throws {
        let found = try verdict(BoxLayers.all.subtracting(layer))
        if layer == .landlock, found.landlock == 0 { return }
        #expect(found.troubles.contains { $0.contains(probe) }, "\(found.troubles)")
    }

    @Test func `a keeper that is no keeper is a reason not to serve`() throws {
        try Sandbox.with(keeper: "/nonexistent") { #expect($0.state.verdict?.troubles.isEmpty == false) }
    }

    /// In production limits that are only looked after are not enough, unless the file says so.
    @Test(arguments: [("", false), ("allow_partial = true\n", true)])
    func `production refuses limits that are held in part`(text: String, serves: Bool) throws {
        let head = """
            mode = "production"
            [http]
            hosts = ["a.example"]
            tls = { certificate = "/c", key = "/k" }
            [sandbox]

            """
        try Sandbox.with(head + text, usesGroups: false) { sandbox in
            #expect(sandbox.state.isTrusted == serves)
            #expect(sandbox.runsCode == serves)
        }
    }
}
