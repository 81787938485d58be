# SPDX-License-Identifier: Apache-2.0
"""Connections on which a test says each byte itself, and what came back of them."""

from __future__ import annotations

import dataclasses
import socket
import ssl
from typing import Any


@dataclasses.dataclass
class Answer:
    status: int
    fields: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for field, value in self.fields if field == name]

    def field(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)


class Connection:
    """To one of a gateway's doors: over TLS, or (`secure=False`) to the plain one. `source` is the address it comes from."""

    def __init__(self, server: Any, secure: bool = True, source: str = "", timeout: float = 20) -> None:
        port = server.port if secure else server.redirect_port
        plain = socket.create_connection(("127.0.0.1", port), timeout, (source, 0) if source else None)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = server.trust.wrap_socket(plain, server_hostname="localhost") if secure else plain
        self.received = b""

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: Any) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def fill(self) -> bool:
        """Reads more. False at the end, however it came."""
        try:
            data = self.socket.recv(65_536)
        except (ConnectionError, ssl.SSLError, BrokenPipeError):
            return False
        self.received += data
        return bool(data)

    def answer(self, to_head: bool = False) -> Answer | None:
        """The next answer; None at the end of the connection."""
        while b"\r\n\r\n" not in self.received:
            if not self.fill():
                assert not self.received, f"half an answer: {self.received!r}"
                return None
        head, self.received = self.received.split(b"\r\n\r\n", 1)
        first, *lines = head.decode("latin-1").split("\r\n")
        version, status, _ = first.split(" ", 2)
        assert version == "HTTP/1.1", first
        fields = [(name.lower(), value.strip()) for name, value in (line.split(":", 1) for line in lines)]
        answer = Answer(int(status), fields, b"")
        if to_head or answer.status in (204, 304) or answer.status < 200:
            return answer
        if answer.field("transfer-encoding") == "chunked":
            answer.body = self._chunks()
        elif (length := answer.field("content-length")) is not None:
            answer.body = self._take(int(length))
        else:
            while self.fill():
                pass
            answer.body, self.received = self.received, b""
        return answer

    def rest(self, to_head: bool = False) -> list[Answer]:
        """All answers up to the end of the connection, which must come."""
        found = []
        while (answer := self.answer(to_head)) is not None:
            found.append(answer)
        return found

    def _take(self, count: int) -> bytes:
        while len(self.received) < count:
            assert self.fill(), "the body was cut"
        data, self.received = self.received[:count], self.received[count:]
        return data

    def _chunks(self) -> bytes:
        body = b""
        while True:
            while b"\r\n" not in self.received:
                assert self.fill(), "the body was cut"
            line, self.received = self.received.split(b"\r\n", 1)
            size = int(line, 16)
            data = self._take(size + 2)
            assert data.endswith(b"\r\n")
            if size == 0:
                return body
            body += data[:-2]


def exchange(server: Any, data: bytes, secure: bool = True, to_head: bool = False) -> list[Answer]:
    """Sends `data` on a new connection, and gives every answer up to its end."""
    with Connection(server, secure) as connection:
        try:
            connection.send(data)
        except (ConnectionError, ssl.SSLError):
            pass  # The server said its answer and closed while we were still talking.
        return connection.rest(to_head)
