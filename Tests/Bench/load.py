# SPDX-License-Identifier: Apache-2.0
"""One run of load against one server, and what it cost that server."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import time
from pathlib import Path

from machine import LOAD_CORE, Invalid, busy_seconds, processor_seconds, spawn
from servers import Bench, Server

HERE = Path(__file__).resolve().parent
WARM_UP_SECONDS = 0.6
# What other processes may use of the two cores while a run lasts, and what the hypervisor may give to others, in seconds of
# one core a second; above it the run is repeated. The kernel counts both in ticks, so that a few hundredths are noise of
# the counting itself.
NOISE_MAX = 0.20
STOLEN_MAX = 0.20
ATTEMPTS = 5


@dataclasses.dataclass
class Sample:
    """One run. Processor time and throughput are those of the middle of the run: handshakes and start are left out."""

    requests_per_second: float
    processor_microseconds: float
    """User and system time of the server for each request."""
    server_busy: float
    """How much of its core the server used, 0 to 1."""
    p50: int
    p99: int
    histogram: list[list[int]]
    requests: int
    noise: float
    stolen: float


def run_once(bench: Bench, server: Server, *, stream: bool, connections: int, seconds: float, histogram: bool) -> Sample:
    out = bench.directory / "wrk.json"
    out.unlink(missing_ok=True)
    url = server.url(stream)
    environment = {
        **os.environ,
        "BENCH_HOST": f"localhost:{url.rpartition(':')[2]}",
        "BENCH_KEY": server.key,
        "BENCH_BODY": str(bench.body(stream)),
        "BENCH_OUT": str(out),
        "BENCH_HISTOGRAM": "1" if histogram else "0",
    }
    # wrk counts whole seconds; the middle of the run ends before it does.
    duration = int(WARM_UP_SECONDS + seconds + 0.99)
    command = ["wrk", "-t1", f"-c{connections}", f"-d{duration}s", "--timeout", "20s", "-s", str(HERE / "wrk.lua"), url]
    wrk = spawn(command, LOAD_CORE, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        time.sleep(WARM_UP_SECONDS)
        tracked = [wrk.pid, os.getpid(), *bench.upstream.pids]
        served, start = bench.upstream.requests(), time.monotonic()
        used, others = processor_seconds(server.pids), processor_seconds(tracked)
        busy, stolen = busy_seconds()
        time.sleep(min(seconds, duration - WARM_UP_SECONDS - 0.15))
        used = processor_seconds(server.pids) - used
        served, wall = bench.upstream.requests() - served - 1, time.monotonic() - start
        others = processor_seconds(tracked) - others
        busy, stolen = busy_seconds()[0] - busy, busy_seconds()[1] - stolen
    finally:
        output, _ = wrk.communicate(timeout=60)
    if wrk.returncode != 0 or not out.exists():
        raise Invalid(f"wrk failed against {server.name}: {output.decode(errors='replace')[-500:]}")
    figures = json.loads(out.read_text())
    check(bench, server, stream, figures)
    if server is bench.upstream:
        others -= used
    return Sample(
        requests_per_second=served / wall,
        processor_microseconds=used / max(served, 1) * 1e6,
        server_busy=used / wall,
        p50=figures["p50"],
        p99=figures["p99"],
        histogram=figures["histogram"],
        requests=figures["requests"],
        noise=max(0.0, (busy - used - others) / wall),
        stolen=stolen / wall,
    )


def check(bench: Bench, server: Server, stream: bool, figures: dict) -> None:
    """Every request was answered, with 2xx, and in full: a fast refusal is no throughput."""
    if any(figures["errors"].values()) or figures["requests"] == 0:
        raise Invalid(f"{server.name}: {figures['requests']} answers, errors {figures['errors']}")
    shortest = len(bench.answers[stream])
    if figures["bytes"] < shortest * figures["requests"]:
        raise Invalid(f"{server.name}: answers of {figures['bytes'] / figures['requests']:.0f} bytes, not {shortest}")


def measure(bench: Bench, server: Server, *, stream: bool, connections: int, seconds: float, histogram: bool = False) -> Sample:
    """A run without loud neighbours; tries again a few times."""
    for attempt in range(ATTEMPTS):
        sample = run_once(bench, server, stream=stream, connections=connections, seconds=seconds, histogram=histogram)
        if sample.noise <= NOISE_MAX and sample.stolen <= STOLEN_MAX:
            return sample
        bench.say(f"  noise {sample.noise:.2f}, stolen {sample.stolen:.2f} of a core: run {attempt + 1} is thrown away")
    raise Invalid(f"others used {sample.noise:.2f} of a core and the hypervisor {sample.stolen:.2f}; load {os.getloadavg()}")


def interleaved(bench: Bench, servers: list[Server], connections: int) -> dict[str, list[Sample]]:
    """Whole answers of each server by turns, `bench.pairs` times: by the server's name."""
    samples: dict[str, list[Sample]] = {server.name: [] for server in servers}
    for server in servers:
        server.verify()
    for _ in range(bench.pairs):
        for server in servers:
            found = measure(bench, server, stream=False, connections=connections, seconds=bench.seconds)
            samples[server.name].append(found)
    return samples
