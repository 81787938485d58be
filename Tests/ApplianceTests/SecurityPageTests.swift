// SPDX-License-Identifier: Apache-2.0

import Core
import HTTP
import JSON
import Platform
import Synchronization
import Testing

@testable import Appliance

/// What everybody sees of the promises, and what the operator does.
@Suite(.serialized) struct SecurityPageTests {
    private static let hostile = "<script>alert(\"x\")</script> & 'y'"
    private static let controls = [
        Control("D1", .data, "Holds.", .live(every: .seconds(900)) { _ in .held }),
        Control(
            "D2", .data, "Breaks.", .live(every: .seconds(900)) { _ in .failed("the door of /secret/place is open") }),
        Control("D3", .data, "\(hostile).", .tests(["a::b"])),
        Control("D4", .data, "Is off.", in: "playground", .tests(["a::c"])),
    ]

    private func house() throws -> House { try House(controls: Self.controls) }

    @Test func `the page has no script, a policy that forbids any, and nothing that a text could break`() throws {
        let answer = try house().call(.get, "/security")
        let page = String(decoding: answer.body, as: UTF8.self)
        #expect(answer.status == 200 && answer.fields["content-type"] == "text/html; charset=utf-8")
        #expect(answer.fields.all("content-security-policy").count == 1)
        let policy = try #require(answer.fields["content-security-policy"])
        #expect(policy.hasPrefix("default-src 'none'; style-src 'self';") && !policy.contains("unsafe"))
        #expect(!page.contains("<script") && !page.contains(" style=") && !page.contains("javascript:"))
        #expect(page.contains("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; &#39;y&#39;"))
        // Another answer keeps the policy of an interface.
        let other = try house().call(.get, "/livez")
        #expect(other.fields["content-security-policy"]?.contains("style-src") == false)
    }

    @Test func `everybody learns what holds, and the operator why something does not`() throws {
        let house = try house()
        let socket = AdminClient(socketPath: try #require(house.socketPath))
        func statuses(_ value: JSONValue?) -> [String] {
            (value?["controls"]?.array ?? value?["data"]?.array ?? []).compactMap { $0["status"]?.string }
        }
        // Before anything was tried nothing live is said to hold.
        #expect(
            statuses(try house.call(.get, "/security.json").json) == [
                "not_verified_now", "not_verified_now", "verified",
            ])
        let checked = try socket.call(.post, "/admin/v1/controls/check")
        #expect(statuses(checked) == ["verified", "not_verified_now", "tested", "off"])
        let known = try socket.call(.get, "/admin/v1/controls")
        #expect(statuses(known) == statuses(checked))
        #expect(known["data"]?[1]?["reason"]?.string == "the door of /secret/place is open")

        let seen = try house.call(.get, "/security.json")
        #expect(statuses(seen.json) == ["verified", "not_verified_now", "verified"])
        let page = try house.call(.get, "/security")
        for answer in [seen, page] {
            let text = String(decoding: answer.body, as: UTF8.self)
            #expect(!text.contains("secret/place") && !text.contains(house.facts.dataDirectory))
            #expect(!text.contains("a::b") && !text.contains("playground"))
        }
        #expect(String(decoding: page.body, as: UTF8.self).contains("Not verified now"))
        // Neither is for somebody with a key.
        #expect(try house.call(.get, "/admin/v1/controls", key: house.key).status == 403)
        #expect(try house.call(.post, "/admin/v1/controls/check", key: house.key, body: "{}").status == 403)
    }

    @Test(arguments: [
        ("application/json", true), ("text/html,application/xhtml+xml,*/*;q=0.8", false), ("*/*", false),
        ("application/json, text/html", true), ("text/html, application/json", false),
        ("Application/JSON ; q=1", true), ("", false),
    ])
    func `JSON is given to whoever names it first`(_ accept: String, _ isJSON: Bool) throws {
        #expect(ControlRoutes.wantsJSON(accept) == isJSON)
    }

    @Test func `what is stored is listed table by table`() throws {
        let house = try House()
        let stored = try #require(try house.call(.get, "/security.json").json?["stored"]?.array)
        #expect(stored.count > 20)
        #expect(stored.contains { $0["table"]?.string == "auth_keys" && $0["columns"]?.array?.isEmpty == false })
    }

    @Test func `what was seen long ago, or will be seen tomorrow, counts for nothing`() {
        let time = Mutex(WallTime(seconds: 1_800_000_000))
        let book = ControlBook([Self.controls[0]], sections: [], now: { time.withLock { $0 } })
        func holds() -> Bool { book.entries[0].standing.holds }
        #expect(!holds() && book.due().count == 1)
        book.note(.held, of: Self.controls[0])
        #expect(holds() && book.due().isEmpty)
        time.withLock { $0 = $0 + .seconds(901) }
        #expect(holds() && book.due().count == 1)
        time.withLock { $0 = $0 + .seconds(1000) }
        #expect(!holds())
        time.withLock { $0 = $0 - .seconds(4000) }
        #expect(!holds() && book.due().count == 1)
        book.note(.failed("x"), of: Self.controls[0])
        #expect(!holds())
        book.note(.untried("x"), of: Self.controls[0])
        #expect(!holds())
    }

    /// Pages are of the same make: no script, and the style from here.
    @Test func `every page of the manual is served and led to`() throws {
        let house = try House()
        let index = String(decoding: try house.call(.get, "/docs").body, as: UTF8.self)
        #expect(ManualPages.all.count >= 10)
        for page in ManualPages.all {
            #expect(index.contains("/docs/\(page.name)\""))
            let answer = try house.call(.get, "/docs/\(page.name)")
            let text = String(decoding: answer.body, as: UTF8.self)
            #expect(answer.status == 200 && text.contains("<h1>") && !text.contains("<script"), "\(page.name)")
        }
        #expect(try house.call(.get, "/docs/style.css").fields["content-type"] == "text/css; charset=utf-8")
        let missing = try house.call(.get, "/docs/%3Cscript%3E")
        #expect(missing.status == 404 && !String(decoding: missing.body, as: UTF8.self).contains("script"))
    }
}
