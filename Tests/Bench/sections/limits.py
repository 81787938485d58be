# SPDX-License-Identifier: Apache-2.0
"""What limits cost: a decision of the limiter by itself, the gateway with every limit and without any, an answer while a breaker is
open, and a neighbour's calls in a storm of addresses and keys."""

import concurrent.futures
import dataclasses
import json
import os
import re
import resource
import socket
import statistics
import subprocess
import threading
import time
from collections import Counter

from load import ATTEMPTS, HERE, NOISE_MAX, STOLEN_MAX, Sample, interleaved, measure as run_load
from machine import LOAD_CORE, ROOT, SERVER_CORE, Invalid, busy_seconds, memory_bytes, processor_seconds, spawn
from report import Spread, Table, at_least, at_most, percentile
from sections.audit import Bare
from servers import Bench, Gatehouse, Nginx, NginxServer

ORDER = 32
PROGRAM = ROOT / ".build/release/LimiterBench"
ROUNDS = 7
BUCKETS = [1, 10_000, 1_000_000]
# What is asked, its name while it is decided, and its name when it is settled.
DECISIONS = [
    ("requests", "a request of a key and its tenant, four rates", "… when it is over"),
    ("refusals", "… refused, the key's limit being reached", None),
    ("budgets", "a call held back from six budgets of four, nested", "… settled"),
    ("units", "units charged for key, tenant, person, address, server", "… settled"),
]
CONNECTIONS = 32
CPU_BAR = 1.25
THROUGHPUT_BAR = 0.8
OPEN_BAR_MS = 5
LATE_BAR = 2.0
MEMORY_BAR_MIB = 96
# Within a minute.
ADDRESSES, KEYS = 50_000, 10_000
STORM_SECONDS = 60
# Whose word about the address of a client is taken.
PROXY = "127.0.0.5"
FAR, FAR_UNITS = 1_000_000_000, 1_000_000_000_000


def measure(bench: Bench) -> Table:
    # A person behind the key, so that there are limits of people too.
    body = json.loads(bench.body(False).read_text())
    bench.body(False).write_text(json.dumps({**body, "user": "ana"}))
    table = decisions(bench)
    stages, staged = with_and_without(bench)
    opened, waits = open_circuit(bench)
    stormed, storm = in_a_storm(bench)
    note = (
        "Calls of a key with its tenant, person and address: rates of requests, tokens and units, what is under way, and money held back "
        "before and settled behind. *Without*: with records and usage as well, and no `[limiter]`. *Bare*: without records too. "
        f"The storm: {storm['addresses']:,} addresses with keys that are none, as a trusted proxy tells them, and {storm['keys']:,} keys of one "
        f"tenant, evenly over {storm['seconds']:.0f} s, beside a client's 32 connections; its memory is what the server has more behind it."
    )
    rows = [*stages, *opened, *stormed]
    table.more.append(Table("With every limit, an open breaker, a storm", ["", "", "ratio (range)", "bar", ""], rows, note))
    table.data = {"decisions": table.data, "stages": staged, "open": waits, "storm": storm}
    return table


# What a decision costs


def decisions(bench: Bench) -> Table:
    rounds = 3 if bench.quick else ROUNDS
    found = {kind: {count: once(kind, count, rounds) for count in BUCKETS} for kind, _, _ in DECISIONS}

    def cells(kind: str, part: str) -> list[str]:
        return [
            Spread.of([time / one["decisions"] for time in one[part]]).ranged(0, "") for one in found[kind].values()
        ]

    rows = []
    for kind, decided, settled in DECISIONS:
        rows.append([f"{decided}, ns", *cells(kind, "decide")])
        if settled:
            rows.append([f"{settled}, ns", *cells(kind, "settle")])
    for kind, name in (("requests", "requests"), ("budgets", "budgets"), ("units", "units")):
        sizes = [found[kind][count]["bytes"] for count in BUCKETS[1:]]
        rows.append([f"memory of a bucket of {name}, bytes", "", *(f"{size:,}" for size in sizes)])
    full = once("full", 10_000, 1)
    rows.append(["… of requests, with something in each granule of a minute", "", f"{full['bytes']:,}", ""])
    note = (
        f"Processor time of one thread, {rounds} rounds of {100_000:,} decisions for buckets by chance, median (least–most). A bucket is "
        "what is counted of one key, tenant, node, person or address, with all its windows or sums; at a million it is in no cache."
    )
    columns = ["live buckets", *(f"{count:,}" for count in BUCKETS)]
    return Table("What a decision of the limiter costs", columns, rows, note, found)


