# SPDX-License-Identifier: Apache-2.0
"""A storm of addresses and keys (row S1): what the limiter keeps of them is bounded, and a neighbour is answered all along.
GATEHOUSE_PROVE=1 is the storm of 50,000 addresses and 10,000 keys within a minute, and asks how late the neighbour was."""

import concurrent.futures
import multiprocessing
import os
import threading
import time

import httpx2
import pytest
import raw

PROVE = bool(os.environ.get("GATEHOUSE_PROVE"))
ADDRESSES, KEYS = (50_000, 10_000) if PROVE else (1_500, 60)
PROXY = "127.0.0.5"
WORKERS = 4
# What all of it may cost, whoever comes from wherever.
BYTES_MAX = 96 << 20
GET = "GET /v1/models HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\nx-forwarded-for: {address}\r\n\r\n"


class Door:
    """What a worker needs of a server."""

    def __init__(self, server, authority):
        self.port, self.authority = server.port, authority

    @property
    def trust(self):
        import ssl

        return ssl.create_default_context(cafile=self.authority)


def resident(server) -> int:
    with open(f"/proc/{server.process.pid}/status") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("VmRSS"))


def storm(door, first, count, keys, pause, found):
    """Each request from another address; each fifth with a good key, each with the next one."""
    statuses = {}
    # A connection serves ten thousand requests.
    for start in range(first, first + count, 5000):
        with raw.Connection(door, source=PROXY) as connection:
            for number in range(start, min(start + 5000, first + count)):
                address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
                key = keys[number // 5 % len(keys)] if number % 5 == 0 else f"ghk_{number:049d}"
                connection.send(GET.format(key=key, address=address).encode())
                status = connection.answer().status
                statuses[status] = statuses.get(status, 0) + 1
                if pause:
                    time.sleep(pause)
    found.put(statuses)


def make_keys(server, count):
    maker = server.create_key(scopes=["chat", "keys.write", "keys.read"])
    with httpx2.Client(
        base_url=server.base, verify=server.trust, timeout=60, headers={"authorization": f"Bearer {maker.key}"}
    ) as http:

        def one(number):
            made = http.post("/v1/keys", json={"name": f"k{number}", "scopes": ["chat"]})
            assert made.status_code in (200, 201), made.text
            return made.json()["key"]

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            return list(pool.map(one, range(count)))


class Neighbour(threading.Thread):
    """Asks again and again, and notes how long each answer took."""

    def __init__(self, server, key):
        super().__init__()
        self.server, self.key, self.times, self.statuses = server, key, [], set()
        self.over = threading.Event()

    def run(self):
        with raw.Connection(self.server) as connection:
            while not self.over.is_set():
                began = time.perf_counter()
                connection.send(f"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {self.key}\r\n\r\n".encode())
                self.statuses.add(connection.answer().status)
                self.times.append(time.perf_counter() - began)
                time.sleep(0.004)

    def late(self):
        self.over.set()
        self.join()
        return sorted(self.times)[len(self.times) * 99 // 100]


@pytest.mark.prove
@pytest.mark.once
def test_a_storm_of_addresses_and_keys_stays_within_its_memory_and_a_neighbour_is_answered(make_gateway, authority):
    server = make_gateway(
        {
            "limiter": {
                "address": ["1000000 requests/hour"], "unauthenticated": ["600 requests/minute"], "block_points": 100,
            },
            "http": {"trusted_proxies": [PROXY]},
        }
    )  # fmt: skip
    with server:
        keys = make_keys(server, KEYS)
        mine = server.create_key(scopes=["chat"]).key
        calm = Neighbour(server, mine)
        calm.start()
        time.sleep(15 if PROVE else 0.3)
        before_p99 = calm.late()
        before = resident(server)
        found = multiprocessing.get_context("spawn").Queue()
        pause = max(0, 55 * WORKERS / ADDRESSES - 0.002) if PROVE else 0
        door, each = Door(server, authority.certificate), ADDRESSES // WORKERS
        workers = [
            multiprocessing.get_context("spawn").Process(target=storm, args=(door, number * each, each, keys, pause, found))
            for number in range(WORKERS)
        ]
        neighbour = Neighbour(server, mine)
        neighbour.start()
        for worker in workers:
            worker.start()
        statuses: dict[int, int] = {}
        for _ in workers:
            for status, count in found.get(timeout=300).items():
                statuses[status] = statuses.get(status, 0) + count
        for worker in workers:
            worker.join()
        p99 = neighbour.late()
        grown = resident(server) - before
        print(f"storm: {statuses}, {grown >> 20} MiB more, p99 {before_p99 * 1000:.2f} ms calm, {p99 * 1000:.2f} ms within")
        # Nobody shares an address, so that nobody is refused for a neighbour.
        assert statuses == {200: ADDRESSES // 5, 401: ADDRESSES - ADDRESSES // 5}
        assert neighbour.statuses == {200}
        assert grown < BYTES_MAX
        if PROVE:
            assert p99 <= 2 * before_p99
