// SPDX-License-Identifier: Apache-2.0
//
// Asks the limiter's table again and again, each time for somebody else, and says what a decision cost:
//
//     requests    a request of a key and its tenant; settled when it is over
//     refusals    the same where the key's limit is reached
//     full        requests where everybody has asked in every granule of a minute: how much memory an account takes at most
//     budgets     a call that is held back from nested budgets of key, tenant, node and person; settled at what it used
//     units       work that is charged for key, tenant, person, address and the whole server; settled at what it came to
//
// Usage: LimiterBench requests|refusals|full|budgets|units BUCKETS ROUNDS. One line of JSON comes out: how many accounts there were,
// how much memory each took, and for each round the nanoseconds of this thread's processor time. `LimiterBench storm ADDRESSES KEYS
// bounded|unbounded` is a minute of the one and the other (Storm.swift).

import Core
import Glibc
import JSON
import Limiter
import Platform
import Support

@main
struct BenchProgram {
    /// Of one round.
    static let decisions = 100_000
    /// Decisions that are under way at once.
    static let batch = 1000

    static func main() {
        do {
            let arguments = CommandLine.arguments
            if arguments.count == 5, arguments[1] == "storm" { return try storm(arguments) }
            guard arguments.count == 4, let buckets = Int(arguments[2]), (1...2_000_000).contains(buckets),
                let rounds = Int(arguments[3]), (1...1000).contains(rounds)
            else { throw BenchError("LimiterBench requests|refusals|full|budgets|units BUCKETS ROUNDS") }
            switch arguments[1] {
            case "requests": try measure(RequestWork(buckets), rounds)
            case "refusals": try measure(RequestWork(buckets, isRefused: true), rounds)
            case "full": try measure(RequestWork(buckets, granules: 121), rounds)
            case "budgets": try measure(BudgetWork(buckets), rounds)
            case "units": try measure(UnitWork(buckets), rounds)
            default: throw BenchError("there is no \(arguments[1])")
            }
        } catch {
            print("LimiterBench: \(error)")
            exit(1)
        }
    }

    private static func storm(_ arguments: [String]) throws {
        guard let addresses = Int(arguments[2]), let keys = Int(arguments[3]), addresses >= 0, keys >= 0,
            (1...10_000_000).contains(addresses + keys), ["bounded", "unbounded"].contains(arguments[4])
        else { throw BenchError("LimiterBench storm ADDRESSES KEYS bounded|unbounded") }
        print(
            JSONValue.object(
                try Storm(addresses: addresses, keys: keys, isBounded: arguments[4] == "bounded").run()))
    }

    private static func measure(_ work: some Work, _ rounds: Int) throws {
        let before = try residentBytes()
        try work.fill()
        let accounts = work.table.count
        let bytes = (try residentBytes() - before) / accounts
        try work.prepare()
        var random = SeededGenerator(1)
        var (decided, settled): ([JSONValue], [JSONValue]) = ([], [])
        // The first round brings everything to where it stays, and counts for nothing.
        for round in 0...rounds {
            var (decide, settle) = (Duration.zero, Duration.zero)
            for _ in 0..<(decisions / batch) {
                let callers = (0..<batch).map { _ in random.below(work.callers) }
                decide += try ProcessorTime.measure { for caller in callers { try work.decide(caller) } }
                settle += ProcessorTime.measure { work.settle() }
            }
            guard round > 0 else { continue }
            decided.append(.int(nanoseconds(decide)))
            settled.append(.int(nanoseconds(settle)))
        }
        guard work.table.count == accounts else { throw BenchError("accounts came or went") }
        print(
            JSONValue.object([
                "accounts": .int(accounts), "bytes": .int(bytes), "decisions": .int(decisions),
                "decide": .array(decided), "settle": .array(settled),
            ]))
    }

    private static func nanoseconds(_ time: Duration) -> Int { Int(time.clampedNanoseconds) }
}

/// What is in memory (proc(5), statm).
func residentBytes() throws -> Int {
    let words = String(decoding: try AtomicFile.read(path: "/proc/self/statm", bytesMax: 4096), as: UTF8.self)
        .split(separator: " ")
    guard words.count > 1, let pages = Int(words[1]) else { throw BenchError("statm: \(words)") }
    return pages * Int(sysconf(Int32(_SC_PAGESIZE)))
}

/// A wrong answer ends the run.
struct BenchError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
