# SPDX-License-Identifier: Apache-2.0
"""Requests that are malformed, or that two readers could read in two ways (row T5 of the promises): for each the exact
answer, the end of the connection, and that the request hidden behind it was not served. The parser's own table, of more
than two hundred rows, is in Tests/HTTPTests/MalformedRequestTests.swift; here the real binary is asked, and the mock
upstream says what reached it.
"""

from __future__ import annotations

import json

import pytest

import raw

BODY = b'{"model":"openai-small","messages":[{"role":"user","content":"hi"}]}'
CHUNKED = b"%x\r\n%s\r\n" % (len(BODY), BODY)


def post(fields: bytes, body: bytes = b"", version: bytes = b"HTTP/1.1") -> bytes:
    head = b"POST /v1/chat/completions " + version + b"\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n"
    return head + b"Content-Type: application/json\r\n" + fields + (b"\r\n" if fields else b"") + b"\r\n" + body


def length(more: bytes = b"") -> bytes:
    return b"Content-Length: %d" % len(BODY) + more


def chunked(body: bytes, more: bytes = b"") -> bytes:
    return post(b"Transfer-Encoding: chunked" + more, body)


def get(target: bytes = b"/livez", fields: bytes = b"Host: localhost", version: bytes = b"HTTP/1.1") -> bytes:
    return b"GET " + target + b" " + version + b"\r\n" + fields + b"\r\n\r\n"


