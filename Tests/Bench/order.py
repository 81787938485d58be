#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Finds which functions a server calls together, for the linker, which lays them side by side.

    order.py ORDER

`make profile` runs it with the program as it would be delivered, its names still in it (GATEHOUSE_BINARY), under callgrind, which
sees every call. What each request calls comes first in ORDER, then what a server at rest does now and then, then what a request
calls seldom, then the start and the end; among these, who is called stands behind who calls. Elsewhere lies what nobody called.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

from machine import Invalid  # noqa: E402
from sections.audit import Recorded  # noqa: E402
from sections.limits import Limited  # noqa: E402
from servers import BINARY, Bench, Gatehouse  # noqa: E402
from train import load  # noqa: E402

CONNECTIONS = 16
# All that a server does of itself comes round in half a minute.
REST_SECONDS = 35
START_SECONDS = 180
# Called by at least one request in so many.
OFTEN = 20
NAME = re.compile(r"\((\d+)\)(?: (.*))?")


class Calls:
    """Who called whom, and how often."""

    def __init__(self) -> None:
        self.by_caller: dict[str, Counter[str]] = defaultdict(Counter)

    def read(self, dump: Path) -> Counter[str]:
        """Adds the calls of a callgrind dump. Returns how often each function that ran was called in it."""
        names: dict[str, str] = {}
        ran: Counter[str] = Counter()

        def name(text: str) -> str:
            # A name is written out once, and a number for it from then on; an apostrophe counts recursions.
            number, written = NAME.fullmatch(text).groups()
            if written is not None:
                names[number] = written.partition("'")[0]
            return names[number]

        caller = called = ""
        for line in dump.read_text(errors="replace").splitlines():
            key, _, value = line.partition("=")
            if key == "fn":
                caller = name(value)
                ran[caller] += 0
            elif key == "cfn":
                called = name(value)
            elif key == "calls":
                times = int(value.split()[0])
                self.by_caller[caller][called] += times
                ran[called] += times
        return ran

    def ordered(self, names: set[str]) -> list[str]:
        """All of these, each behind one that calls it, whoever is called most first."""
        called = {name for calls in self.by_caller.values() for name in calls}
        weights = {name: sum(self.by_caller[name].values()) for name in names}
        roots = sorted(names, key=lambda name: (name in called, -weights[name], name))
        found: dict[str, None] = {}
        pending = roots[::-1]
        while pending:
            name = pending.pop()
            if name not in found:
                found[name] = None
                # The last is taken next.
                pending += [other for other, _ in sorted(self.by_caller[name].items(), key=lambda pair: pair[1])]
        return list(found)


def watched(kind: type[Gatehouse], dumps: Path) -> type[Gatehouse]:
    """The same server under callgrind, which leaves its calls behind."""

    class Watched(kind):
        def command(self) -> list[str]:
            out = f"--callgrind-out-file={dumps / self.name}.calls"
            return ["valgrind", "--tool=callgrind", "--demangle=no", out, *super().command()]

        def start(self, wait: float = START_SECONDS) -> Watched:
            return super().start(wait)

        def dump(self) -> None:
            """Ends a stretch: what was called from here on is counted anew."""
            subprocess.run(["callgrind_control", "--dump", str(self.process.pid)], check=True, stdout=subprocess.DEVNULL)

    return Watched


def functions() -> set[str]:
    """What the program has of its own; what it calls in other libraries lies where it lies."""
    listed = subprocess.run(["nm", "--defined-only", str(BINARY)], check=True, capture_output=True, text=True).stdout
    found = (line.split(" ", 2) for line in listed.splitlines())
    return {name for _, kind, name in found if kind in "tTwW"}


def main() -> int:
    order = Path(sys.argv[1]).resolve()
    own = functions()
    if not own:
        raise Invalid(f"{BINARY} has no names in it")
    calls, requests = Calls(), 0
    loaded, resting, others = Counter(), Counter(), Counter()
    with Bench(True) as bench:
        for kind in (Gatehouse, Limited, Recorded):
            Bench.say(f"order: {kind.name}")
            with watched(kind, bench.directory)(bench) as server:
                server.verify()
                server.dump()
                before = bench.upstream.requests()
                for stream in (False, True):
                    load(bench, server, stream, CONNECTIONS, server.key)
                requests += bench.upstream.requests() - before
                server.dump()
                time.sleep(REST_SECONDS)
                server.dump()
            base = bench.directory / f"{kind.name}.calls"
            # Not by `+=`, which drops what ran and was called by nobody: where threads begin.
            loaded.update(calls.read(Path(f"{base}.2")))
            resting.update(calls.read(Path(f"{base}.3")))
            others.update(calls.read(Path(f"{base}.1")))
            others.update(calls.read(base))
    groups = [{name for name, times in loaded.items() if times * OFTEN >= requests}, set(resting), set(loaded), set(others)]
    place = {name: number for number, group in reversed(list(enumerate(groups))) for name in group}
    names = [name for name in calls.ordered(set(place)) if name in own]
    names.sort(key=place.__getitem__)
    order.write_text("".join(f"{name}\n" for name in names))
    counts = Counter(place[name] for name in names)
    print(f"order: {order.name}, {counts[0]} functions of every request, {counts[1]} of a server at rest, {counts[2]} seldom, "
          f"{counts[3]} at the start and the end; {requests} requests")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
