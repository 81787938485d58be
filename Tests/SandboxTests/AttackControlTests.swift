// SPDX-License-Identifier: Apache-2.0

import EventLoop
import JSON
import Platform
import Testing

@testable import Sandbox

/// Attacks of the table whose verdict a program gives itself, in a box without its layers: whether they would be seen if they got
/// through. Those that namespaces and the keeper's root hold alone are tried outside of any box by `test_sandbox.py`.
@Suite(.serialized) struct AttackControlTests {
    private struct Attack {
        let id: String
        let code: String
    }

    private static func attacks() throws -> [Attack] {
        let tests = "/" + #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
        let file = tests + "/Clients/sandbox_cases.json"
        let table = try JSONValue(parsing: AtomicFile.read(path: file, bytesMax: 1 << 20))
        let prelude = try #require(table["prelude"]?.string)
        return try #require(table["cases"]?.array).compactMap { found in
            guard found["kind"]?.string == "verdict", found["language"]?.string == "python",
                let id = found["id"]?.string, let code = found["code"]?.string
            else { return nil }
            return Attack(id: id, code: (found["prelude"]?.bool == true ? prelude : "") + code)
        }
    }

    private func outputs(of attacks: [Attack], _ layers: BoxLayers) throws -> [String: String] {
        try Sandbox.with(layers: layers) { sandbox in
            var said: [String: String] = [:]
            for attack in attacks { said[attack.id] = try output(of: attack, in: sandbox) }
            return said
        }
    }

    private func output(of attack: Attack, in sandbox: Sandbox) throws -> String {
        let runner = try #require(sandbox.running)
        let order = BoxOrder(
            .command(
                path: "/usr/bin/python3", words: ["python3", "main.py"],
                settings: ["PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/work", "LANG=C.UTF-8"]),
            files: [BoxOrder.File(name: Array("main.py".utf8), content: Array(attack.code.utf8))],
            limits: sandbox.settings.standard, layers: sandbox.layers, collectsFiles: false)
        let answer = Monitor<Result<RunOutcome, RunRefusal>?>(nil)
        runner.loop.post {
            runner.runOwn(order) { result in
                answer.withLock { $0 = result }
                answer.signal(all: true)
            }
        }
        let end = Instant.now() + .seconds(60)
        guard case .success(.ended(let result)) = try #require(answer.wait(until: end) { $0 }) else { return "" }
        return String(decoding: result.output, as: UTF8.self)
    }

    /// What the other layers hold, and namespaces and the keeper's root do not. Those that need something of the kernel's which not
    /// every host has (AF_VSOCK, calls of 32 bits) are not among them.
    private static let heldByLayers = ["C02", "C03", "C08", "E01", "E03", "E06", "E07", "F07"]

    @Test func `an attack that gets through says so`() throws {
        let attacks = try Self.attacks().filter { Self.heldByLayers.contains($0.id) }
        #expect(attacks.count == Self.heldByLayers.count)
        for (id, said) in try outputs(of: attacks, []) { #expect(said.contains("ESCAPED"), "\(id): \(said)") }
        for (id, said) in try outputs(of: attacks, .all) {
            #expect(said.contains("BLOCKED") && !said.contains("ESCAPED"), "\(id): \(said)")
        }
    }
}
