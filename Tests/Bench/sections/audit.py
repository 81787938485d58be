# SPDX-License-Identifier: Apache-2.0
"""What the audit log, usage and limits cost: the gateway with them, and without."""

import dataclasses
import json
import subprocess
from collections import Counter
from pathlib import Path

from load import Sample, interleaved, measure as run_load
from machine import LOAD_CORE
from report import Spread, Table, at_least, at_most, percentile
from servers import ANSWER, BINARY, Bench, Gatehouse, Nginx, NginxServer, escaped

ORDER = 30
CONNECTIONS = 32
CPU_BAR = 1.25
THROUGHPUT_BAR = 0.8
COLUMNS = [
    "32 connections", "CPU µs/request", "ratio to bare (range)", "bar ≤ 1.25×", "requests/s", "ratio to nginx (range)",
    "bar ≥ 0.8×", "records/s", "bytes/record", "p50 / p99 µs",
    "added at 1 connection, p50 / p99 µs",
]  # fmt: skip


class Bare(Gatehouse):
    """With keys, and without limits and records."""

    name = "bare"

    def tables(self) -> dict:
        tables = super().tables()
        del tables["limiter"]
        return tables


class Recorded(Gatehouse):
    """With limits, records and usage."""

    name = "interval"

    def tables(self) -> dict:
        return {**super().tables(), "audit": {"sync": self.name}}

    def bytes_per_record(self) -> float:
        """Of the log's files, without the room that is allocated and not used yet."""
        used = sum(len(path.read_bytes().rstrip(b"\0")) for path in Path(self.directory, "data/audit").glob("*.log"))
        return used / self.records()

    def records(self) -> int:
        command = [str(BINARY), "--config", str(self.file), "audit", "fsck", "--json"]
        return json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)["records"]


class Flushed(Recorded):
    name = "always"


class Direct(NginxServer):
    """The upstream's answer over TLS, with nothing in between."""

    name = "direct"
    core = LOAD_CORE

    def body(self) -> str:
        return f"""
  ssl_certificate {self.bench.certificate};
  ssl_certificate_key {self.bench.certificate_key};
  ssl_protocols TLSv1.3;
  server {{
    listen 127.0.0.1:{self.ports[0]} ssl backlog=4096;
    location / {{ return 200 '{escaped(ANSWER)}'; }}
  }}"""


def measure(bench: Bench) -> Table:
    with Bare(bench) as bare, Recorded(bench) as recorded, Flushed(bench) as flushed, Nginx(bench) as nginx:
        samples = interleaved(bench, [bare, recorded, flushed, nginx], CONNECTIONS)
        with Direct(bench) as direct:
            added = added_latency(bench, direct, [bare, recorded, flushed])
        sizes = {}
    for server in (recorded, flushed):
        sizes[server.name] = server.bytes_per_record()
    rows = [[*row(name, samples, sizes.get(name)), added[name]] for name in (bare.name, recorded.name, flushed.name)]
    note = 'Added over calling the upstream directly over TLS; aim at most 100 / 235. With `sync = "always"` an exchange waits twice for the disk, together with all others that wait.'
    data = {name: [dataclasses.asdict(sample) for sample in found] for name, found in samples.items()}
    return Table("Records, usage and limits", COLUMNS, rows, note, data)


def added_latency(bench: Bench, direct: Direct, servers: list[Gatehouse]) -> dict[str, str]:
    """By how much p50 and p99 are later with one connection than without anything in between."""
    seen = {server.name: Counter() for server in (direct, *servers)}
    for _ in range(bench.pairs):
        for server in (direct, *servers):
            sample = run_load(bench, server, stream=False, connections=1, seconds=bench.seconds, histogram=True)
            seen[server.name].update(dict(sample.histogram))

    def added(name: str, part: float) -> int:
        return percentile(seen[name], part) - percentile(seen[direct.name], part)

    return {server.name: f"{added(server.name, 0.5):+,} / {added(server.name, 0.99):+,}" for server in servers}


def row(name: str, samples: dict[str, list[Sample]], size: float | None) -> list[str]:
    def spread(field: str) -> Spread:
        return Spread.of([getattr(sample, field) for sample in samples[name]])

    def ratio(field: str, other: str) -> Spread:
        return Spread.of([getattr(a, field) / getattr(b, field) for a, b in zip(samples[name], samples[other])])

    cpu, throughput = ratio("processor_microseconds", "bare"), ratio("requests_per_second", "nginx")
    is_judged = name == "interval"
    return [
        {"bare": "neither", "interval": 'all, `sync = "interval"`', "always": 'all, `sync = "always"`'}[name],
        spread("processor_microseconds").text(1),
        cpu.ranged(),
        at_most(cpu, CPU_BAR) if is_judged else "",
        spread("requests_per_second").text(),
        throughput.ranged(),
        at_least(throughput, THROUGHPUT_BAR) if is_judged else "",
        # An exchange is an intent and an outcome.
        f"{2 * spread('requests_per_second').median:,.0f}" if size else "",
        f"{size:.0f}" if size else "",
        f"{spread('p50').text()} / {spread('p99').text()}",
    ]
