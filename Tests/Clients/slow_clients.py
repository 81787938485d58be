# SPDX-License-Identifier: Apache-2.0
"""Many clients that are slow on purpose, in a process of their own, from many addresses of the loopback.

    slow_clients.py ORDER      (JSON: port, count, addresses, kinds, key, again, drip)

Kinds: `head` and `body` send a byte now and then, `reader` asks for much and reads nothing, `idle` shakes hands and says
nothing more, `handshake` sends half of one. It prints a line of JSON each half second, `{"built": true once all have been
tried, "open", "closed", "refused"}`, and ends with its standard input.
"""

from __future__ import annotations

import json
import resource
import select
import socket
import ssl
import sys
import time

HELLO = bytes.fromhex("16030100c0010000bc0303") + bytes(20)
OPENERS = {
    "head": "GET /livez HTTP/1.1\r\nHost: localhost\r\nX: ",
    "body": "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
    "Content-Type: application/json\r\nContent-Length: 60000\r\n\r\n{{",
    "reader": "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 40,
    "idle": "",
}


class Clients:
    def __init__(self, order: dict) -> None:
        self.order = order
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE
        self.open: dict[int, tuple[socket.socket, str, int]] = {}
        self.closed = self.refused = self.tried = 0
        self.poll = select.poll()

    def make(self, index: int) -> None:
        """A client, from the address that is its own."""
        kind = self.order["kinds"][index % len(self.order["kinds"])]
        place = index % self.order["addresses"]
        source = f"127.0.{1 + place // 250}.{1 + place % 250}"
        made = socket.socket()
        try:
            made.settimeout(15)
            if kind == "reader":
                made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            made.bind((source, 0))
            made.connect(("127.0.0.1", self.order["port"]))
            if kind == "handshake":
                made.sendall(HELLO)
            else:
                made = self.context.wrap_socket(made, server_hostname="localhost")
                made.sendall(OPENERS[kind].format(key=self.order["key"]).encode())
            made.setblocking(False)
        except OSError:
            self.refused += 1
            made.close()
            return
        self.open[made.fileno()] = (made, kind, index)
        # Who does not read is told of the end only by what the kernel says of the connection.
        self.poll.register(made, select.POLLHUP | select.POLLERR | select.POLLRDHUP)

    def look(self) -> None:
        """Counts those that the server has ended."""
        for number, _ in self.poll.poll(0):
            made, _, index = self.open.pop(number)
            self.poll.unregister(number)
            made.close()
            self.closed += 1
            if self.order["again"]:
                self.make(index)

    def drip(self, part: int, parts: int) -> None:
        for made, kind, index in list(self.open.values()):
            if index % parts != part or kind not in ("head", "body"):
                continue
            try:
                made.send(b" ")
            except OSError:
                pass  # The next look counts it.

    def tell(self) -> None:
        line = {"built": self.tried == self.order["count"], "open": len(self.open)}
        print(json.dumps({**line, "closed": self.closed, "refused": self.refused}), flush=True)

    def run(self) -> None:
        parts = max(1, int(self.order["drip"] * 10))
        turn, told = 0, 0.0
        while True:
            start = time.monotonic()
            while self.tried < self.order["count"] and time.monotonic() - start < 0.4:
                self.make(self.tried)
                self.tried += 1
            self.look()
            self.drip(turn % parts, parts)
            turn += 1
            if time.monotonic() - told > 0.5:
                self.tell()
                told = time.monotonic()
            if select.select([sys.stdin], [], [], 0.1)[0]:
                return


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    Clients(json.loads(sys.argv[1])).run()
