#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts what a server does all day, for the compiler of the next one.

    train.py PROFILE

`make profile` runs it with a program that counts its branches (GATEHOUSE_BINARY). That program serves calls, whole and
streamed, over one connection and over many, with and without records, of clients that are known and of some that are not; the
counts of all are merged into PROFILE, which `make release` hands to the compiler. The counts say what is often and what is rare,
not how fast anything is: a busy machine spoils nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

from machine import LOAD_CORE, Invalid, spawn  # noqa: E402
from sections.audit import Bare, Recorded  # noqa: E402
from sections.limits import Limited  # noqa: E402
from servers import Bench, Gatehouse  # noqa: E402

HERE = Path(__file__).resolve().parent
CONNECTIONS = (1, 32, 256)
SECONDS = 4


def counting(kind: type[Gatehouse], counts: Path) -> type[Gatehouse]:
    """The same server, which leaves its counts behind when it stops."""

    class Counting(kind):
        def environment(self) -> dict[str, str]:
            return {**super().environment(), "LLVM_PROFILE_FILE": str(counts / "%p.profraw")}

    return Counting


def load(bench: Bench, server: Gatehouse, stream: bool, connections: int, key: str) -> None:
    url = server.url(stream)
    environment = {
        **os.environ, "BENCH_HOST": f"localhost:{url.rpartition(':')[2]}", "BENCH_KEY": key,
        "BENCH_BODY": str(bench.body(stream)), "BENCH_OUT": str(bench.directory / "wrk.json"), "BENCH_HISTOGRAM": "0",
    }  # fmt: skip
    command = [
        "wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--timeout", "60s", "-s", str(HERE / "wrk.lua"), url
    ]  # fmt: skip
    if spawn(command, LOAD_CORE, env=environment, stdout=subprocess.DEVNULL).wait() != 0:
        raise Invalid(f"wrk: {' '.join(command)}")


def main() -> int:
    profile = Path(sys.argv[1]).resolve()
    tool = Path(shutil.which("swiftc") or "").resolve().parent / "llvm-profdata"
    with Bench(True) as bench:
        counts = bench.directory / "counts"
        counts.mkdir()
        # The program's commands, which make the key, count too, and would leave it wherever they are.
        os.environ["LLVM_PROFILE_FILE"] = str(counts / "%p.profraw")
        for kind in (Bare, Recorded, Limited):
            with counting(kind, counts)(bench) as server:
                server.verify()
                for connections in CONNECTIONS:
                    for stream in (False, True):
                        Bench.say(f"profile: {kind.name}, {'streamed' if stream else 'whole'}, {connections} connections")
                        load(bench, server, stream, connections, server.key)
                load(bench, server, False, 1, "nobody's")
        found = [str(file) for file in counts.glob("*.profraw")]
        merge = [str(tool), "merge", "--sparse", "-o", str(profile), *found]
        subprocess.run(merge, check=True)
    print(f"profile: {profile.name}, {profile.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
