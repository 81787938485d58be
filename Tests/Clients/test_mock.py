# SPDX-License-Identifier: Apache-2.0
"""The mock upstream itself: what the other tests rely on must be true of it."""

import http.client
import socket
import ssl
import struct
import time
from urllib.parse import urlsplit

import httpx2
import pytest

import mock_behaviours
import mock_brain
from conftest import CANARY
from mock_brain import Prompt


@pytest.fixture
def direct(upstream, trust):
    with httpx2.Client(base_url=upstream.url, verify=trust, headers={"authorization": f"Bearer {CANARY}"}) as client:
        yield client


def chat(text="hi", **more):
    return {"model": "mock-small", "messages": [{"role": "user", "content": text}], **more}


def test_records_the_bytes_as_they_came(direct, upstream):
    raw = b'{"model": "mock-small",\t"messages" : [{"role":"user","content":"\\u0068i"}]}'
    answer = direct.post("/v1/chat/completions", content=raw, headers={"X-Odd": "Value"})
    assert answer.json()["choices"][0]["message"]["content"] == "hi"
    assert upstream.last.body == raw
    assert upstream.last.header("x-odd") == "Value"
    assert upstream.last.secure.startswith("TLSv1.3")
    assert upstream.last.server_name == "localhost"


def test_serves_plain_http_as_well(upstream):
    with httpx2.Client(base_url=upstream.plain_url) as client:
        assert client.get("/v1/models").json()["data"][0]["id"] == "mock-small"
    assert upstream.last.secure is None


def test_notices_at_once_that_a_client_left_a_stream(upstream, trust):
    with upstream.behave(mock_behaviours.drip):
        with httpx2.Client(base_url=upstream.url, verify=trust) as client:
            with client.stream("POST", "/v1/chat/completions", json=chat(stream=True)) as answer:
                pieces = answer.iter_bytes()
                next(pieces)
                left = time.monotonic()
        upstream.until(lambda: upstream.last.gone)
    assert 0 <= upstream.last.gone - left < 0.1
    assert upstream.last.answered is None


def test_notices_at_once_that_a_client_left_while_nothing_was_sent(upstream, trust):
    raw = socket.create_connection(("127.0.0.1", upstream.port))
    tls = trust.wrap_socket(raw, server_hostname="localhost")
    body = b'{"model":"do-hang","messages":[]}'
    tls.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
    upstream.wait()
    left = time.monotonic()
    tls.close()
    upstream.until(lambda: upstream.last.gone)
    assert upstream.last.gone - left < 0.1


@pytest.mark.parametrize("secure", [True, False])
@pytest.mark.parametrize("resets", [True, False])
def test_notices_that_a_client_left_an_answer_without_end(upstream, trust, secure, resets):
    """A reset while the writer waits is what asyncio loses: the rest of the answer would count as sent."""
    for wanted in (1, 100_000, 5_000_000) * 3:
        upstream.clear()
        made = socket.create_connection(("127.0.0.1", upstream.port if secure else urlsplit(upstream.plain_url).port))
        if secure:
            made = trust.wrap_socket(made, server_hostname="localhost")
        body = b'{"model":"do-endless","messages":[]}'
        made.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        while wanted > 0:
            wanted -= len(made.recv(65536))
        if resets:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        made.close()
        upstream.until(lambda: upstream.last.gone or upstream.last.answered)
        assert upstream.last.answered is None
        assert upstream.last.bytes_taken < 64 << 20


@pytest.mark.parametrize("name", mock_behaviours.ECHOES)
def test_each_echo_gives_the_canary_back(upstream, direct, name):
    """Otherwise the canary test would prove nothing."""
    with upstream.behave(mock_behaviours.ECHOES[name]):
        assert _hides(_raw(upstream, direct, chat()), name)


@pytest.mark.parametrize("name", mock_behaviours.STREAM_ECHOES)
def test_each_streamed_echo_gives_the_canary_back(upstream, direct, name):
    with upstream.behave(mock_behaviours.STREAM_ECHOES[name]):
        assert _hides(_raw(upstream, direct, chat(stream=True)), name)


def _raw(upstream, direct, body):
    """All bytes of the answer, whatever they are."""
    context = direct._transport._pool._ssl_context
    with context.wrap_socket(
        socket.create_connection(("127.0.0.1", upstream.port)), server_hostname="localhost"
    ) as tls:
        data = httpx2.Request("POST", "https://localhost/", json=body).content
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {CANARY}\r\nconnection: close\r\ncontent-length: {len(data)}\r\n\r\n"
        tls.sendall(head.encode() + data)
        received = b""
        while piece := tls.recv(65536):
            received += piece
    return received


def _hides(received, name):
    if name == "escaped":
        return "".join(f"\\u{ord(c):04x}" for c in CANARY).encode() in received
    if name == "stream_deltas":
        return all(f'"content": "{CANARY[i : i + 2]}"'.encode() in received for i in range(0, len(CANARY), 2))
    if name == "stream_halves":
        half = len(CANARY) // 2
        return CANARY[:half].encode() in received and CANARY[half:].encode() in received
    if name == "stream_bytes":
        return received.count(b"\r\n7\r\n") > 5
    if name == "tool" and b"event-stream" in received:
        return received.count(b'"arguments"') > 5
    return CANARY.encode() in received


def test_a_broken_answer_is_not_taken_for_a_good_one(upstream, trust):
    connection = http.client.HTTPSConnection("localhost", upstream.port, context=trust)
    connection.request("POST", "/v1/chat/completions", b'{"model":"do-cut-stream","stream":true,"messages":[]}')
    with pytest.raises((http.client.IncompleteRead, ssl.SSLError)):
        connection.getresponse().read()


@pytest.mark.parametrize(
    "text, expected",
    [
        ("hello", "hello"),
        ("/echo /tokens 5", "/tokens 5"),
        ("/tokens 3", "t1 t2 t3"),
        ("/usage 5 6\n/pace 1ms\nhello", "hello"),
        ("/raw {not json", "{not json"),
        ("/unknown x", "/unknown x"),
        ("a /tokens 5", "a /tokens 5"),
    ],
)
def test_commands(text, expected):
    assert mock_brain.plan(Prompt(text)).text == expected
