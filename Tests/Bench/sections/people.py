# SPDX-License-Identifier: Apache-2.0
"""What people and their keys cost everybody else: 500 log-ins at once, and a key that is rotated all the time.

The calls in between are those of the other sections, and none of them may fail: a log-in that is refused is no failure, a call
that is would make the measurement invalid.
"""

import dataclasses
import json
import os
import selectors
import socket
import ssl
import threading
import time
import urllib.request

from load import Sample, measure as run_load
from machine import Invalid, processor_seconds
from report import Spread, Table, at_most
from servers import Bench, Gatehouse

ORDER = 35
CONNECTIONS = 32
LOGINS = 500
# What who is told to come again is told to wait.
RETRY_SECONDS = 5
ROTATION_PERIOD = 0.5
GRACE_SECONDS = 60
P99_BAR = 2.0
COLUMNS = ["32 connections", "requests/s", "p50 / p99 µs", "p99, ratio to calm (range)", "bar ≤ 2×", "beside"]


class Logins:
    """500 connections from as many addresses that log in at the same moment. Whoever has been hashed logs in again, whoever is told
    to come again does so after the time that it is told, so that there is always somebody to hash."""

    def __init__(self, bench: Bench, server: Gatehouse) -> None:
        self.stop, self.server = threading.Event(), server
        self.hashed = self.refused = 0
        self.failures: list[Exception] = []
        self.wires: list[ssl.SSLSocket] = []
        self.heads = []
        for number in range(LOGINS):
            place = (f"127.2.{number // 250}.{number % 250 + 1}", 0)
            raw = socket.create_connection(("127.0.0.1", server.ports[0]), 60, place)
            wire = bench.trust.wrap_socket(raw, server_hostname="localhost")
            # Each says something at once: a connection that does not is closed.
            wire.sendall(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n")
            wire.recv(65536)
            self.wires.append(wire)
        self.thread = threading.Thread(target=self.run)

    def ask(self, number: int) -> None:
        body = json.dumps({"email": f"nobody{number}@example.org", "password": "no password at all"}).encode()
        head = "POST /auth/login HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        self.wires[number].sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)

    def run(self) -> None:
        try:
            selector, due = selectors.DefaultSelector(), dict.fromkeys(range(LOGINS), 0.0)
            for number, wire in enumerate(self.wires):
                selector.register(wire, selectors.EVENT_READ, number)
            while not self.stop.is_set():
                now = time.monotonic()
                for number in [number for number, at in due.items() if at <= now]:
                    self.ask(number)
                    del due[number]
                for key, _ in selector.select(0.05):
                    answer = self.wires[key.data].recv(65536)
                    is_refused = b" 429 " in answer[:16]
                    self.refused += is_refused
                    self.hashed += b" 401 " in answer[:16]
                    due[key.data] = time.monotonic() + RETRY_SECONDS * is_refused
        except Exception as failure:
            self.failures.append(failure)

    def __enter__(self) -> "Logins":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join()
        for wire in self.wires:
            wire.close()
        if self.failures or self.refused == 0:
            raise Invalid(f"log-ins: {self.hashed} hashed, {self.refused} refused, {self.failures}")


class Rotation:
    """Gives the load's key another text twice a second; the one before goes on for a while, as programs need it."""

    def __init__(self, bench: Bench, server: Gatehouse, key: dict, manager: str, file) -> None:
        self.bench, self.server, self.key, self.manager, self.file = bench, server, key, manager, file
        self.stop, self.count = threading.Event(), 0
        self.failures: list[Exception] = []
        self.thread = threading.Thread(target=self.run)

    def rotate(self) -> str:
        request = urllib.request.Request(
            f"https://localhost:{self.server.ports[0]}/v1/keys/{self.key['id']}/rotate",
            json.dumps({"grace_seconds": GRACE_SECONDS}).encode(),
            {"authorization": f"Bearer {self.manager}", "content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20, context=self.bench.trust) as answer:
            return json.loads(answer.read())["key"]

    def run(self) -> None:
        try:
            while not self.stop.wait(ROTATION_PERIOD):
                write(self.file, self.rotate())
                self.count += 1
        except Exception as failure:
            self.failures.append(failure)

    def __enter__(self) -> "Rotation":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join()
        if self.failures or self.count == 0:
            raise Invalid(f"rotation: {self.count} times, {self.failures}")


def write(file, text: str) -> None:
    """Whole at every moment: the load reads it all the time."""
    fresh = file.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(file)


def rest(server: Gatehouse) -> None:
    """Until the server does nothing: log-ins that were begun are hashed to their end."""
    for _ in range(600):
        before = processor_seconds(server.pids)
        time.sleep(0.1)
        if processor_seconds(server.pids) - before < 0.005:
            return
    raise Invalid("the server does not come to rest")


def measure(bench: Bench) -> Table:
    samples: dict[str, list[Sample]] = {"calm": [], "500 log-ins at once": [], "a key rotated twice a second": []}
    calm, logins, rotated = samples.values()
    hashed = refused = rotations = 0
    file = bench.directory / "key.txt"

    def run(server: Gatehouse) -> Sample:
        return run_load(bench, server, stream=False, connections=CONNECTIONS, seconds=bench.seconds)

    with Gatehouse(bench) as server:
        server.verify()
        manager = server.make_key("manager", "chat", "keys.read", "keys.write")["key"]
        rotating = server.make_key("rotated", "chat")
        write(file, rotating["key"])
        # In all of the runs, so that they differ in nothing else.
        os.environ["BENCH_KEY_FILE"] = str(file)
        try:
            for _ in range(bench.pairs):
                calm.append(run(server))
                with Logins(bench, server) as people:
                    logins.append(run(server))
                hashed, refused = hashed + people.hashed, refused + people.refused
                rest(server)
                with Rotation(bench, server, rotating, manager, file) as rotation:
                    rotated.append(run(server))
                rotations += rotation.count
        finally:
            del os.environ["BENCH_KEY_FILE"]
    beside = ["", f"{hashed:,} hashed, {refused:,} told to come again", f"{rotations:,} rotations"]
    rows = []
    for (name, found), more in zip(samples.items(), beside):
        ratio = Spread.of([one.p99 / other.p99 for one, other in zip(found, calm)])
        rate, middle, late = (
            Spread.of([getattr(one, field) for one in found]) for field in ("requests_per_second", "p50", "p99")
        )
        rows.append([
            name, rate.text(), f"{middle.text()} / {late.text()}", "" if found is calm else ratio.ranged(),
            at_most(ratio, P99_BAR) if found is logins else "", more,
        ])  # fmt: skip
    note = "No call failed: one that does makes the measurement invalid."
    data = {name: [dataclasses.asdict(sample) for sample in found] for name, found in samples.items()}
    return Table("Beside log-ins, and while a key is rotated", COLUMNS, rows, note, data)
