# SPDX-License-Identifier: Apache-2.0
"""Every security field on every kind of answer (row T3 of the promises).

The routes are those of /openapi.json, which is made from the router: a new route is walked without anybody thinking of
it. The same walk goes through a server that leaves one field out, and must name it.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
import urllib.request
from collections.abc import Iterator

import pytest

import raw

FIELDS = {
    "x-request-id": r"req_[0-9A-HJKMNP-TV-Z]{26}",
    "strict-transport-security": r"max-age=[1-9]\d{7,}(;.*)?",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "permissions-policy": ".+",
    "content-security-policy": r"default-src 'none'.*frame-ancestors 'none'.*",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": ".*no-store.*",
}
ORIGIN = "https://app.example.org"
CHAT = b'{"model":"echo","messages":[{"role":"user","content":"%s"}]%s}'


@pytest.fixture(scope="module")
def walked(tmp_path_factory, server_certificate, authority, mock_server):
    """A gateway in a hurry, so that what takes too long is answered soon, with one origin on its list."""
    from conftest import ENVIRONMENT, providers
    from gateway import Gateway

    directory = tmp_path_factory.mktemp("walked")
    directory.chmod(0o700)
    tables = {
        **providers(mock_server, authority, None),
        "http": {"origins": [ORIGIN], "head_timeout": "500ms", "body_timeout": "500ms", "body_bytes": "64KiB"},
    }
    with Gateway(directory, server_certificate, authority.certificate, tables, dict(ENVIRONMENT)) as server:
        server.walk_key = server.create_key().key
        server.poor_key = server.create_key("poor", scopes=["embeddings"]).key
        yield server


class Door:
    """What the walk talks to: a gateway, or something in front of one."""

    def __init__(self, server, port: int | None = None, redirect_port: int | None = None) -> None:
        self.trust = server.trust
        self.port = port or server.port
        self.redirect_port = redirect_port or server.redirect_port
        self.key, self.poor_key, self.base = server.walk_key, server.poor_key, server.base


def operations(door: Door) -> list[tuple[str, str, bool]]:
    """Methods, patterns, and whether each is open to everybody."""
    with urllib.request.urlopen(f"{door.base}/openapi.json", context=door.trust) as answer:
        paths = json.load(answer)["paths"]
    return [
        (method.upper(), path, operation["x-guard"] == "public")
        for path, methods in paths.items()
        for method, operation in methods.items()
    ]


def request(method: str, path: str, *fields: str, body: bytes = b"", host: str = "localhost") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close", *fields]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def kinds(door: Door) -> Iterator[tuple[str, bytes, bool, set[int]]]:
    """What is asked: its name, its bytes, whether over TLS, and the statuses it may have."""
    key, poor = f"Authorization: Bearer {door.key}", f"Authorization: Bearer {door.poor_key}"
    listed = operations(door)
    assert len(listed) > 10
    for method, pattern, is_public in listed:
        path = re.sub(r"\{[^}]*\}", "key_01JD0000000000000000000000", pattern)
        name = f"{method} {pattern}"
        body = b"{}" if method in ("POST", "PUT", "PATCH") else b""
        # What is open to everybody reads its body, and finds its credential missing there.
        # Of what is open to everybody there may be nothing of that name.
        refused = {200, 401, 403} | ({400} if is_public else set()) | ({404} if is_public and path != pattern else set())
        answered = {200, 400, 403, 404} | ({401} if is_public else set())
        yield f"{name}, nobody", request(method, path, body=body), True, refused
        yield f"{name}, a false key", request(method, path, "x-api-key: ghk_false", body=body), True, refused
        yield f"{name}, a key with little", request(method, path, poor, body=body), True, answered
        yield f"{name}, a key", request(method, path, key, body=body), True, answered
        yield f"{name}, no JSON", request(method, path, key, body=b"{"), True, answered
        yield f"{name}, HEAD", request("HEAD", path, key), True, {200, 403, 404, 405}
        yield f"{name}, another method", request("BREW", path, key), True, {405}
        yield f"{name}, foreign host", request(method, path, key, host="evil.example"), True, {421}
        preflight = ["Access-Control-Request-Method: " + method]
        yield f"{name}, preflight", request("OPTIONS", path, f"Origin: {ORIGIN}", *preflight), True, {204}
        yield f"{name}, hostile preflight", request("OPTIONS", path, "Origin: https://x.y", *preflight), True, {405}
    chat = "/v1/chat/completions"
    yield "chat", request("POST", chat, key, body=CHAT % (b"hi", b"")), True, {200}
    yield "events", request("POST", chat, key, body=CHAT % (b"hi", b',"stream":true')), True, {200}
    yield "the provider's 500", request("POST", chat, key, body=CHAT % (b"/fail 500", b"")), True, {500, 502, 503}
    yield "the provider's 429", request("POST", chat, key, body=CHAT % (b"/fail 429", b"")), True, {429}
    yield "cross-origin", request("GET", "/v1/models", key, f"Origin: {ORIGIN}"), True, {200}
    yield "404", request("GET", "/nowhere"), True, {404}
    yield "408", b"GET /livez HTTP/1.1\r\nHost:", True, {408}
    slow = request("POST", chat, key).replace(b"\r\n\r\n", b"\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n")
    yield "408 of a body", slow, True, {408}
    yield "413", request("POST", chat, key, "Content-Length: 99999999"), True, {413}
    yield "413 of chunks", (
        request("POST", chat, key, "Transfer-Encoding: chunked", "Content-Type: application/json")
        + b"11000\r\n" + b" " * 0x11000 + b"\r\n0\r\n\r\n"
    ), True, {413}
    yield "414", request("GET", "/" + "a" * 9000), True, {414}
    yield "415", request("POST", chat, key, "Content-Type: text/plain", "Content-Length: 0"), True, {400, 415}
    yield "417", request("GET", "/livez", "Expect: x"), True, {417}
    yield "431", request("GET", "/livez", *["X: y"] * 120), True, {431}
    yield "501", request("POST", chat, key, "Transfer-Encoding: gzip, chunked"), True, {501}
    yield "505", b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", True, {505}
    yield "malformed", b"GET  / HTTP/1.1\r\n\r\n", True, {400}
    yield "bad chunks", request("POST", chat, key, "Transfer-Encoding: chunked") + b"x\r\n", True, {400, 415}
    yield "TRACE", request("TRACE", "/"), True, {405}
    yield "OPTIONS *", request("OPTIONS", "*"), True, {204}
    yield "HTTP/1.0", b"GET /livez HTTP/1.0\r\nHost: localhost\r\n\r\n", True, {200}
    yield "redirect", request("GET", "/v1/models?x=1"), False, {308}
    yield "redirect of HEAD", request("HEAD", "/"), False, {308}
    yield "redirect of OPTIONS *", request("OPTIONS", "*"), False, {308}
    yield "a key in clear", request("POST", chat, key, body=CHAT % (b"hi", b"")), False, {403}
    yield "foreign host in clear", request("GET", "/", host="evil.example"), False, {421}
    yield "malformed in clear", b"GET  / HTTP/1.1\r\n\r\n", False, {400}
    yield "431 in clear", request("GET", "/livez", *["X: y"] * 120), False, {431}
    yield "TLS in clear", b"\x16\x03\x01\x02\x00\x01", False, {400}
    yield "408 in clear", b"GET", False, {408}


def faults(door: Door, sample: str = "") -> tuple[list[str], set[int]]:
    """What is missing or wrong on which answer, and every status that was seen. `sample`: only kinds with this in their
    name."""
    wrong, statuses = [], set()
    for name, data, secure, expected in kinds(door):
        if sample not in name:
            continue
        answers = raw.exchange(door, data, secure, to_head=data.startswith(b"HEAD"))
        final = [answer for answer in answers if answer.status >= 200]
        if len(final) != 1 or final[0].status not in expected:
            wrong.append(f"{name}: answered {[answer.status for answer in final]}, not {sorted(expected)}")
            continue
        statuses.add(final[0].status)
        for field, pattern in FIELDS.items():
            values = final[0].all(field)
            if len(values) != 1 or not re.fullmatch(pattern, values[0]):
                wrong.append(f"{name} ({final[0].status}): {field}: {values}")
        for field in ("server", "x-powered-by", "via"):
            if final[0].all(field):
                wrong.append(f"{name}: {field}")
    return wrong, statuses


def test_every_field_is_on_every_answer(walked):
    wrong, statuses = faults(Door(walked))
    assert not wrong, "\n".join(wrong)
    assert statuses >= {200, 204, 308, 400, 401, 403, 404, 405, 408, 413, 414, 417, 421, 429, 431, 501, 505}


def test_answers_in_a_drain_have_them_too(make_gateway, trust):
    server = make_gateway().start()
    key = server.create_key().key
    with raw.Connection(server) as connection:
        body = CHAT % (b"/pace 100ms\\n/tokens 8", b',"stream":true')
        connection.send(request("POST", "/v1/chat/completions", f"Authorization: Bearer {key}", body=body))
        assert connection.fill()
        assert server.process is not None
        server.process.terminate()
        answer = connection.answer()
    assert answer.status == 200 and answer.body.endswith(b"data: [DONE]\n\n")
    for field, pattern in FIELDS.items():
        assert re.fullmatch(pattern, answer.field(field) or ""), field
    assert server.process.wait(20) == 0


# The same walk, and a server that leaves a field out.


class Stripping:
    """In front of a gateway's two doors: what comes back lacks one field. Serves until it is closed."""

    def __init__(self, server, certificate: tuple[str, str], field: str) -> None:
        self.server, self.field = server, field.encode()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*certificate)
        self.listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        self.ports = [listener.getsockname()[1] for listener in self.listeners]
        for listener, secure in zip(self.listeners, (True, False)):
            threading.Thread(target=self._accept, args=(listener, secure), daemon=True).start()

    def close(self) -> None:
        for listener in self.listeners:
            listener.close()

    def _accept(self, listener: socket.socket, secure: bool) -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(plain, secure), daemon=True).start()

    def _serve(self, plain: socket.socket, secure: bool) -> None:
        try:
            with plain if not secure else self.context.wrap_socket(plain, server_side=True) as client:
                with raw.Connection(self.server, secure) as upstream:
                    client.settimeout(0.1)
                    try:
                        while data := client.recv(65_536):
                            upstream.send(data)
                    except (TimeoutError, OSError):
                        pass
                    while upstream.fill():
                        pass
                    client.settimeout(5)
                    client.sendall(re.sub(rb"\r\n" + self.field + rb": [^\r]*", b"", upstream.received, flags=re.I))
                    if secure:
                        client.unwrap()
        except OSError:
            pass


@pytest.mark.parametrize("field", FIELDS)
def test_the_walk_names_a_field_that_is_missing(walked, server_certificate, field):
    front = Stripping(walked, server_certificate, field)
    door = Door(walked, *front.ports)
    try:
        for sample in ("GET /v1/models, a key", "foreign host in clear", "505"):
            wrong, _ = faults(door, sample)
            assert wrong and all(f": {field}: []" in each for each in wrong), wrong
    finally:
        front.close()
