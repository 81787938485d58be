# SPDX-License-Identifier: Apache-2.0
"""Memory: at rest, and with ten thousand TLS connections that each had one answer and are kept."""

import subprocess
import sys
import time
from pathlib import Path

from machine import LOAD_CORE, Invalid, memory_bytes, spawn
from report import MET, MISSED, Table
from servers import Bench, Gatehouse, Nginx, Server

ORDER = 50
CONNECTIONS = 10_000
IDLE_MAX = 20_000_000
# What a server gives back after a while counts as given back.
REST_SECONDS = 3


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
    mebibyte = 1e6
    rows = [
        [
            "at rest, resident", f"{ours['resident'] / mebibyte:.1f} MB", f"{theirs['resident'] / mebibyte:.1f} MB",
            "≤ 20 MB", MET if ours["resident"] <= IDLE_MAX else MISSED,
        ],
        [
            f"{connections:,} idle TLS connections", f"{ours['held'] / mebibyte:.1f} MB", f"{theirs['held'] / mebibyte:.1f} MB",
            "≤ nginx", MET if ours["held"] <= theirs["held"] else MISSED,
        ],
        [
            "each of them", *[f"{(figure['held'] - figure['idle']) / connections / 1000:.1f} KB" for figure in (ours, theirs)],
            "", "",
        ],
    ]  # fmt: skip
    return Table("Memory", ["", "Gatehouse", "nginx", "bar", ""], rows, "nginx: master and worker together.", figures)


def hold(bench: Bench, server: Server, connections: int) -> int:
    """The server's memory while so many connections are open and quiet."""
    script = Path(__file__).resolve().parents[1] / "holder.py"
    command = [
        sys.executable, str(script), str(server.ports[0]), str(connections), str(bench.certificate), str(bench.body(False)), server.key,
    ]  # fmt: skip
    holder = spawn(command, LOAD_CORE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        if (line := holder.stdout.readline().strip()) != f"holding {connections}":
            raise Invalid(f"{server.name}: the connections are not there: {line!r}")
        time.sleep(REST_SECONDS)
        memory = memory_bytes(server.pids)
        holder.stdin.write("check\n")
        holder.stdin.flush()
        if (line := holder.stdout.readline().strip()) != f"alive {connections}":
            raise Invalid(f"{server.name} closed connections: {line!r}")
        return memory
    finally:
        holder.kill()
        holder.wait()
