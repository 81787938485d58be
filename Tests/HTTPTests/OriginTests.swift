// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import HTTP

@Suite struct OriginTests {
    @Test(arguments: [
        ("https://API.example.com", "https://api.example.com"),
        ("https://api.example.com/", "https://api.example.com"),
        ("http://127.0.0.1:4000", "http://127.0.0.1:4000"),
        ("http://[::1]:80/", "http://[::1]"),
        ("HTTPS://a:443", "https://a"),
        ("https://a:80", "https://a:80"),
    ])
    func `reads`(_ url: String, _ origin: String) {
        #expect(Origin(url)?.description == origin)
        #expect(Origin(origin) == Origin(url))
    }

    @Test(arguments: [
        "", "a", "//a", "/", "http://", "https://a/v1", "ftp://a", "https:a", "https://", "https:///v1",
        "https://u:p@a", "https://a:0",
        "https://a:65536",
        "https://a:b", "https://a/v1?x", "https://a/v1#x", "https://a?x", "https://a/%2e", "https://a/../b",
        "https://a/b//c",
        "https://a//", "https://a b", "https://a\r\n", "https://é", "https://[::1", "https://a/b\\c", "https://a%00b",
    ])
    func `refuses`(_ url: String) {
        #expect(Origin(url) == nil)
    }

    @Test func `the host of an origin has no brackets`() {
        #expect(Origin("https://[::1]:8443")?.host == "::1")
        #expect(Origin("https://[::1]:8443")?.authority == "[::1]:8443")
    }
}
