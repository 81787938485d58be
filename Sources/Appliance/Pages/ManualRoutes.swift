// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP

/// One page of the manual: HTML that packaging/pages.py made of packaging/manual/<name>.md.
struct ManualPage: Sendable {
    let name: String
    let title: String
    let html: String
}

/// The manual, from inside the binary, and the style of every page.
enum ManualRoutes {
    static let all = [index, page, style]

    private static let why = "the manual is the same for every server of this version, and says nothing of this one"

    private static let index = Route(
        .get, "/docs", guard: .public(why: why), summary: "The manual, from its first page"
    ) { _ throws(Failure) in
        var page = Page(title: "Manual", isAt: "/docs")
        page.add(
            "<h1>The manual</h1><p class=\"lead\">Short pages, in the order in which one needs them.</p><ol class=\"pages\">"
        )
        for entry in ManualPages.all {
            page.add("<li><a href=\"/docs/\(entry.name)\">\(HTMLText.escaped(entry.title))</a></li>")
        }
        page.add("</ol>")
        return .html(page)
    }

    private static let page = Route(
        .get, "/docs/{page}", guard: .public(why: why), summary: "A page of the manual"
    ) { exchange throws(Failure) in
        guard let index = ManualPages.all.firstIndex(where: { $0.name == exchange.parameters["page"] }) else {
            throw Failure(.notFound, "the manual has no such page")
        }
        let entry = ManualPages.all[index]
        var page = Page(title: entry.title, isAt: "/docs")
        page.add(entry.html)
        let next = index + 1 < ManualPages.all.count ? ManualPages.all[index + 1] : nil
        if let next {
            page.add("<p class=\"foot\">Next: <a href=\"/docs/\(next.name)\">\(HTMLText.escaped(next.title))</a></p>")
        }
        return .html(page)
    }

    private static let style = Route(
        .get, "/docs/style.css", guard: .public(why: "pages that everybody may read have a style"),
        summary: "The style of the pages"
    ) { _ throws(Failure) in
        .whole(status: 200, contentType: "text/css; charset=utf-8", body: Array(pageStyle.utf8))
    }
}

extension Reply {
    fileprivate static func html(_ page: Page) -> Reply {
        .whole(status: 200, contentType: "text/html; charset=utf-8", body: page.bytes)
    }
}
