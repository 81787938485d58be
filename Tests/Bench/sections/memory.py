# SPDX-License-Identifier: Apache-2.0
"""Memory: at rest, and with ten thousand TLS connections that each had one answer and are kept."""

import subprocess
import sys
import time
from pathlib import Path

from machine import LOAD_CORE, Invalid, memory_bytes, spawn
from report import MET, MISSED, Spread, Table, at_most
from servers import Bench, Gatehouse, Nginx, Server

ORDER = 50
CONNECTIONS = 10_000
IDLE_MAX = 20_000_000
# What a server gives back after a while counts as given back, and what it does of itself now and then as what it takes: looked
# at so often, so many seconds apart.
LOOKS = 12
REST_SECONDS = 5


def measure(bench: Bench) -> Table:
    connections = 1000 if bench.quick else CONNECTIONS
    figures = {}
    for kind in (Gatehouse, Nginx):
        with kind(bench) as server:
            time.sleep(1)
            resident, idle = memory_bytes(server.pids, "Rss"), memory_bytes(server.pids)
            held = hold(bench, server, connections)
            figures[server.name] = {"resident": resident, "idle": idle, "held": held}
            bench.say(f"  {server.name}: {figures[server.name]}")
    ours, theirs = figures["gatehouse"], figures["nginx"]
    held = {name: Spread.of([look / 1e6 for look in figure["held"]]) for name, figure in figures.items()}
    mebibyte = 1e6
    rows = [
        [
            "at rest, resident", f"{ours['resident'] / mebibyte:.1f} MB", f"{theirs['resident'] / mebibyte:.1f} MB",
            "≤ 20 MB", MET if ours["resident"] <= IDLE_MAX else MISSED,
        ],
        [
            f"{connections:,} idle TLS connections", *[held[name].ranged(1, " MB") for name in ("gatehouse", "nginx")],
            "≤ nginx", at_most(held["gatehouse"], held["nginx"].median),
        ],
        [
            "each of them",
            *[f"{(held[name].median * 1e6 - figures[name]['idle']) / connections / 1000:.1f} KB" for name in ("gatehouse", "nginx")],
            "", "",
        ],
    ]  # fmt: skip
    note = f"nginx: master and worker together. Idle connections: the median of {LOOKS} looks in a minute, the least and the most."
    return Table("Memory", ["", "Gatehouse", "nginx", "bar", ""], rows, note, figures)


def hold(bench: Bench, server: Server, connections: int) -> list[int]:
    """The server's memory, time and again, while so many connections are open and quiet."""
    script = Path(__file__).resolve().parents[1] / "holder.py"
    command = [
        sys.executable, str(script), str(server.ports[0]), str(connections), str(bench.certificate), str(bench.body(False)), server.key,
    ]  # fmt: skip
    holder = spawn(command, LOAD_CORE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        if (line := holder.stdout.readline().strip()) != f"holding {connections}":
            raise Invalid(f"{server.name}: the connections are not there: {line!r}")
        memory = []
        for _ in range(2 if bench.quick else LOOKS):
            time.sleep(REST_SECONDS)
            memory.append(memory_bytes(server.pids))
        holder.stdin.write("check\n")
        holder.stdin.flush()
        if (line := holder.stdout.readline().strip()) != f"alive {connections}":
            raise Invalid(f"{server.name} closed connections: {line!r}")
        return memory
    finally:
        holder.kill()
        holder.wait()
