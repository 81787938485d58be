// SPDX-License-Identifier: Apache-2.0

/// What `/metrics` answers: Prometheus' text format, version 0.0.4
/// (prometheus.io/docs/instrumenting/exposition_formats/#text-based-format).
///
/// Labels come from closed or bounded sets: names of the configuration and words of the code. No tenant, key, node or person
/// is a label: a scraper's store is not where they belong, and there is no end of them.
package struct MetricsText: Sendable {
    /// Samples of one document. A module that writes more is cut: a scraper must not be what fills the memory.
    package static let samplesMax = 20_000

    package enum Kind: String, Sendable {
        case counter, gauge, histogram
    }

    /// A name and a value.
    package typealias Label = (name: StaticString, value: String)

    package private(set) var bytes: [UInt8] = []
    private var samples = 0

    package init() {}

    /// Begins a family; its samples follow.
    package mutating func family(_ name: StaticString, _ kind: Kind, _ help: StaticString) {
        bytes += Array("# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n".utf8)
    }

    package mutating func sample(_ name: StaticString, _ labels: [Label] = [], _ value: Int) {
        sample("\(name)", labels, String(value))
    }

    /// - Parameter value: a decimal number as text.
    package mutating func sample(_ name: StaticString, _ labels: [Label] = [], decimal value: String) {
        sample("\(name)", labels, value)
    }

    /// The samples of one histogram.
    ///
    /// - Parameter buckets: upper bounds as decimal text, ascending, each with how many values are not above it.
    package mutating func histogram(
        _ name: StaticString, _ labels: [Label], buckets: [(bound: String, count: Int)], sum: String, count: Int
    ) {
        for bucket in buckets { sample("\(name)_bucket", labels + [("le", bucket.bound)], String(bucket.count)) }
        sample("\(name)_bucket", labels + [("le", "+Inf")], String(count))
        sample("\(name)_sum", labels, sum)
        sample("\(name)_count", labels, String(count))
    }

    private mutating func sample(_ name: String, _ labels: [Label], _ value: String) {
        guard samples < Self.samplesMax else { return }
        samples += 1
        bytes += Array(name.utf8)
        if !labels.isEmpty {
            let texts = labels.map { label in "\(label.name)=\"\(Self.escaped(label.value))\"" }
            bytes += Array("{\(texts.joined(separator: ","))}".utf8)
        }
        bytes += Array(" \(value)\n".utf8)
    }

    private static func escaped(_ value: String) -> String {
        var text = ""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\\": text += "\\\\"
            case "\"": text += "\\\""
            case "\n": text += "\\n"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}
