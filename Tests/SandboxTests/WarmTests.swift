// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Sandbox

/// Which runs an interpreter that waits may have.
struct WarmTests {
    private let python = Language(name: "python", command: "/usr/bin/python3", file: "main.py")
    private let standard = BoxLimits(
        wallMilliseconds: 10_000, cpuMilliseconds: 10_000, memoryBytes: 256 << 20, processes: 64, outputBytes: 1 << 20,
        diskBytes: 64 << 20)

    private func order(_ change: (inout BoxOrder) -> Void = { _ in }) -> BoxOrder {
        var order = BoxOrder(
            python.program(file: "main.py", arguments: ["a"], cpus: 1),
            files: [BoxOrder.File(name: Array("main.py".utf8), content: Array("print(1)".utf8))], limits: standard)
        change(&order)
        return order
    }

    private func canRun(_ order: BoxOrder) -> Bool {
        WarmInterpreter.canRun(order, python, cpus: 1, standard: standard)
    }

    @Test func `takes what has the same limits, whatever its time and output`() {
        #expect(canRun(order()))
        #expect(
            canRun(
                order { order in
                    order.limits.wallMilliseconds = 1
                    order.limits.cpuMilliseconds = 60_000
                    order.limits.outputBytes = 7
                    order.keepsAll = true
                }))
    }

    @Test func `takes nothing with another limit`() {
        let fields: [WritableKeyPath<BoxLimits, Int>] = [
            \.memoryBytes, \.processes, \.diskBytes, \.inodes, \.descriptors, \.filesMax, \.fileBytesMax,
        ]
        for field in fields {
            #expect(!canRun(order { $0.limits[keyPath: field] -= 1 }))
            #expect(!canRun(order { $0.limits[keyPath: field] += 1 }))
        }
    }

    @Test func `takes no other program`() {
        let node = Language(name: "node", command: "/usr/bin/node", file: "main.js")
        #expect(!canRun(order { $0.program = node.program(file: "main.js", arguments: [], cpus: 1) }))
        #expect(!canRun(order { $0.program = .probes }))
        #expect(!canRun(order { $0.program = python.program(file: "_main.py", arguments: [], cpus: 1) }))
        #expect(!canRun(order { $0.program = python.program(file: "main.py", arguments: [], cpus: 2) }))
        #expect(!canRun(order { $0.files[0].name = Array("_main.py".utf8) }))
        #expect(!canRun(order { $0.files = [] }))
        #expect(!canRun(order { $0.collectsFiles = false }))
    }

    @Test func `takes no more files than there is surely room for`() {
        func file(_ name: String, _ bytes: Int) -> BoxOrder.File {
            BoxOrder.File(name: Array(name.utf8), content: [UInt8](repeating: 0, count: bytes))
        }
        #expect(canRun(order { $0.files.append(file("a", 16 << 20)) }))
        #expect(!canRun(order { $0.files.append(file("a", 33 << 20)) }))
        #expect(!canRun(order { order in for index in 0..<600 { order.files.append(file("f\(index)", 1)) } }))
        #expect(!canRun(order { $0.files.append(file(".local/lib/python3.11/site-packages/a.py", 1)) }))
    }

    @Test func `an order that waits says so on its way`() throws {
        let waiting = try #require(
            WarmInterpreter.order(python, cpus: 1, modules: ["numpy"], limits: standard, layers: .all))
        #expect(waiting.waits)
        #expect(try BoxOrder(decoding: waiting.encoded) == waiting)
        #expect(try !BoxOrder(decoding: order().encoded).waits)
    }
}
