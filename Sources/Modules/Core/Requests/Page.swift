// SPDX-License-Identifier: Apache-2.0

package import JSON

/// Which part of a list is wanted.
///
/// A cursor is a place and no count, so that a list stays whole while things are added and removed: what stood behind the
/// cursor stands behind it still, and the thing it was made from need not be there any more.
package struct Page: Sendable {
    /// What a page has where nothing is said, and at most.
    package static let limitStandard = 20
    package static let limitMax = 100
    package static let cursorBytesMax = 64
    /// Bytes of content in one page: it ends early rather than hold a hundred of the largest.
    package static let bytesMax = 4 << 20

    package enum Order: String, CaseIterable, Sendable {
        case ascending = "asc"
        case descending = "desc"
    }

    /// 1…``limitMax``, or what the list allows.
    package var limit = Page.limitStandard
    /// The last thing of the page before, as its list writes it.
    package var after: String?
    package var order = Order.descending

    /// The names in a query that this takes.
    package static let names = ["limit", "after", "order"]

    package init(limit: Int = Page.limitStandard, after: String? = nil, order: Order = .descending) {
        self.limit = limit
        self.after = after
        self.order = order
    }

    /// - Throws: `invalid_parameter`.
    package init(_ query: Query, order standard: Order = .descending, limitMax: Int = Page.limitMax) throws(Failure) {
        order = standard
        if let number = try query.int("limit", in: 1...limitMax) { limit = number }
        if let text = query["order"] {
            guard let choice = Order(rawValue: text) else {
                throw Failure(.invalidParameter, "must be \"asc\" or \"desc\"", param: "order")
            }
            order = choice
        }
        after = try query.string("after", bytesMax: Self.cursorBytesMax)
    }

    /// What an id must lie behind: the cursor, or what lies before every id. Always a bound, so that SQLite begins at it and
    /// does not count its way there.
    package var idBound: String { after ?? (order == .ascending ? "" : "~") }

    /// The same for lists in which places are counted.
    package func placeBound() throws(Failure) -> Int {
        guard let after else { return order == .ascending ? -1 : .max }
        guard let number = Int(after), number >= 0 else {
            throw Failure(.invalidParameter, "is no cursor of this list", param: "after")
        }
        return number
    }

    /// SQL for things in the order of a column: a condition whose `?1` is the bound, and the order.
    package func sql(_ column: StaticString) -> (condition: String, order: String) {
        let isAscending = order == .ascending
        return ("\(column) \(isAscending ? ">" : "<") ?1", "ORDER BY \(column) \(isAscending ? "ASC" : "DESC")")
    }
}

/// A part of a list, and whether there is more.
package struct Slice<Element: Sendable>: Sendable {
    package let elements: [Element]
    package let hasMore: Bool

    package init(_ elements: [Element], hasMore: Bool) {
        self.elements = elements
        self.hasMore = hasMore
    }

    /// - Parameter found: at most one element more than the page wants; the one more tells that there are others.
    package init(_ found: [Element], of page: Page) {
        elements = Array(found.prefix(page.limit))
        hasMore = found.count > page.limit
    }

    /// The same, ended early where its elements are large; it has one at least.
    ///
    /// - Parameter bytes: how large an element is.
    package init(_ found: [Element], of page: Page, bytes: (Element) -> Int) {
        var count = 0
        var total = 0
        while count < min(found.count, page.limit) {
            total += bytes(found[count])
            guard count == 0 || total <= Page.bytesMax else { break }
            count += 1
        }
        elements = Array(found.prefix(count))
        hasMore = found.count > count
    }

    /// - Parameter cursor: where a thing stands, as ``Page/after`` takes it.
    package func json(cursor: (Element) -> String, _ body: (Element) -> JSONObject) -> JSONObject {
        [
            "object": "list",
            "data": .array(elements.map { .object(body($0)) }),
            "has_more": .bool(hasMore),
            "next_cursor": hasMore ? elements.last.map { .string(cursor($0)) } ?? .null : .null,
        ]
    }
}
