# SPDX-License-Identifier: Apache-2.0
"""LiteLLM's proxy at the same work: few runs, since it is slow. It has no bar to meet."""

import dataclasses

from load import measure as load
from machine import Invalid
from report import Spread, Table
from servers import Bench, LiteLLM

ORDER = 40
RUNS = 3


def measure(bench: Bench) -> Table:
    rows, data = [], {}
    with LiteLLM(bench) as litellm:
        for stream in (False, True):
            if not litellm.ask(stream):
                raise Invalid("LiteLLM gives no answer")
        # Its first answers load modules.
        load(bench, litellm, stream=False, connections=1, seconds=1)
        for stream in (False, True):
            for connections in (1, 32):
                samples = [load(bench, litellm, stream=stream, connections=connections, seconds=bench.seconds)
                           for _ in range(1 if bench.quick else RUNS)]  # fmt: skip
                name = f"{connections} connection{'s' if connections > 1 else ''}, {'streamed' if stream else 'whole'}"
                data[name] = [dataclasses.asdict(sample) for sample in samples]
                cpu = Spread.of([sample.processor_microseconds for sample in samples])
                rate = Spread.of([sample.requests_per_second for sample in samples])
                p50, p99 = (Spread.of([getattr(sample, field) for sample in samples]) for field in ("p50", "p99"))
                rows.append([name, cpu.text(), rate.text(), f"{p50.text()} / {p99.text()}"])
    return Table("LiteLLM, one worker", ["", "CPU µs/request", "requests/s", "p50 / p99 µs"], rows, "", data)
