// SPDX-License-Identifier: Apache-2.0

import Core
import JSON
import Testing

@testable import Gateway

struct FaultTests {
    @Test(arguments: [
        (
            400,
            #"{"error":{"message":"key sk-canary","type":"invalid_request_error","param":"messages","code":null}}"#,
            "400 invalid_parameter messages"
        ),
        (400, #"{"error":{"message":"x","param":"sk-canary"}}"#, "400 invalid_parameter -"),
        (400, #"{"error":{"message":"x","code":"content_policy_violation"}}"#, "400 content_filter -"),
        (400, #"{"error":{"message":"x","code":"context_length_exceeded"}}"#, "400 invalid_parameter -"),
        (
            400, #"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 tokens"}}"#,
            "400 invalid_parameter -"
        ),
        (422, "sk-canary", "400 invalid_parameter -"),
        (401, #"{"error":{"message":"Incorrect API key provided: sk-canary"}}"#, "502 upstream_error -"),
        (402, "", "502 upstream_error -"), (403, "", "502 upstream_error -"), (404, "", "502 upstream_error -"),
        (408, "", "504 upstream_timeout -"), (504, "", "504 upstream_timeout -"),
        (413, "", "413 payload_too_large -"),
        (429, "", "429 rate_limit_exceeded -"),
        (429, #"{"error":{"code":"insufficient_quota","message":"sk-canary"}}"#, "502 upstream_error -"),
        (500, "", "502 upstream_error -"), (502, "", "502 upstream_error -"), (503, "", "503 overloaded -"),
        (529, "", "503 overloaded -"), (302, "", "502 upstream_error -"), (418, "", "502 upstream_error -"),
    ])
    func `a provider's status becomes a code of ours, and none of its words are repeated`(
        _ status: Int, _ body: String, _ expected: String
    ) {
        let fault = Fault.upstream(status: status, body: Array(body.utf8), table: .chat)
        #expect("\(fault.code.status) \(fault.code.rawValue) \(fault.param ?? "-")" == expected)
        #expect(fault.upstreamStatus == status)
        for route in ModelRoute.allCases {
            #expect(!text(AnswerWriter.error(fault, route, requestID: "req_1")).contains("sk-canary"))
        }
    }

    @Test(
        arguments: [
            (nil, "2", 2_000), ("1500", "9", 1_500), (nil, "0.5", 500), (nil, "-1", nil), (nil, "soon", nil),
            (nil, "Wed, 21 Oct 2026 07:28:00 GMT", nil), (nil, "1e99", 3_600_000), ("nan", nil, nil), (nil, nil, nil),
        ] as [(String?, String?, Int?)])
    func `the provider's delay is handed on within bounds`(
        _ milliseconds: String?, _ seconds: String?, _ expected: Int?
    ) {
        let fault = Fault.upstream(status: 429, body: [], retryAfterMilliseconds: milliseconds, retryAfter: seconds)
        #expect(fault.retryAfterMilliseconds == expected)
    }

    @Test func `errors have the shape of their route`() throws {
        let fault = Fault.invalid("messages[2].content", "Missing required parameter.")
        #expect(
            text(AnswerWriter.error(fault, .chat, requestID: "req_1"))
                == #"{"error":{"message":"Missing required parameter.","type":"invalid_request_error","code":"invalid_parameter","param":"messages[2].content","request_id":"req_1"}}"#
        )
        #expect(
            text(AnswerWriter.error(fault, .messages, requestID: "req_1"))
                == #"{"type":"error","error":{"type":"invalid_request_error","message":"messages[2].content: Missing required parameter."},"request_id":"req_1"}"#
        )
    }

    @Test(arguments: [
        "https://example.org/a.png", "http://8.8.8.8/x", "https://[2606:4700::1]/x", "data:image/png;base64,AAAA",
        "HTTPS://EXAMPLE.ORG:8443/x?y#z", "https://a.b.example.co.uk./",
    ])
    func `addresses of the public internet are taken`(_ address: String) throws {
        try MediaAddress.check(address)
    }

    @Test(arguments: [
        "http://169.254.169.254/latest/meta-data/", "http://metadata.google.internal/", "http://localhost/",
        "http://127.0.0.1/", "http://127.1/", "http://2130706433/", "http://0x7f.1/", "http://017700000001/",
        "http://0/", "http://10.1.2.3/", "http://192.168.0.1/", "http://172.16.0.1/", "http://100.64.0.1/",
        "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://[fe80::1]/", "http://[fd00::1]/", "http://[::]/",
        "http://printer/", "http://db.local/", "http://a@127.0.0.1/", "http://example.org@10.0.0.1/",
        "http://example.org\\@10.0.0.1/", "http://10.0.0.1%2f.example.org/", "file:///etc/passwd",
        "gopher://x.example/",
        "ftp://example.org/", "//example.org/", "", "http://", "https://:443/", "http://exa mple.org/",
        "http://1.2.3.4.5/",
        "http://ex\u{E4}mple.org/", "http://256.256.256.256/", "http://example.org:8x/",
    ])
    func `addresses a stranger must not have fetched are refused`(_ address: String) {
        #expect(throws: Fault.self) { try MediaAddress.check(address) }
    }
}
