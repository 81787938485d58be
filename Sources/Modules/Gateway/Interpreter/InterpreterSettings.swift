// SPDX-License-Identifier: Apache-2.0

import Configuration

/// Caps on what the model may do with a code interpreter within one answer.
struct InterpreterSettings: Equatable, Sendable {
    /// `interpreter_rounds`: calls to the model, the last of which may run nothing more.
    let rounds: Int
    /// `interpreter_time`: from the first call on; then nothing more is run.
    let time: Duration
    /// `interpreter_cost`: nano-dollars of the model's calls, at which nothing more is run; nil for no cap of its own.
    let cost: Int64?
    /// Programs of one turn of the model.
    static let callsMax = 4
    /// Bytes of one program.
    static let codeBytesMax = 256 << 10

    init(rounds: Int, time: Duration, cost: Int64?) {
        (self.rounds, self.time, self.cost) = (rounds, time, cost)
    }

    init(_ section: Section) throws(ConfigurationError) {
        rounds = try section.takeInt("interpreter_rounds", in: 2...32, default: 6)
        time = try section.takeDuration(
            "interpreter_time", in: .seconds(1)...(.seconds(3600)), default: .seconds(120))
        cost = try section.takeOptionalMoney("interpreter_cost")
    }
}
