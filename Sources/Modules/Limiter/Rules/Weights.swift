// SPDX-License-Identifier: Apache-2.0

import Configuration
import Core
import Platform

/// What work costs in units: something for each piece, and something for its size.
struct Weights: Equatable, Sendable {
    /// `call_units`: each call to a model.
    var call = 10
    /// `thousand_token_units`: and each thousand of its model tokens, in and out, begun.
    var thousandTokens = 1
    /// `embedding_units`: each call for vectors; its tokens as above.
    var embedding = 1
    /// `file_units`: each file sent or fetched.
    var file = 5
    /// `megabyte_units`: and each MiB of it, begun.
    var megabyte = 1
    /// `execution_units`: each program that is run.
    var execution = 10
    /// `processor_second_units`: and each second of its processor time, begun.
    var processorSecond = 5

    init() {}

    init(_ section: Section) throws(ConfigurationError) {
        func take(_ key: String, _ standard: Int) throws(ConfigurationError) -> Int {
            try section.takeInt(key, in: 0...1_000_000, default: standard)
        }
        call = try take("call_units", call)
        thousandTokens = try take("thousand_token_units", thousandTokens)
        embedding = try take("embedding_units", embedding)
        file = try take("file_units", file)
        megabyte = try take("megabyte_units", megabyte)
        execution = try take("execution_units", execution)
        processorSecond = try take("processor_second_units", processorSecond)
    }

    /// - Parameter amount: in the unit of its kind (``Work``); what is below zero counts as nothing.
    /// - Returns: at most ``Rate/limitMax``, which no limit exceeds.
    func units(_ work: Work, _ amount: Int) -> Int {
        switch work {
        case .call: call + Self.each(1000, of: amount, thousandTokens)
        case .embedding: embedding + Self.each(1000, of: amount, thousandTokens)
        case .file: file + Self.each(1 << 20, of: amount, megabyte)
        case .execution: execution + Self.each(1000, of: amount, processorSecond)
        }
    }

    private static func each(_ step: Int, of amount: Int, _ weight: Int) -> Int {
        guard amount > 0, weight > 0 else { return 0 }
        let (units, isBeyond) = ((amount - 1) / step + 1).multipliedReportingOverflow(by: weight)
        return isBeyond ? Rate.limitMax : min(units, Rate.limitMax)
    }
}

/// The keys about units that say neither how many nor for whom.
struct UnitSettings: Equatable, Sendable {
    var weights = Weights()
    /// `units_warning`: from how many per cent of a limit on whoever uses it is warned.
    var warningPercent = 80
    /// `units_delay`: from how many on work is begun later; 100 for never.
    var delayPercent = 90
    /// `units_delay_max`: how much later at the very end of a limit.
    var delayMax = Duration.seconds(5)

    init() {}

    init(_ section: Section) throws(ConfigurationError) {
        weights = try Weights(section)
        warningPercent = try section.takeInt("units_warning", in: 1...100, default: warningPercent)
        delayPercent = try section.takeInt("units_delay", in: 1...100, default: delayPercent)
        delayMax = try section.takeDuration(
            "units_delay_max", in: .milliseconds(1) ... .seconds(60), default: delayMax)
    }

    /// How much later work is begun by somebody of whose limit so much is used; `nil` for at once. It grows evenly, so that
    /// who goes on as before comes to the end later and later.
    func delay(used: Int, of limit: Int) -> Duration? {
        let share = Double(used) / Double(max(limit, 1)) * 100
        guard delayPercent < 100, share > Double(delayPercent) else { return nil }
        let part = min((share - Double(delayPercent)) / Double(100 - delayPercent), 1)
        return .milliseconds(max(1, Int64(Double(delayMax.clampedMilliseconds) * part)))
    }
}
