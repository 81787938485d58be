// SPDX-License-Identifier: Apache-2.0

package import HTTP

/// The query of a request, whose names are known and stand there once each.
package struct Query: Sendable {
    private let items: [QueryItem]

    /// - Throws: `unknown_parameter`, `invalid_parameter` for a name that stands there twice.
    package init(_ exchange: Exchange, known: [String]) throws(Failure) {
        try self.init(exchange.request.head.queryItems, known: known)
    }

    package init(_ items: [QueryItem], known: [String]) throws(Failure) {
        for item in items {
            guard known.contains(item.name) else {
                throw Failure(.unknownParameter, "unknown parameter", param: String(item.name.prefix(64)))
            }
            guard items.count(where: { $0.name == item.name }) == 1 else {
                throw Failure(.invalidParameter, "may be given once", param: item.name)
            }
        }
        self.items = items
    }

    package subscript(_ name: String) -> String? { items.first { $0.name == name }?.value }

    /// A whole number in decimal digits: no sign, no blank.
    package func int(_ name: String, in range: ClosedRange<Int>) throws(Failure) -> Int? {
        guard let text = self[name] else { return nil }
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(text), range.contains(number)
        else {
            throw Failure(
                .invalidParameter, "must be a whole number from \(range.lowerBound) to \(range.upperBound)", param: name
            )
        }
        return number
    }

    /// A text of 1 to `bytesMax` bytes.
    package func string(_ name: String, bytesMax: Int) throws(Failure) -> String? {
        guard let text = self[name] else { return nil }
        guard (1...bytesMax).contains(text.utf8.count) else {
            throw Failure(.invalidParameter, "must have 1 to \(bytesMax) bytes", param: name)
        }
        return text
    }
}
