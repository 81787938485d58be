// SPDX-License-Identifier: Apache-2.0

package import Platform

/// Writes structured lines: what happened, and fields with the particulars.
///
/// A value that may be copied anywhere and used on any thread. A line below the level costs one atomic read: message and
/// fields are not even made. Above it the caller pays for a place in a bounded queue; formatting, redaction and writing
/// happen on the sink's own thread. Nothing here waits for anybody.
///
///     log.info("listening", ["address": .string(address), "tls": .bool(true)])
package struct Logger: Sendable {
    /// How much a line matters, from the least.
    package enum Level: String, CaseIterable, Comparable, Sendable {
        /// For who looks for a fault in Gatehouse itself.
        case debug
        /// The ordinary course: one line an exchange.
        case info
        /// What an operator may want to know: start, stop, reload, a failing upstream.
        case notice
        /// What an operator should look into.
        case warning
        /// What does not work.
        case error

        package static func < (left: Level, right: Level) -> Bool { left.rank < right.rank }

        var rank: UInt8 {
            switch self {
            case .debug: 0
            case .info: 1
            case .notice: 2
            case .warning: 3
            case .error: 4
            }
        }
    }

    /// The value of a field.
    package enum Value: Equatable, Sendable {
        case string(String)
        case int(Int)
        case double(Double)
        case bool(Bool)
        /// Where somebody calls from; shortened to its network unless the sink is told otherwise.
        case peer(IPAddress)
    }

    /// Fields in the order in which they were written down.
    package struct Fields: ExpressibleByDictionaryLiteral, Sendable {
        package private(set) var pairs: [(name: String, value: Value)]

        package init(dictionaryLiteral elements: (String, Value)...) {
            pairs = elements.map { (name: $0.0, value: $0.1) }
        }

        package mutating func append(_ name: String, _ value: Value) { pairs.append((name, value)) }
    }

    private let sink: LogSink?

    /// A logger that writes to `sink`.
    package init(_ sink: LogSink) { self.sink = sink }

    private init() { sink = nil }

    /// A logger that writes nowhere.
    package static let disabled = Logger()

    /// The secrets that no line will show.
    package var secrets: SecretRegistry? { sink?.secrets }

    /// True where a line of this level would be written.
    package func isEnabled(_ level: Level) -> Bool { sink?.isEnabled(level) ?? false }

    package func debug(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> Fields = [:]) {
        write(.debug, message, fields)
    }

    package func info(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> Fields = [:]) {
        write(.info, message, fields)
    }

    package func notice(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> Fields = [:]) {
        write(.notice, message, fields)
    }

    package func warning(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> Fields = [:]) {
        write(.warning, message, fields)
    }

    package func error(_ message: @autoclosure () -> String, _ fields: @autoclosure () -> Fields = [:]) {
        write(.error, message, fields)
    }

    private func write(_ level: Level, _ message: () -> String, _ fields: () -> Fields) {
        guard let sink, sink.isEnabled(level) else { return }
        sink.append(LogLine(level: level, time: .now(), message: message(), fields: fields()))
    }
}
