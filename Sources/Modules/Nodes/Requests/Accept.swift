// SPDX-License-Identifier: Apache-2.0

import Bytes
import HTTP

/// Which media types a client takes, and how gladly (RFC 9110 §12.5.1).
struct Accept: Sendable {
    /// Ranges that are read; whoever names more has said enough.
    private static let rangesMax = 32

    /// Weights are in thousandths.
    private var ranges: [(range: String, weight: Int)] = []

    init(_ head: RequestHead) {
        self.init(head.fields.all("accept"))
    }

    init(_ lines: [String]) {
        for element in lines.joined(separator: ",").split(separator: ",").prefix(Self.rangesMax) {
            guard let parsed = HeaderParameters(String(element)) else { continue }
            ranges.append((parsed.value, parsed["q"].map(Self.weight) ?? 1_000))
        }
    }

    /// The one that the client likes best; among equals the first, and the first too where it takes none or says nothing: an
    /// answer of another type is of more use than none.
    func best(of offered: [String]) -> String {
        var best = (type: offered.first ?? "", weight: 0)
        for type in offered where weight(of: type) > best.weight { best = (type, weight(of: type)) }
        return best.type
    }

    /// The most exact range decides (§12.5.1).
    private func weight(of type: String) -> Int {
        let group = type.prefix { $0 != "/" } + "/*"
        for range in [type, String(group), "*/*"] {
            if let found = ranges.first(where: { $0.range == range }) { return found.weight }
        }
        return 0
    }

    /// `0.5` is 500; what is no weight is 0.
    private static func weight(_ text: String) -> Int {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard let whole = parts.first.flatMap({ Int($0) }), (0...1).contains(whole), parts.count <= 2 else { return 0 }
        let digits = parts.count == 2 ? parts[1].prefix(3) : ""
        guard let fraction = Int(digits + String(repeating: "0", count: 3 - digits.count)), fraction >= 0 else {
            return 0
        }
        return min(1_000, whole * 1_000 + fraction)
    }
}
