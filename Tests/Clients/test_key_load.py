# SPDX-License-Identifier: Apache-2.0
"""Row W2 under load: keys are rotated and revoked while as many requests as the server takes go through all its loops."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import threading
import time

import httpx2
import pytest

pytestmark = pytest.mark.usefixtures("gateway")

# `make bench` does the same at the rate of the release build (section `people`).
SECONDS = 40 if os.environ.get("GATEHOUSE_PROVE") else 3
CONNECTIONS = 16
BATCH = 4
# The server ends a connection behind its ten thousandth answer.
REQUESTS_MAX = 9_000
BODY = json.dumps({"model": "echo", "messages": [{"role": "user", "content": "hi"}]}).encode()


def post(key: str) -> bytes:
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n"
    return f"{head}content-type: application/json\r\ncontent-length: {len(BODY)}\r\n\r\n".encode() + BODY


class Wire:
    """One connection, which is kept; requests leave many at a time, and statuses come back."""

    def __init__(self, server, number: int = 0) -> None:
        # From addresses of their own: one address may hold so many connections at once.
        self.server, self.number = server, number
        self.open()

    def open(self) -> None:
        raw = socket.create_connection(("127.0.0.1", self.server.port), 120, (f"127.0.5.{self.number % 250 + 1}", 0))
        self.left = REQUESTS_MAX
        self.stream = self.server.trust.wrap_socket(raw, server_hostname="localhost")
        self.buffer = b""

    def ask(self, key: str, count: int = 1) -> list[int]:
        if self.left < count:
            self.close()
            self.open()
        self.left -= count
        self.stream.sendall(post(key) * count)
        return [self.answer() for _ in range(count)]

    def answer(self) -> int:
        while b"\r\n\r\n" not in self.buffer:
            self.more()
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        length = next(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:"))
        while len(self.buffer) < length:
            self.more()
        self.buffer = self.buffer[length:]
        return int(head.split(b" ", 2)[1])

    def more(self) -> None:
        piece = self.stream.recv(65536)
        assert piece, "the server closed a connection under load"
        self.buffer += piece

    def begin(self, key: str) -> None:
        """Begins an answer that goes on for a day."""
        head = f"GET /v1/usage/live HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n\r\n"
        self.stream.sendall(head.encode())
        while b"\r\n\r\n" not in self.buffer:
            self.more()
        assert self.buffer.startswith(b"HTTP/1.1 200 "), self.buffer

    def drain(self) -> None:
        """Reads until the server ends the connection."""
        with contextlib.suppress(ConnectionResetError, ssl.SSLEOFError):
            while self.stream.recv(65536):
                pass

    def close(self) -> None:
        self.stream.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory, server_certificate, authority):
    from gateway import Gateway

    tables = {
        "gateway.provider": [{"name": "builtin", "kind": "builtin"}],
        "gateway.model": [{"name": "echo", "provider": "builtin"}],
        "limiter": {"requests_per_hour": 1_000_000_000},
    }
    with Gateway(tmp_path_factory.mktemp("load"), server_certificate, authority.certificate, tables) as made:
        yield made


@pytest.fixture
def manager(server):
    key = server.create_key("manager", scopes=["keys.read", "keys.write", "chat", "usage.read"]).key
    headers = {"authorization": f"Bearer {key}"}
    with httpx2.Client(base_url=server.base, verify=server.trust, headers=headers, timeout=120) as http:
        yield http


@pytest.fixture
def load(server, manager):
    """Requests on many connections, with whatever key `texts` has last; gives what came of them."""
    made = manager.post("/v1/keys", json={"name": "rotated", "scopes": ["chat"]}).json()
    texts, statuses, failures, stop = [made["key"]], [], [], threading.Event()
    told = [0] * CONNECTIONS

    # One after the other: a busy machine lets a handshake wait for longer than a server should.
    wires = []
    for number in range(CONNECTIONS):
        wires.append(Wire(server, 100 + number))
        statuses += wires[-1].ask(texts[0])

    def work(number):
        try:
            wire = wires[number]
            while not stop.is_set():
                latest = len(texts) - 1
                statuses.extend(wire.ask(texts[latest], BATCH))
                told[number] = latest
            wire.close()
        except Exception as error:
            failures.append(repr(error))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    yield made["id"], texts, statuses, told
    stop.set()
    for thread in threads:
        thread.join(120)
    assert failures == []
    assert set(statuses) == {200}


@pytest.mark.prove
@pytest.mark.once
@pytest.mark.timeout(300)
def test_no_request_fails_while_keys_are_rotated_under_load(manager, load):
    key, texts, statuses, told = load
    end = time.monotonic() + SECONDS
    while time.monotonic() < end or len(texts) < 4:
        rotated = manager.post(f"/v1/keys/{key}/rotate", json={"grace_seconds": 60})
        assert rotated.status_code == 200, rotated.text
        texts.append(rotated.json()["key"])
        # Everybody has been told before the text before that one goes.
        while min(told) < len(texts) - 1:
            time.sleep(0.01)
    assert len(statuses) >= 4 * CONNECTIONS * BATCH


@pytest.mark.prove
@pytest.mark.once
@pytest.mark.timeout(300)
def test_a_revocation_is_seen_by_the_next_request_on_every_connection_of_every_loop(server, manager, load):
    statuses = load[2]
    end = time.monotonic() + SECONDS
    rounds = 0
    while rounds < 1 or time.monotonic() < end:
        rounds += 1
        made = manager.post("/v1/keys", json={"name": "revoked", "scopes": ["chat", "usage.read"]}).json()
        # So many that the kernel gives each loop its share (SO_REUSEPORT).
        wires, streams = [], []
        for number in range(24):
            wires.append(Wire(server, number))
            assert wires[-1].ask(made["key"]) == [200]
        for number in range(4):
            streams.append(Wire(server, 200 + number))
            streams[-1].begin(made["key"])
        before = len(statuses)
        assert manager.delete(f"/v1/keys/{made['id']}").status_code == 200
        assert [wire.ask(made["key"])[0] for wire in wires] == [401] * len(wires)
        assert len(statuses) > before
        # Of its own an open stream would go on for a day.
        for stream in streams:
            stream.drain()
        for wire in [*wires, *streams]:
            wire.close()
