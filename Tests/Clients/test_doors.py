# SPDX-License-Identifier: Apache-2.0
"""The plain door (row T2 of the promises), other people's web pages (T4), and a server that has no descriptor left."""

from __future__ import annotations

import json
import os
import resource
import time

import pytest

import raw

CHAT = b'{"model":"openai-small","messages":[{"role":"user","content":"hi"}]}'


def ask(server, method: str, target: str, *fields: str, host: str = "localhost", body: bytes = b"", secure: bool = False):
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close", *fields]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    data = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
    (answer,) = raw.exchange(server, data, secure, to_head=method == "HEAD")
    return answer


# T2


@pytest.mark.parametrize("place", ["authorization", "x-api-key", "api-key", "cookie", "proxy-authorization", "query"])
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS", "DELETE"])
def test_a_credential_in_clear_does_nothing_but_be_exposed(gateway, house, upstream, method, place):
    key = house.key
    value = {"authorization": f"Bearer {key}", "cookie": f"s={key}", "proxy-authorization": f"Basic {key}"}.get(place, key)
    fields = [] if place == "query" else [f"{place}: {value}"]
    target = "/v1/chat/completions" + (f"?api_key={key}" if place == "query" else "")
    answer = ask(gateway, method, target, *fields, body=CHAT if method == "POST" else b"")
    assert answer.status == 403 and answer.field("location") is None
    if method != "HEAD":
        assert json.loads(answer.body)["error"]["code"] == "credential_exposed"
        assert key.encode() not in answer.body
    assert not upstream.requests
    assert key not in gateway.logs()


@pytest.mark.parametrize(
    "target, location",
    [
        ("/", "/"),
        ("/v1/models?limit=20&after=x", "/v1/models?limit=20&after=x"),
        ("/a%20b?x=%26", "/a%20b?x=%26"),
        ("//evil.example/", "//evil.example/"),  # A path, behind a host that is ours.
        ("/%40evil.example", "/%40evil.example"),
        ("http://localhost/x?y=1", "/x?y=1"),
        ("https://localhost", "/"),
        # What may be a secret is left out.
        ("/x?state=0123456789abcdef0123456789abcdef01234567", "/x"),
        ("/x?y=1&0123456789abcdef0123456789abcdef01234567", "/x"),
    ],
)
def test_where_a_redirect_leads(gateway, upstream, target, location):
    for method in ("GET", "POST", "HEAD"):
        answer = ask(gateway, method, target)
        assert answer.status == 308
        assert answer.field("location") == f"https://localhost:{gateway.port}{location}"
        assert answer.body == b""
    assert not upstream.requests


@pytest.mark.parametrize(
    "query",
    ["key=x", "API_KEY=x", "access_token=x", "x=1&client-secret=", "token", "q=sk-abc", "q=ghk_abc", "q=eyJhbGciOiJ", "code=1"],
)
def test_a_query_that_names_a_credential_is_exposed(gateway, query):
    answer = ask(gateway, "GET", f"/v1/models?{query}")
    assert answer.status == 403 and json.loads(answer.body)["error"]["code"] == "credential_exposed"


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "evillocalhost", "localhost.", "127.0.0.2", "[::1]", "0.0.0.0", "LOCALHOST.x"],
)
@pytest.mark.parametrize("secure", [False, True])
def test_a_foreign_host_is_neither_served_nor_redirected(gateway, house, upstream, host, secure):
    credential = [f"Authorization: Bearer {house.key}"] if secure else []
    answer = ask(gateway, "POST", "/v1/chat/completions", *credential, host=host, body=CHAT, secure=secure)
    assert answer.status == 421 and json.loads(answer.body)["error"]["code"] == "misdirected_request"
    assert answer.field("location") is None and host.encode() not in answer.body
    assert not upstream.requests


# T4


ORIGIN = "https://app.example.org"
HOSTILE = [
    "https://app.example.org.evil.net",
    "https://evilapp.example.org",
    "https://sub.app.example.org",
    "https://app.example.org:444",
    "https://app.example.org:443",
    "https://App.Example.Org",
    "http://app.example.org",
    "https://app.example.org.",
    "https://app.example.org/",
    "https://user@app.example.org",
    "https://app.example.org@evil.net",
    "https://xn--pp-7kc.example.org",
    "https://аpp.example.org",
    "https://app .example.org",
    "https://app.example.org, https://evil.net",
    "null",
    "*",
    "",
]


def test_only_the_origins_on_the_list(make_gateway):
    server = make_gateway({"http": {"origins": [ORIGIN]}}).start()
    key = f"Authorization: Bearer {server.create_key().key}"

    def granted(*origins: str) -> list[str]:
        """What the server grants a page of these origins: asked before, and asked."""
        fields = [f"Origin: {origin}" for origin in origins]
        names: list[str] = []
        for method, more in (("OPTIONS", "Access-Control-Request-Method: GET"), ("GET", key)):
            lines = [f"{method} /v1/models HTTP/1.1", "Host: localhost", "Connection: close", more, *fields]
            (answer,) = raw.exchange(server, "\r\n".join(lines).encode() + b"\r\n\r\n")
            assert answer.all("vary") == ["origin"], "or a cache gives one page what was for another"
            names += [f"{n}: {v}" for n, v in answer.fields if n.startswith("access-control-")]
        return names

    for origin in HOSTILE:
        assert granted(origin) == [], origin
    assert granted(ORIGIN, ORIGIN) == granted(ORIGIN, "https://evil.net") == []
    allowed = granted(ORIGIN)
    assert allowed.count(f"access-control-allow-origin: {ORIGIN}") == 2
    assert not any(line.startswith("access-control-allow-credentials") for line in allowed)
    assert server.stop() == 0


# No descriptor left.


def test_without_descriptors_idle_connections_give_way_and_nothing_spins(make_gateway):
    server = make_gateway({"http": {"loops": 1}}).start()
    process = server.process.pid
    most = len(os.listdir(server.descriptors())) + 20
    resource.prlimit(process, resource.RLIMIT_NOFILE, (most, most))
    crowd = [raw.Connection(server, timeout=5) for _ in range(10)]
    waiting = []
    for _ in range(60):
        # Some of these wait in the kernel's queue, so nobody shakes hands here.
        waiting.append(raw.Connection(server, secure=False, timeout=5))
    deadline, served = time.monotonic() + 15, False
    while not served and time.monotonic() < deadline:
        try:
            served = ask(server, "GET", "/livez", secure=True).status == 200
        except OSError:
            time.sleep(0.1)
    assert served
    for each in crowd + waiting:
        each.socket.close()
    assert server.logs().count("no connection can be accepted") == 1, "said once a minute"
    assert ask(server, "GET", "/livez", secure=True).status == 200
    assert server.stop() == 0
