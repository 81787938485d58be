// SPDX-License-Identifier: Apache-2.0

import Core
import EventLoop
import HTTP
import JSON
import Platform

/// What the house says of its promises: to everybody what holds, to the operator also why something does not.
struct ControlRoutes {
    let book: ControlBook
    /// What is stored, for the public page.
    let inventory: @Sendable () -> [StoredTable]

    var all: [Route] { [page, document, list, check] }

    private static let why = "what this server promises, and what of it was seen to hold, is for everybody to read"

    private var page: Route {
        Route(
            .get, "/security", guard: .public(why: Self.why),
            summary: "What this server promises, and what was seen to hold"
        ) {
            [book, inventory] exchange throws(Failure) in
            Self.wantsJSON(exchange.request.head.fields["accept"])
                ? .json(SecurityReport(book.entries, inventory()).publicJSON)
                : .whole(
                    status: 200, contentType: "text/html; charset=utf-8",
                    body: SecurityReport(book.entries, inventory()).html)
        }
    }

    private var document: Route {
        Route(.get, "/security.json", guard: .public(why: Self.why), summary: "The same as JSON") {
            [book, inventory] _ throws(Failure) in
            .json(SecurityReport(book.entries, inventory()).publicJSON)
        }
    }

    private var list: Route {
        Route(.get, "/admin/v1/controls", guard: .operator, summary: "Every promise, how it stands, and why") {
            [book] _ throws(Failure) in
            .json(SecurityReport(book.entries, []).operatorJSON)
        }
    }

    private var check: Route {
        Route(
            .post, "/admin/v1/controls/check", guard: .operator,
            summary: "Try every promise now, and wait for what comes of it"
        ) { [book] exchange async throws(Failure) in
            guard let examiner = book.currentExaminer else {
                throw Failure(.draining, "this server does not serve, so nothing can be tried")
            }
            let ticket = examiner.request()
            let loop = exchange.request.loop
            let deadline = Instant.now() + Self.patience
            while !examiner.isOver(ticket), Instant.now() < deadline { await loop.sleep(Self.step) }
            return .json(SecurityReport(book.entries, []).operatorJSON)
        }
    }

    /// Longer than a round of all probes takes on a slow machine.
    private static let patience = Duration.seconds(300)
    private static let step = Duration.milliseconds(50)

    /// Whether JSON is named, and HTML is not named before it: programs say what they want, browsers say `text/html` first.
    static func wantsJSON(_ accept: String?) -> Bool {
        guard let accept else { return false }
        for range in accept.split(separator: ",") {
            let type = range.prefix { $0 != ";" }.filter { $0 != " " && $0 != "\t" }.lowercased()
            if type == "text/html" { return false }
            if type == "application/json" { return true }
        }
        return false
    }
}
