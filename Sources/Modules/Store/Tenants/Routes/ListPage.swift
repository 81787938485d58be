// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON

/// Which part of an operator's list is wanted: `?limit=` and `&after=`.
struct ListPage {
    static let limitMax = 100
    private static let limitStandard = 20

    private var limit = Self.limitStandard
    /// What the last page ended with.
    private var after: String?

    init(_ exchange: Exchange) throws(Failure) {
        for item in exchange.request.head.queryItems {
            switch item.name {
            case "limit":
                guard let number = Int(item.value), (1...Self.limitMax).contains(number) else {
                    throw Failure(
                        .invalidParameter, "must be a whole number from 1 to \(Self.limitMax)", param: "limit")
                }
                limit = number
            case "after": after = item.value
            default: throw Failure(.unknownParameter, "unknown parameter", param: String(item.name.prefix(64)))
            }
        }
    }

    /// The page of a list that is sorted by `key`, and whether there is more.
    func cut<Element>(_ sorted: [Element], by key: (Element) -> String) -> (part: [Element], hasMore: Bool) {
        var rest = sorted[...]
        if let after { rest = rest.drop { key($0) <= after } }
        return (Array(rest.prefix(limit)), rest.count > limit)
    }

    static func json(_ data: [JSONValue], next: String?) -> Reply {
        .json([
            "object": "list", "data": .array(data), "has_more": .bool(next != nil),
            "next_cursor": next.map(JSONValue.string) ?? .null,
        ])
    }
}
