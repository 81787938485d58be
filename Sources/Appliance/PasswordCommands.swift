// SPDX-License-Identifier: Apache-2.0

import Arguments
import Auth
import JSON

/// `gatehouse passwords import`. It touches no server.
struct PasswordCommands {
    private let invocation: Invocation

    init(_ invocation: Invocation) { self.invocation = invocation }

    /// Steps between two words about how far it is.
    private static let partsOfProgress = 20

    func importRanges() throws(CommandFailure) {
        let least = invocation.string("least-count") ?? "1"
        guard let leastCount = UInt32(least), leastCount > 0 else {
            throw CommandFailure("\"\(least)\" is no number above 0", exitCode: 2)
        }
        let work = LeakedRangesImport(
            folder: invocation.operand("folder") ?? "", target: invocation.operand("file") ?? "", leastCount: leastCount
        )
        var shown = -1
        do throws(LeakedRangesFailure) {
            let summary = try work.run { done, all in
                let part = done * Self.partsOfProgress / all
                guard part > shown else { return }
                shown = part
                Terminal.complain("gatehouse: \(done * 100 / all) % of \(all) ranges")
            }
            show(summary)
        } catch {
            throw Self.failure(error)
        }
    }

    private func show(_ summary: LeakedRangesImport.Summary) {
        guard invocation.has("json") else {
            return Terminal.print("\(summary.passwords) passwords of \(summary.ranges) ranges")
        }
        let value: JSONValue = [
            "object": "passwords.import", "ranges": .int(summary.ranges), "passwords": .int(summary.passwords),
        ]
        Terminal.print(String(decoding: value.serialized(), as: UTF8.self))
    }

    private static func failure(_ failure: LeakedRangesFailure) -> CommandFailure {
        switch failure {
        case .notWhole(let path): CommandFailure("\(path) is no file of leaked passwords, or not whole")
        case .missing(let range):
            CommandFailure(
                "the range \(range) is not in the folder",
                hint: "download it, and run the same command again: it goes on")
        case .damaged(let range, let line):
            CommandFailure(
                line == 0 ? "the range \(range) is empty" : "line \(line) of the range \(range) is no SUFFIX:COUNT",
                hint: "download it again, and run the same command again: it goes on")
        case .begun(let path):
            CommandFailure(
                "\(path) was begun otherwise, or another import is at it",
                hint: "delete it to begin anew")
        case .system(let path, let cause): CommandFailure("\(path): \(cause)")
        }
    }
}