BAD = "invalid_parameter"
TABLE: list[tuple[str, bytes, int, str]] = [
    # Two lengths.
    ("CL.TE", post(length(b"\r\nTransfer-Encoding: chunked"), b"0\r\n\r\n"), 400, BAD),
    ("TE.CL", post(b"Transfer-Encoding: chunked\r\n" + length(), CHUNKED + b"0\r\n\r\n"), 400, BAD),
    ("CL.0", post(length(b"\r\nContent-Length: 0"), BODY), 400, BAD),
    ("0.CL", post(b"Content-Length: 0\r\n" + length(), BODY), 400, BAD),
    ("equal lengths", post(length(b"\r\n" + length()), BODY), 400, BAD),
    ("list of lengths", post(length(b", %d" % len(BODY)), BODY), 400, BAD),
    ("sign before the length", post(b"Content-Length: +%d" % len(BODY), BODY), 400, BAD),
    ("negative length", post(b"Content-Length: -1", BODY), 400, BAD),
    ("hexadecimal length", post(b"Content-Length: 0x10", BODY), 400, BAD),
    ("length and a space", post(b"Content-Length : %d" % len(BODY), BODY), 400, BAD),
    ("length that overflows", post(b"Content-Length: 18446744073709551616", BODY), 413, "payload_too_large"),
    ("folded length", post(b"Content-Length:\r\n %d" % len(BODY), BODY), 400, BAD),
    ("empty length", post(b"Content-Length:", BODY), 400, BAD),
    ("length with a point", post(b"Content-Length: %d.0" % len(BODY), BODY), 400, BAD),
    ("length behind a vertical tab", post(b"Content-Length: \x0b%d" % len(BODY), BODY), 400, BAD),
    ("length and a NUL", post(b"Content-Length: %d\0" % len(BODY), BODY), 400, BAD),
    ("length under a quoted name", post(b'"Content-Length": %d' % len(BODY), BODY), 400, BAD),
    # Transfer codings.
    ("TE.TE", post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x", CHUNKED + b"0\r\n\r\n"), 400, BAD),
    ("chunked twice", post(b"Transfer-Encoding: chunked, chunked", CHUNKED + b"0\r\n\r\n"), 400, BAD),
    ("xchunked", post(b"Transfer-Encoding: xchunked", BODY), 400, BAD),
    ("chunked first", post(b"Transfer-Encoding: chunked, gzip", BODY), 400, BAD),
    ("gzip, chunked", post(b"Transfer-Encoding: gzip, chunked", CHUNKED + b"0\r\n\r\n"), 501, BAD),
    ("identity", post(b"Transfer-Encoding: identity", BODY), 400, BAD),
    ("vertical tab before chunked", post(b"Transfer-Encoding: \x0bchunked", BODY), 400, BAD),
    ("coding and a space", post(b"Transfer-Encoding : chunked", BODY), 400, BAD),
    ("folded coding", post(b"Transfer-Encoding:\r\n\tchunked", BODY), 400, BAD),
    ("chunked in HTTP/1.0", post(b"Transfer-Encoding: chunked", CHUNKED + b"0\r\n\r\n", b"HTTP/1.0"), 400, BAD),
    ("quoted coding", post(b'Transfer-Encoding: "chunked"', BODY), 400, BAD),
    ("coding with a parameter", post(b"Transfer-Encoding: chunked;q=1", CHUNKED + b"0\r\n\r\n"), 400, BAD),
    ("empty coding", post(b"Transfer-Encoding:", CHUNKED + b"0\r\n\r\n"), 400, BAD),
    ("coding and a NUL", post(b"Transfer-Encoding: chunked\0", CHUNKED + b"0\r\n\r\n"), 400, BAD),
    # Chunks.
    ("chunk of 0x", chunked(b"0x1\r\n{\r\n0\r\n\r\n"), 400, BAD),
    ("chunk with a sign", chunked(b"+1\r\n{\r\n0\r\n\r\n"), 400, BAD),
    ("negative chunk", chunked(b"-1\r\n{\r\n0\r\n\r\n"), 400, BAD),
    ("space before the size", chunked(b" 1\r\n{\r\n0\r\n\r\n"), 400, BAD),
    ("space behind the size", chunked(b"1 \r\n{\r\n0\r\n\r\n"), 400, BAD),
    ("bare LF behind the size", chunked(b"1\n{\r\n0\r\n\r\n"), 400, BAD),
    ("bare LF in an extension", chunked(b"1;a\n{\r\n0\r\n\r\n"), 400, BAD),
    ("bare CR in an extension", chunked(b"1;a\rb\r\n{\r\n0\r\n\r\n"), 400, BAD),
    ("quoted line end in an extension", chunked(b'1;a="\r\n{\r\n0\r\n\r\n"'), 400, BAD),
    ("size of 64 bits", chunked(b"ffffffffffffffff\r\n{"), 400, BAD),
    ("size of 65 bits", chunked(b"10000000000000001\r\n{\r\n0\r\n\r\n"), 400, BAD),
    ("longer chunk than said", chunked(b"1\r\n{}\r\n0\r\n\r\n"), 400, BAD),
    ("chunk ended by LF", chunked(b"1\r\n{\n0\r\n\r\n"), 400, BAD),
    ("no size", chunked(b"\r\n{\r\n0\r\n\r\n"), 400, BAD),
    ("size with a point", chunked(b"1.0\r\n{\r\n0\r\n\r\n"), 400, BAD),
    ("size with a line below", chunked(b"0_1\r\n{\r\n0\r\n\r\n"), 400, BAD),
    ("size of letters", chunked(b"one\r\n{\r\n0\r\n\r\n"), 400, BAD),
    ("NUL in an extension", chunked(b"1;a\0\r\n{\r\n0\r\n\r\n"), 400, BAD),
    ("chunk ended by CR", chunked(b"1\r\n{\r0\r\n\r\n"), 400, BAD),
    ("long extension", chunked(b"1;" + b"a" * 5000 + b"\r\n{\r\n0\r\n\r\n"), 400, BAD),
    ("trailer of a length", chunked(CHUNKED + b"0\r\nContent-Length: 5\r\n\r\n"), 400, BAD),
    ("trailer of a coding", chunked(CHUNKED + b"0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400, BAD),
    ("trailer of a host", chunked(CHUNKED + b"0\r\nHost: evil.example\r\n\r\n"), 400, BAD),
    ("trailer of a credential", chunked(CHUNKED + b"0\r\nAuthorization: Bearer x\r\n\r\n"), 400, BAD),
    ("folded trailer", chunked(CHUNKED + b"0\r\nX: a\r\n b\r\n\r\n"), 400, BAD),
    ("trailer without a colon", chunked(CHUNKED + b"0\r\nX\r\n\r\n"), 400, BAD),
    ("trailer ended by LF", chunked(CHUNKED + b"0\r\nX: y\n\r\n"), 400, BAD),
    ("trailer with a space before the colon", chunked(CHUNKED + b"0\r\nX : y\r\n\r\n"), 400, BAD),
    ("bare CR in a trailer", chunked(CHUNKED + b"0\r\nX: a\rb\r\n\r\n"), 400, BAD),
    ("last chunk ended by LF", chunked(CHUNKED + b"0\n\n"), 400, BAD),
    # Lines.
    ("bare LF", b"GET /livez HTTP/1.1\nHost: localhost\n\n", 400, BAD),
    ("bare CR in a value", get(fields=b"Host: localhost\r\nX: a\rb"), 400, BAD),
    ("obs-fold", get(fields=b"Host: localhost\r\nX: a\r\n b"), 400, BAD),
    ("NUL in a value", get(fields=b"Host: localhost\r\nX: a\0b"), 400, BAD),
    ("NUL in a name", get(fields=b"Host: localhost\r\nX\0: a"), 400, BAD),
    ("eight bits in a name", get(fields=b"Host: localhost\r\nX\xe9: a"), 400, BAD),
    ("empty name", get(fields=b"Host: localhost\r\n: a"), 400, BAD),
    ("no colon", get(fields=b"Host: localhost\r\nX"), 400, BAD),
    ("space before the colon", get(fields=b"Host: localhost\r\nX : a"), 400, BAD),
    ("space before the first field", b"GET /livez HTTP/1.1\r\n Host: localhost\r\n\r\n", 400, BAD),
    ("two empty lines in front", b"\r\n\r\n" + get(), 400, BAD),
    ("two spaces", b"GET  /livez HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, BAD),
    ("tabs", b"GET\t/livez\tHTTP/1.1\r\nHost: localhost\r\n\r\n", 400, BAD),
    ("bare CR for line ends", b"GET /livez HTTP/1.1\rHost: localhost\r\r", 400, BAD),
    ("two CR before the LF", b"GET /livez HTTP/1.1\r\r\nHost: localhost\r\n\r\n", 400, BAD),
    ("space behind the version", get(version=b"HTTP/1.1 "), 400, BAD),
    ("DEL in a value", get(fields=b"Host: localhost\r\nX: a\x7fb"), 400, BAD),
    ("method with a brace", b"G{T /livez HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, BAD),
    ("byte order mark", b"\xef\xbb\xbf" + get(), 400, BAD),
    # Versions and methods.
    ("HTTP/0.9", b"GET /livez\r\n\r\n", 400, BAD),
    ("HTTP/0.9 with its name", get(version=b"HTTP/0.9"), 505, BAD),
    ("HTTP/1.2", get(version=b"HTTP/1.2"), 505, BAD),
    ("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, BAD),
    ("small letters", get(version=b"http/1.1"), 400, BAD),
    ("HTTP/1.10", get(version=b"HTTP/1.10"), 400, BAD),
    ("HTTP/01.1", get(version=b"HTTP/01.1"), 400, BAD),
    ("another protocol", get(version=b"RTSP/1.0"), 400, BAD),
    ("CONNECT", b"CONNECT localhost:443 HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, "method_not_allowed"),
    ("TRACE", b"TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n", 405, "method_not_allowed"),
    # Hosts and targets.
    ("no host", get(fields=b"X: y"), 400, BAD),
    ("two hosts", get(fields=b"Host: localhost\r\nHost: localhost"), 400, BAD),
    ("two hosts that differ", get(fields=b"Host: localhost\r\nhost: evil.example"), 400, BAD),
    ("empty host", get(fields=b"Host:"), 400, BAD),
    ("list of hosts", get(fields=b"Host: localhost, evil.example"), 400, BAD),
    ("host with a large port", get(fields=b"Host: localhost:65536"), 400, BAD),
    ("address that is not closed", get(fields=b"Host: [::1"), 400, BAD),
    ("host with userinfo", get(fields=b"Host: user@localhost"), 400, BAD),
    ("host with a path", get(fields=b"Host: localhost/x"), 400, BAD),
    ("host with a bad port", get(fields=b"Host: localhost:x"), 400, BAD),
    ("authority form", get(b"localhost:443"), 400, BAD),
    ("absolute with userinfo", get(b"http://user@localhost/livez"), 400, BAD),
    ("absolute of another scheme", get(b"ftp://localhost/livez"), 400, BAD),
    ("dot segments", get(b"/v1/../livez"), 400, BAD),
    ("encoded dot segments", get(b"/v1/%2e%2e/livez"), 400, BAD),
    ("encoded slash", get(b"/v1%2fmodels"), 400, BAD),
    ("encoded NUL", get(b"/livez%00"), 400, BAD),
    ("encoded line end", get(b"/livez%0d%0aX:%20y"), 400, BAD),
    ("bad escape", get(b"/livez%zz"), 400, BAD),
    ("fragment", get(b"/livez#x"), 400, BAD),
    ("space in the target", get(b"/live z"), 400, BAD),
    ("bytes beyond ASCII", get(b"/livez\xe9"), 400, BAD),
    ("overlong escape", get(b"/livez%c0%af"), 400, BAD),
    ("backslash", get(b"/v1\\models"), 400, BAD),
    ("encoded backslash", get(b"/v1%5cmodels"), 400, BAD),
    ("an operator of a database", get(b'/v1/models/{"$gt":""}'), 400, BAD),
    # Sizes.
    ("long target", get(b"/" + b"a" * 9000), 414, "uri_too_long"),
    ("long head", get(fields=b"Host: localhost\r\nX: " + b"a" * 40_000), 431, "headers_too_large"),
    ("many fields", get(fields=b"Host: localhost\r\n" + b"\r\n".join([b"X: y"] * 101)), 431, "headers_too_large"),
    ("long body", post(b"Content-Length: 99999999", BODY), 413, "payload_too_large"),
    # Expectations.
    ("another expectation", post(length(b"\r\nExpect: x"), BODY), 417, BAD),
    ("two expectations", post(length(b"\r\nExpect: 100-continue\r\nExpect: 100-continue"), BODY), 417, BAD),
]


def hidden(key: str) -> bytes:
    """A request that is right in itself, and that must not be read behind anything above."""
    return post(length(), BODY).replace(b"{KEY}", key.encode())


@pytest.mark.parametrize("name, data, status, code", TABLE, ids=[row[0] for row in TABLE])
def test_it_is_refused_and_nothing_behind_it_is_served(gateway, house, upstream, name, data, status, code):
    key = house.key.encode()
    answers = raw.exchange(gateway, data.replace(b"{KEY}", key) + hidden(house.key))
    assert [answer.status for answer in answers] == [status], [(a.status, a.body) for a in answers]
    assert answers[0].field("connection") == "close"
    error = json.loads(answers[0].body)["error"]
    assert error["code"] == code and error["request_id"] == answers[0].field("x-request-id")
    assert not upstream.requests, "what was hidden reached the provider"


def test_what_is_hidden_is_served_where_it_is_not_hidden(gateway, house, upstream):
    """So the proof above can fail: the same bytes behind a request that is right are a second request."""
    with raw.Connection(gateway) as connection:
        connection.send(get() + hidden(house.key))
        assert [connection.answer().status for _ in range(2)] == [200, 200]
    assert len(upstream.requests) == 1


def test_there_are_enough_rows():
    assert len({data for _, data, _, _ in TABLE}) == len(TABLE) >= 120


# What is unusual, and right.


@pytest.mark.parametrize(
    "data, statuses, closes",
    [
        (get(), [200], False),
        (b"\r\n" + get(), [200], False),
        (get(version=b"HTTP/1.0"), [200], True),
        (get(version=b"HTTP/1.0", fields=b"Host: localhost\r\nConnection: keep-alive"), [200], False),
        (get(version=b"HTTP/1.0", fields=b"Host: localhost\r\nConnection: keep-alive, close"), [200], True),
        (get(fields=b"Host: localhost\r\nConnection: close"), [200], True),
        (get(fields=b"Host: localhost\r\nConnection: keep-alive, CLOSE"), [200], True),
        (get(fields=b"Host: localhost\r\nConnection: Host, Authorization"), [200], False),
        # Nothing is upgraded: not to a WebSocket, not to HTTP/2 in clear.
        (get(fields=b"Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket"), [200], False),
        (
            get(fields=b"Host: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: A"),
            [200],
            False,
        ),
        # The target decides where it names a host (RFC 9112 §3.2.2).
        (get(b"https://localhost/livez", b"Host: evil.example"), [200], False),
        (get(b"https://evil.example/livez"), [421], False),
        (get(fields=b"Host: evil.example"), [421], False),
        (get(fields=b"Host: localhost."), [421], False),
        (b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", [204], False),
        (b"OPTIONS * HTTP/1.1\r\nHost: evil.example\r\n\r\n", [421], False),
        (get() + get() + get(b"/nowhere"), [200, 200, 404], False),
        # An expectation without a body, and of a client that cannot have one, is nothing.
        (get(fields=b"Host: localhost\r\nExpect: 100-continue"), [200], False),
        (get(version=b"HTTP/1.0", fields=b"Host: localhost\r\nExpect: x"), [200], True),
    ],
)
def test_what_is_unusual_and_right(gateway, data, statuses, closes):
    with raw.Connection(gateway) as connection:
        connection.send(data)
        answers = [connection.answer() for _ in statuses]
        assert [answer.status for answer in answers] == statuses
        assert all(answer.field("upgrade") is None for answer in answers)
        assert (answers[-1].field("connection") == "close") == closes
        connection.send(get())
        follower = connection.answer()
        assert (follower is None) if closes else follower.status == 200


def test_head_has_no_body_whatever_is_wrong(gateway):
    for data, status in [
        (b"HEAD /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 200),
        (b"HEAD /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 404),
        (b"HEAD /livez HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", 421),
        (b"HEAD /livez HTTP/1.1\r\n\r\n", 400),
        (b"HEAD /livez HTTP/3.0\r\nHost: localhost\r\n\r\n", 505),
        (b"HEAD /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
    ]:
        with raw.Connection(gateway) as connection:
            connection.send(data)
            assert connection.answer(to_head=True).status == status
            assert not connection.fill() and connection.received == b"", connection.received
