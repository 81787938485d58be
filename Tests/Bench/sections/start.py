# SPDX-License-Identifier: Apache-2.0
"""How long after exec the first answer is there, and how large the program is."""

import re
import socket
import ssl
import time

from machine import SERVER_CORE, Invalid, run, spawn
from report import MET, MISSED, Spread, Table, at_most
from servers import BINARY, Bench, Gatehouse

ORDER = 60
READY_MAX_MILLISECONDS = 50
SIZE_MAX = 20_000_000
RUNS = 21


def measure(bench: Bench) -> Table:
    gatehouse = Gatehouse(bench)
    # Twice, so that the data directory is there and the file is read: a start is mostly a restart.
    for _ in range(2):
        gatehouse.start()
        gatehouse.stop()
    ready = Spread.of([milliseconds(bench, gatehouse) for _ in range(5 if bench.quick else RUNS)])
    size = BINARY.stat().st_size
    libraries = re.findall(r"^\s*(lib\S+)", run("ldd", str(BINARY)), re.MULTILINE)
    if any("swift" in library for library in libraries) or ".symtab" in run("readelf", "-SW", str(BINARY)):
        raise Invalid(f"{BINARY.name} is not the program that is delivered: make release")
    rows = [
        ["first answer over TLS after exec", ready.ranged(1, " ms"), "≤ 50 ms", at_most(ready, READY_MAX_MILLISECONDS)],
        ["stripped binary, Swift runtime inside", f"{size / 1e6:.1f} MB", "≤ 20 MB", MET if size <= SIZE_MAX else MISSED],
    ]
    data = {"ready_milliseconds": ready.__dict__, "bytes": size, "libraries": libraries}
    return Table("Start and size", ["", "Gatehouse", "bar", ""], rows, "", data)


def milliseconds(bench: Bench, gatehouse: Gatehouse) -> float:
    """From before the fork to the end of the head of a 200. The waiting client never sleeps, or it would add its nap."""
    request = f"GET /readyz HTTP/1.1\r\nhost: localhost:{gatehouse.ports[0]}\r\nconnection: close\r\n\r\n".encode()
    with open(gatehouse.directory / "output.log", "ab") as output:
        start = time.monotonic()
        gatehouse.process = spawn(
            gatehouse.command(), SERVER_CORE, cwd=gatehouse.directory, env=gatehouse.environment(), stdout=output, stderr=output
        )
        try:
            while time.monotonic() - start < 10:
                try:
                    with socket.create_connection(("127.0.0.1", gatehouse.ports[0]), 5) as plain:
                        with bench.trust.wrap_socket(plain, server_hostname="localhost") as secure:
                            secure.sendall(request)
                            if secure.recv(4096).startswith(b"HTTP/1.1 200"):
                                return (time.monotonic() - start) * 1000
                except (ConnectionError, ssl.SSLError):
                    continue
            raise Invalid("not ready after 10 s")
        finally:
            gatehouse.stop()
