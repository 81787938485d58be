# SPDX-License-Identifier: Apache-2.0
"""Gatehouse and nginx by turns, at several numbers of connections: what a request costs, and how many fit."""

from __future__ import annotations

import dataclasses

from load import Sample, measure
from report import Spread, Table, at_least, at_most
from servers import Bench, Gatehouse, Nginx

CONNECTIONS = (1, 32, 256)
# More than other sections have: each is a start of its own, and starts differ more than runs.
PAIRS = 11
CPU_BAR = 1.0
THROUGHPUT_BAR = 1.0
COLUMNS = [
    "connections", "CPU µs/request", "nginx", "ratio (range)", "bar ≤ 1.0×", "requests/s", "nginx", "ratio (range)",
    "bar ≥ 1.0×", "p50 / p99 µs", "nginx",
]  # fmt: skip


def compare(bench: Bench, title: str, stream: bool) -> Table:
    """Both servers are started anew for each pair, and who is first takes turns. One start differs from the next by some hundredths
    of a request's time, as where its memory lies is chosen then: many runs of one process would be one throw of the dice, with a range
    that hides it (Mytkowicz et al., Producing Wrong Data Without Doing Anything Obviously Wrong!, ASPLOS 2009)."""
    gatehouse, nginx = Gatehouse(bench), Nginx(bench)
    seen: dict[int, tuple[list[Sample], list[Sample]]] = {connections: ([], []) for connections in CONNECTIONS}
    for pair in range(bench.pairs if bench.quick else PAIRS):
        with gatehouse, nginx:
            gatehouse.verify()
            nginx.verify()
            for connections, (ours, theirs) in seen.items():
                by_turns = ((gatehouse, ours), (nginx, theirs))
                for server, samples in by_turns if pair % 2 == 0 else reversed(by_turns):
                    samples.append(measure(bench, server, stream=stream, connections=connections, seconds=bench.seconds))
    rows, data = [], {}
    for connections, (ours, theirs) in seen.items():
        cells, figures = row(ours, theirs)
        rows.append([str(connections), *cells])
        data[connections] = figures
        bench.say(f"  {connections}: {' | '.join(cells)}")
    busy = [f"{connections}: {data[connections]['busy'][0]:.0%} and {data[connections]['busy'][1]:.0%}" for connections in CONNECTIONS]
    note = f"Share of its core the server used, Gatehouse and nginx: {', '.join(busy)}."
    return Table(title, COLUMNS, rows, note, data)


def row(ours: list[Sample], theirs: list[Sample]) -> tuple[list[str], dict]:
    def spread(samples: list[Sample], field: str) -> Spread:
        return Spread.of([getattr(sample, field) for sample in samples])

    def ratio(field: str) -> Spread:
        return Spread.of([getattr(a, field) / getattr(b, field) for a, b in zip(ours, theirs)])

    cpu, throughput = ratio("processor_microseconds"), ratio("requests_per_second")
    cells = [
        spread(ours, "processor_microseconds").text(1),
        spread(theirs, "processor_microseconds").text(1),
        cpu.ranged(),
        at_most(cpu, CPU_BAR),
        spread(ours, "requests_per_second").text(),
        spread(theirs, "requests_per_second").text(),
        throughput.ranged(),
        at_least(throughput, THROUGHPUT_BAR),
        f"{spread(ours, 'p50').text()} / {spread(ours, 'p99').text()}",
        f"{spread(theirs, 'p50').text()} / {spread(theirs, 'p99').text()}",
    ]
    figures = {
        "cpu_ratio": dataclasses.asdict(cpu),
        "throughput_ratio": dataclasses.asdict(throughput),
        "busy": [spread(ours, "server_busy").median, spread(theirs, "server_busy").median],
        "gatehouse": [dataclasses.asdict(sample) for sample in ours],
        "nginx": [dataclasses.asdict(sample) for sample in theirs],
    }
    return cells, figures
