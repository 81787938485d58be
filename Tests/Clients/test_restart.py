# SPDX-License-Identifier: Apache-2.0
"""Restarts under load: the sockets stay with whoever bound them (systemd; here the test), so that who comes meanwhile waits,
and the server that goes says `connection: close` with its last answers, behind which clients open anew."""

from __future__ import annotations

import http.client
import json
import os
import select
import socket
import threading
import time
from typing import Any

import pytest

from gateway import Gateway
from test_activation import launch, listening

CLIENTS = 8
LONGER = bool(os.environ.get("GATEHOUSE_PROVE"))
REQUESTS = 10_000 if LONGER else 1_000
RESTARTS = 12 if LONGER else 2


class Client(threading.Thread):
    """Asks without a pause over connections that it keeps as long as it may, as the pools of the SDKs do."""

    def __init__(self, load: Load) -> None:
        super().__init__(daemon=True)
        self.load = load
        self.connection: http.client.HTTPSConnection | None = None

    def run(self) -> None:
        number = 0
        while not self.load.enough.is_set():
            number += 1
            try:
                self.ask(is_stream=number % 10 == 0)
            except (OSError, http.client.HTTPException, AssertionError) as error:
                self.load.note("failed", f"{type(error).__name__}: {error}")
                self.connection = None
                time.sleep(0.05)

    def connected(self) -> http.client.HTTPSConnection:
        """The connection of before, unless the server has ended it since."""
        if self.connection is not None and self.connection.sock is not None:
            if not select.select([self.connection.sock], [], [], 0)[0]:
                return self.connection
            self.connection.close()
        self.load.note("opened")
        self.connection = http.client.HTTPSConnection("localhost", self.load.port, timeout=60, context=self.load.server.trust)
        self.connection.connect()
        return self.connection

    def ask(self, is_stream: bool) -> None:
        connection = self.connected()
        content = "/pace 30ms\n/tokens 5" if is_stream else "hello"
        body = {"model": "echo", "stream": is_stream, "messages": [{"role": "user", "content": content}]}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), self.load.headers)
        answer = connection.getresponse()
        is_last = answer.getheader("connection") == "close"
        text = answer.read()
        assert answer.status == 200, (answer.status, text[:200])
        assert text.endswith(b"data: [DONE]\n\n") if is_stream else b'"chat.completion"' in text, text[-200:]
        self.load.note("answered")
        if is_last:
            self.load.note("told to come anew")


class Load:
    """Clients at work on a server that comes and goes."""

    def __init__(self, server: Gateway, port: int, key: str) -> None:
        self.server, self.port = server, port
        self.headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        self.counts: dict[str, int] = {"answered": 0, "failed": 0, "opened": 0, "told to come anew": 0}
        self.failures: list[str] = []
        self.enough = threading.Event()
        self.lock = threading.Lock()
        self.clients = [Client(self) for _ in range(CLIENTS)]

    def note(self, what: str, words: str = "") -> None:
        with self.lock:
            self.counts[what] += 1
            if words:
                self.failures.append(words)

    def __enter__(self) -> Load:
        for client in self.clients:
            client.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.enough.set()
        for client in self.clients:
            client.join(90)
        print(self.counts)

    def until_more(self, count: int) -> None:
        """Waits until so many more requests came to an end."""
        wanted = self.ended + count
        deadline = time.monotonic() + 300
        while self.ended < wanted:
            assert time.monotonic() < deadline, self.counts
            time.sleep(0.005)

    @property
    def ended(self) -> int:
        return self.counts["answered"] + self.counts["failed"]


def started(make_gateway: Any, bound: socket.socket) -> tuple[Gateway, str]:
    server = make_gateway()
    launch(server, [bound], LISTEN_FDNAMES="tls")
    server.wait_ready(f"https://localhost:{bound.getsockname()[1]}")
    return server, server.create_key().key


@pytest.mark.prove
@pytest.mark.once
@pytest.mark.timeout(900)
def test_restarts_fail_nobody(make_gateway):
    with listening() as bound:
        server, key = started(make_gateway, bound)
        with Load(server, bound.getsockname()[1], key) as load:
            for _ in range(RESTARTS):
                load.until_more(REQUESTS // (RESTARTS + 1))
                assert server.stop(60) == 0
                launch(server, [bound], LISTEN_FDNAMES="tls")
            load.until_more(max(CLIENTS, REQUESTS - load.ended))
        assert not load.failures, load.failures[:10]
        assert load.counts["answered"] >= REQUESTS
        # Every client was at work in every drain.
        assert load.counts["told to come anew"] >= RESTARTS, load.counts
        assert load.counts["opened"] > CLIENTS
        assert server.stop(60) == 0


# What makes it so, and the same without it: the counting sees what fails.


def test_a_server_that_does_not_drain_fails_some(make_gateway):
    with listening() as bound:
        server, key = started(make_gateway, bound)
        with Load(server, bound.getsockname()[1], key) as load:
            load.until_more(100)
            server.kill()
            launch(server, [bound], LISTEN_FDNAMES="tls")
            load.until_more(100)
        assert load.failures
        assert server.stop(60) == 0


def test_sockets_of_its_own_fail_some(make_gateway):
    server = make_gateway().start()
    with Load(server, server.port, server.create_key().key) as load:
        load.until_more(100)
        assert server.stop(60) == 0
        load.until_more(CLIENTS)
        server.start()
        load.until_more(100)
    assert any("refused" in words.lower() for words in load.failures), load.failures[:10]
    assert server.stop(60) == 0
