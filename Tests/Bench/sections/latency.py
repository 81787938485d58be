# SPDX-License-Identifier: Apache-2.0
"""How much later an answer is there than without anything in between. All samples of all runs are one distribution."""

from collections import Counter

from load import measure as load
from report import MISSED, Table, percentile
from servers import Bench, Gatehouse, Nginx

ORDER = 30
# Of Gatehouse, in each row: the slowest hundredth is then two thousand answers.
SAMPLES_MIN = 200_000
# Where a machine is too slow for so many, the table says so.
ROUNDS_MAX = 20
CASES = ((1, False), (32, False), (32, True))


def measure(bench: Bench) -> Table:
    rows, data = [], {}
    with Gatehouse(bench) as gatehouse, Nginx(bench) as nginx:
        gatehouse.verify()
        nginx.verify()
        for connections, stream in CASES:
            seen = {server: Counter() for server in (bench.upstream, nginx, gatehouse)}
            for done in range(ROUNDS_MAX):
                if done >= bench.pairs and (bench.quick or seen[gatehouse].total() >= SAMPLES_MIN):
                    break
                for server, histogram in seen.items():
                    sample = load(bench, server, stream=stream, connections=connections, seconds=bench.seconds, histogram=True)
                    histogram.update(dict(sample.histogram))
            figures = {server.name: {
                "samples": histogram.total(), "p50": percentile(histogram, 0.5), "p99": percentile(histogram, 0.99),
            } for server, histogram in seen.items()}  # fmt: skip
            name = f"{connections} connection{'s' if connections > 1 else ''}, {'streamed' if stream else 'whole'}"
            data[name] = figures
            direct = figures["upstream"]
            cells = [f"{direct['p50']:,} / {direct['p99']:,}"]
            for figure in (figures["nginx"], figures["gatehouse"]):
                cells += [f"{figure['p50']:,} / {figure['p99']:,}", f"{figure['p50'] - direct['p50']:+,} / {figure['p99'] - direct['p99']:+,}"]
            rows.append([name, *cells, f"{figures['gatehouse']['samples']:,}"])
    least = min(figures["gatehouse"]["samples"] for figures in data.values())
    enough = "" if least >= SAMPLES_MIN or bench.quick else f" {MISSED}: fewer than {SAMPLES_MIN:,} samples."
    note = f"p50 / p99 in µs. Samples are Gatehouse's; rounds are run until a row has {SAMPLES_MIN:,}.{enough}"
    columns = ["", "direct", "nginx", "added", "Gatehouse", "added", "samples"]
    return Table("Latency over calling the upstream directly", columns, rows, note, data)
