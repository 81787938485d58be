# SPDX-License-Identifier: Apache-2.0
"""What the audit log, usage and limits cost: the gateway with them, and without."""

import dataclasses
import json
import subprocess
from pathlib import Path

from load import Sample, measure as run_load
from report import Spread, Table, at_least, at_most
from servers import BINARY, Bench, Gatehouse, Nginx

ORDER = 30
CONNECTIONS = 32
CPU_BAR = 1.25
THROUGHPUT_BAR = 0.8
COLUMNS = [
    "32 connections", "CPU µs/request", "ratio to bare (range)", "bar ≤ 1.25×", "requests/s", "ratio to nginx (range)",
    "bar ≥ 0.8×", "records/s", "bytes/record", "p50 / p99 µs",
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


def measure(bench: Bench) -> Table:
    kinds = [Bare, Recorded, Flushed, Nginx]
    samples: dict[str, list[Sample]] = {kind.name: [] for kind in kinds}
    with Bare(bench) as bare, Recorded(bench) as recorded, Flushed(bench) as flushed, Nginx(bench) as nginx:
        servers = [bare, recorded, flushed, nginx]
        for server in servers:
            server.verify()
        for _ in range(bench.pairs):
            for server in servers:
                samples[server.name].append(
                    run_load(bench, server, stream=False, connections=CONNECTIONS, seconds=bench.seconds)
                )
        sizes = {}
    for server in (recorded, flushed):
        sizes[server.name] = server.bytes_per_record()
    rows = [row(server.name, samples, sizes.get(server.name)) for server in (bare, recorded, flushed)]
    note = 'With `sync = "always"` an exchange waits twice for the disk, together with all others that wait.'
    data = {name: [dataclasses.asdict(sample) for sample in found] for name, found in samples.items()}
    return Table("Records, usage and limits", COLUMNS, rows, note, data)


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