def once(kind: str, buckets: int, rounds: int) -> dict:
    command = [str(PROGRAM), kind, str(buckets), str(rounds)]
    process = spawn(command, SERVER_CORE, stdout=subprocess.PIPE, text=True)
    output, _ = process.communicate(timeout=600)
    if process.returncode != 0:
        raise Invalid(f"LimiterBench {kind} {buckets}: {output}")
    Bench.say(f"  {kind} {buckets:,}: {output.strip()}")
    return json.loads(output)


# Servers


class Unlimited(Gatehouse):
    """With records and usage, and without limits."""

    name = "unlimited"

    def tables(self) -> dict:
        tables = super().tables()
        del tables["limiter"]
        return {**tables, "audit": {}}


class Limited(Gatehouse):
    """With every kind of limit for everybody, too high to be reached."""

    name = "limited"

    def tables(self) -> dict:
        tables = super().tables()
        for model in tables["gateway.model"]:
            model.update(input_price="0.15", output_price="0.60")
        many = [f"{FAR} requests/minute", f"{FAR} requests/hour", f"{FAR_UNITS} tokens/minute", f"{FAR_UNITS} units/hour"]
        limiter = {
            "key": [*many, "100000 concurrent"], "tenant": [*many, "100000 concurrent"], "user": many,
            "address": [f"{FAR} requests/hour", f"{FAR_UNITS} units/hour"], "instance": [f"{FAR_UNITS} units/hour"],
            "key_budget": ["$1000000/day", "$9000000/month"], "tenant_budget": ["$9000000/month", f"{FAR_UNITS} tokens total"],
            "user_budget": ["$1000000/month"],
        }  # fmt: skip
        return {**tables, "limiter": limiter, "audit": {}, "http": {**tables["http"], "trusted_proxies": [PROXY]}}

    def verify(self) -> None:
        super().verify()
        listed = json.loads(self.get("/v1/limits"))["data"]
        if not any("dollars" in limit["name"] and limit["remaining"] != limit["limit"] for limit in listed):
            raise Invalid(f"nothing is counted: {listed}")

    def get(self, path: str) -> bytes:
        with Wire(self.bench, self) as wire:
            return wire.all([f"GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {self.key}\r\n\r\n".encode()])[0][1]

    def accounts(self) -> int:
        """How many the limiter holds, as the operator reads it."""
        with socket.socket(socket.AF_UNIX) as operator:
            operator.connect(str(self.directory / "data/admin.sock"))
            operator.sendall(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            text = b"".join(iter(lambda: operator.recv(65536), b"")).decode()
        return int(re.search(r"^gatehouse_limiter_accounts (\d+)", text, re.MULTILINE)[1])


def with_and_without(bench: Bench) -> tuple[list[list[str]], dict]:
    with Bare(bench) as bare, Unlimited(bench) as unlimited, Limited(bench) as limited, Nginx(bench) as nginx:
        samples = interleaved(bench, [bare, unlimited, limited, nginx], CONNECTIONS)

    def spread(name: str, field: str) -> Spread:
        return Spread.of([getattr(sample, field) for sample in samples[name]])

    def ratio(field: str, other: str) -> Spread:
        return Spread.of([getattr(a, field) / getattr(b, field) for a, b in zip(samples["limited"], samples[other])])

    used = {name: f"{spread(name, 'processor_microseconds').text(1)} µs" for name in samples}
    rate = {name: spread(name, "requests_per_second").text() for name in samples}
    cpu, bare_cpu = ratio("processor_microseconds", "unlimited"), ratio("processor_microseconds", "bare")
    throughput = ratio("requests_per_second", "nginx")
    rows = [
        [f"processor time of a request, with every limit {used['limited']}", f"without {used['unlimited']}", cpu.ranged(),
         f"≤ {CPU_BAR}×", at_most(cpu, CPU_BAR)],
        ["… beside a bare one", f"bare {used['bare']}", bare_cpu.ranged(), "", ""],
        [f"requests a second, with every limit {rate['limited']}", f"nginx {rate['nginx']}", throughput.ranged(),
         f"≥ {THROUGHPUT_BAR}×", at_least(throughput, THROUGHPUT_BAR)],
    ]  # fmt: skip
    return rows, {name: [dataclasses.asdict(sample) for sample in found] for name, found in samples.items()}


# While a breaker is open


class Failing(NginxServer):
    """An upstream that answers 500."""

    name = "failing"
    core = LOAD_CORE
    scheme = "http"

    def body(self) -> str:
        return f"""
  server {{
    listen 127.0.0.1:{self.ports[0]} backlog=4096;
    location /requests {{ stub_status; }}
    location / {{ return 500 '{{"error":{{"message":"no"}}}}'; }}
  }}"""


class Guarded(Gatehouse):
    """Its models' provider fails, and their breakers open for longer than the bench lasts."""

    name = "guarded"

    def __init__(self, bench: Bench, upstream: NginxServer) -> None:
        self.upstream = upstream
        super().__init__(bench)

    def tables(self) -> dict:
        tables = super().tables()
        for provider in tables["gateway.provider"]:
            provider.update(
                base_url=f"http://127.0.0.1:{self.upstream.ports[0]}/v1", breaker_failures=50, breaker_calls=4, breaker_pause="300s"
            )
        return tables


def open_circuit(bench: Bench) -> tuple[list[list[str]], dict]:
    histograms = {1: Counter(), CONNECTIONS: Counter()}
    with Failing(bench) as upstream, Guarded(bench, upstream) as server, Wire(bench, server) as wire:
        body = bench.body(False).read_bytes()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {server.key}\r\n"
        call = f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
        statuses = [wire.all([call])[0][0] for _ in range(6)]
        if statuses[0] != 502 or statuses[-1] != 503 or wire.field("retry-after") is None:
            raise Invalid(f"the breaker has not opened: {statuses}, retry-after {wire.field('retry-after')}")
        asked = upstream_requests(upstream)
        for _ in range(bench.pairs):
            for connections, histogram in histograms.items():
                histogram.update(quietly(bench, server, upstream, connections))
        if upstream_requests(upstream) != asked + 1:
            raise Invalid("the upstream was asked while the breaker was open")
    rows, data = [], {}
    for connections, histogram in histograms.items():
        late = {share: percentile(histogram, share) for share in (0.5, 0.99, 1)}
        data[connections] = {"samples": histogram.total(), **{f"p{100 * share:.0f}": value for share, value in late.items()}}
        verdict = at_most(Spread.of([late[0.99] / 1000]), OPEN_BAR_MS)
        rows.append([
            f"an answer while a breaker is open, p50 / p99 {late[0.5]:,} / {late[0.99]:,} µs",
            f"{connections} connection{'s' if connections > 1 else ''}, {histogram.total():,} answers", "", f"p99 ≤ {OPEN_BAR_MS} ms", verdict,
        ])  # fmt: skip
    return rows, data


def upstream_requests(upstream: NginxServer) -> int:
    import urllib.request

    with urllib.request.urlopen(upstream.url(False) + "/requests", timeout=30) as answer:
        return int(answer.read().split()[9])


def quietly(bench: Bench, server: Gatehouse, upstream: NginxServer, connections: int) -> dict[int, int]:
    """A run without loud neighbours, which would make late what is not; tries again a few times."""
    noise = 0.0
    for _ in range(ATTEMPTS):
        tracked = [os.getpid(), *server.pids, *upstream.pids, *bench.upstream.pids]
        began, others, (busy, stolen) = time.monotonic(), processor_seconds(tracked), busy_seconds()
        # What the load itself used is counted when it has ended.
        load = resource.getrusage(resource.RUSAGE_CHILDREN)
        histogram = refused(bench, server, connections)
        wall, others = time.monotonic() - began, processor_seconds(tracked) - others
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        others += after.ru_utime + after.ru_stime - load.ru_utime - load.ru_stime
        now_busy, now_stolen = busy_seconds()
        noise, stolen = (now_busy - busy - others) / wall, (now_stolen - stolen) / wall
        if noise <= NOISE_MAX and stolen <= STOLEN_MAX:
            return histogram
        bench.say(f"  noise {noise:.2f}, stolen {stolen:.2f} of a core: a run is thrown away")
    raise Invalid(f"others used {noise:.2f} of a core; load {os.getloadavg()}")


def refused(bench: Bench, server: Gatehouse, connections: int) -> dict[int, int]:
    """How late refusals were, in µs: those of a run in which nothing else was answered."""
    out = bench.directory / "wrk.json"
    out.unlink(missing_ok=True)
    url = server.url(False)
    environment = {
        **os.environ, "BENCH_HOST": f"localhost:{url.rpartition(':')[2]}", "BENCH_KEY": server.key,
        "BENCH_BODY": str(bench.body(False)), "BENCH_OUT": str(out), "BENCH_HISTOGRAM": "1",
    }  # fmt: skip
    command = ["wrk", "-t1", f"-c{connections}", "-d2s", "--timeout", "20s", "-s", str(HERE / "wrk.lua"), url]
    wrk = spawn(command, LOAD_CORE, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output, _ = wrk.communicate(timeout=60)
    if wrk.returncode != 0 or not out.exists():
        raise Invalid(f"wrk failed: {output.decode(errors='replace')[-500:]}")
    figures = json.loads(out.read_text())
    errors = figures["errors"]
    if errors.pop("status") != figures["requests"] or any(errors.values()):
        raise Invalid(f"other answers than refusals: {figures['requests']}, {errors}")
    return dict(figures["histogram"])


# A storm


class Wire:
    """A connection on which many requests are sent at once."""

    def __init__(self, bench: Bench, server: Gatehouse, source: str = "127.0.0.1") -> None:
        raw = socket.create_connection(("127.0.0.1", server.ports[0]), 60, (source, 0))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = bench.trust.wrap_socket(raw, server_hostname="localhost")
        self.received = b""
        self.head = ""

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def until(self, end) -> int:
        while (place := end()) < 0:
            data = self.socket.recv(65536)
            if not data:
                raise Invalid(f"a connection was closed behind {self.head!r}")
            self.received += data
        return place

    def all(self, requests: list[bytes]) -> list[tuple[int, bytes]]:
        """The answers to all of them."""
        self.socket.sendall(b"".join(requests))
        answers = []
        for _ in requests:
            place = self.until(lambda: self.received.find(b"\r\n\r\n"))
            self.head, self.received = self.received[:place].decode("latin-1"), self.received[place + 4 :]
            length = int(self.field("content-length") or 0)
            self.until(lambda: length if len(self.received) >= length else -1)
            body, self.received = self.received[:length], self.received[length:]
            answers.append((int(self.head[9:12]), body))
        return answers

    def field(self, name: str) -> str | None:
        found = re.search(rf"^{name}: *(.*)$", self.head, re.MULTILINE | re.IGNORECASE)
        return found[1].strip() if found else None


def make_keys(bench: Bench, server: Limited, count: int) -> list[str]:
    manager = server.make_key("manager", "chat", "keys.read", "keys.write")["key"]
    wires = 8

    def some(first: int) -> list[str]:
        made = []
        with Wire(bench, server) as wire:
            for number in range(first, count, wires):
                body = json.dumps({"name": f"k{number}", "scopes": ["chat"]}).encode()
                head = f"POST /v1/keys HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {manager}\r\ncontent-type: application/json\r\n"
                status, answer = wire.all([f"{head}content-length: {len(body)}\r\n\r\n".encode() + body])[0]
                if status not in (200, 201):
                    raise Invalid(f"no key: {answer!r}")
                made.append(json.loads(answer)["key"])
        return made

    with concurrent.futures.ThreadPoolExecutor(wires) as pool:
        return [key for keys in pool.map(some, range(wires)) for key in keys]


class Storm:
    """Each request comes from another address; each sixth with the next good key, the others with one that is none. Goes on where it
    was when it is entered again, at the same pace, and to its end when it is told to."""

    batch = 20

    def __init__(self, bench: Bench, server: Limited, addresses: int, keys: list[str], seconds: float) -> None:
        self.bench, self.server, self.seconds = bench, server, seconds
        self.requests = self.made(addresses, keys)
        self.pause = seconds * self.batch / len(self.requests)
        self.statuses: Counter = Counter()
        self.took = 0.0
        self.place = 0
        self.failures: list[Exception] = []

    @staticmethod
    def made(addresses: int, keys: list[str]) -> list[bytes]:
        total, good = addresses + len(keys), iter(keys)
        requests = []
        for number in range(total):
            key = next(good, None) if number * len(keys) // total != (number + 1) * len(keys) // total else None
            address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
            requests.append(
                f"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key or f'ghk_{number:049d}'}\r\n"
                f"x-forwarded-for: {address}\r\n\r\n".encode()
            )
        return requests

    @property
    def goes_on(self) -> bool:
        return self.place < len(self.requests) and not self.over.is_set()

    def run(self) -> None:
        try:
            began = due = time.monotonic()
            while self.goes_on:
                # A connection serves ten thousand requests.
                with Wire(self.bench, self.server, PROXY) as wire:
                    until = self.place + 5000
                    while self.goes_on and self.place < until:
                        some = self.requests[self.place : self.place + self.batch]
                        self.statuses.update(status for status, _ in wire.all(some))
                        self.place += len(some)
                        due += self.pause
                        time.sleep(max(0, due - time.monotonic()))
            self.took += time.monotonic() - began
        except Exception as failure:
            self.failures.append(failure)

    def __enter__(self) -> "Storm":
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()

    def finish(self) -> None:
        with self:
            self.thread.join()
        if self.failures:
            raise Invalid(f"storm: {self.failures}")


def in_a_storm(bench: Bench) -> tuple[list[list[str]], dict]:
    addresses, count, seconds = (5000, 1000, 6) if bench.quick else (ADDRESSES, KEYS, STORM_SECONDS)
    calm: list[Sample] = []
    late: list[Sample] = []

    def run(server: Gatehouse) -> Sample:
        return run_load(bench, server, stream=False, connections=CONNECTIONS, seconds=bench.seconds)

    with Limited(bench) as server:
        server.verify()
        keys = make_keys(bench, server, count)
        run(server)
        before, accounts_before = memory_bytes(server.pids, "Rss"), server.accounts()
        storm = Storm(bench, server, addresses, keys, seconds)
        for number in range(bench.pairs):
            # Which comes first is changed about, so that what goes up or down with time is in both.
            if number % 2:
                calm.append(run(server))
            with storm:
                late.append(run(server))
            if not number % 2:
                calm.append(run(server))
        storm.finish()
        grown, accounts = memory_bytes(server.pids, "Rss") - before, server.accounts() - accounts_before
    if storm.statuses != {200: count, 401: addresses}:
        raise Invalid(f"storm: {storm.statuses}")
    ratio = Spread.of([one.p99 / other.p99 for one, other in zip(late, calm)])
    mib, fits = grown / (1 << 20), at_most(Spread.of([grown / (1 << 20)]), MEMORY_BAR_MIB)
    middle = {name: statistics.median(sample.p99 for sample in found) for name, found in (("calm", calm), ("late", late))}
    rows = [
        [f"a neighbour's p99 in a storm {middle['late']:,.0f} µs", f"calm {middle['calm']:,.0f} µs", ratio.ranged(), f"≤ {LATE_BAR:g}×",
         at_most(ratio, LATE_BAR)],
        [f"memory of the storm {mib:,.1f} MiB", f"{accounts:,} accounts more", "", f"≤ {MEMORY_BAR_MIB} MiB", fits],
    ]  # fmt: skip
    data = {
        "addresses": addresses, "keys": count, "seconds": storm.took, "grown": grown, "accounts": accounts,
        "calm": [dataclasses.asdict(sample) for sample in calm], "storm": [dataclasses.asdict(sample) for sample in late],
    }  # fmt: skip
    return rows, data
