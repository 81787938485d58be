# SPDX-License-Identifier: Apache-2.0
"""The sealed store beside plain SQLite and SQLCipher: the same rows, the same statements, one after the other."""

import json
import shutil
import subprocess

from machine import ROOT, SERVER_CORE, Invalid, spawn
from report import MISSED, MET, Spread, Table, at_most
from servers import Bench

ORDER = 60
PROGRAM = ROOT / ".build/release/StoreBench"
MODES = ["plain", "pages", "store", "cipher"]
ROUNDS = 5
ROWS = 100_000
# What is said of each part: its name, which figure, and the most it may be beside plain SQLite.
PARTS = [
    ("insert", f"{ROWS:,} rows of 1 KB, 100 a transaction", "cpu", 1.6),
    ("durable", "1,000 transactions of one row, durable", "wall", 1.15),
    ("scan", "all of them read in order", "cpu", None),
    ("thread", "1,000 threads, the last 20 messages", "cpu", None),
    ("point", "20,000 messages, one by one", "cpu", None),
]


def measure(bench: Bench) -> Table:
    rounds = [
        {mode: once(mode, 20_000 if bench.quick else ROWS) for mode in MODES} for _ in range(2 if bench.quick else ROUNDS)
    ]
    bench.say(f"  store: {rounds[-1]}")
    rows = []
    for part, text, figure, most in PARTS:
        ratio = {
            mode: Spread.of([found[mode][part][figure] / found["plain"][part][figure] for found in rounds]) for mode in MODES
        }
        plain = Spread.of([found["plain"][part][figure] / 1e6 for found in rounds])
        verdict = MET if ratio["store"].median < ratio["cipher"].median else MISSED
        if most is not None and at_most(ratio["store"], most) == MISSED:
            verdict = MISSED
        bar = "< SQLCipher" if most is None else f"≤ {most}×, < SQLCipher"
        rows.append(
            [f"{text} ({'processor' if figure == 'cpu' else 'time'})", plain.text(3, " s"),
             *[ratio[mode].ranged() for mode in MODES[1:]], bar, verdict]
        )  # fmt: skip
    note = (
        "Ratios to plain SQLite in the same round. *Pages*: the sealing layer alone. *Store*: a tenant's database as the server uses it, "
        "each content sealed with its thread's key as well, through its threads. SQLCipher: Debian's, in its default format with a raw key."
    )
    return Table(
        "The encrypted store", ["", "plain SQLite", "pages", "store", "SQLCipher", "bar", ""], rows, note, rounds
    )


def once(mode: str, rows: int) -> dict:
    directory = ROOT / ".build/bench/store"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True, mode=0o700)
    command = [str(PROGRAM), mode, str(directory), str(rows)]
    process = spawn(command, SERVER_CORE, stdout=subprocess.PIPE, text=True)
    output, _ = process.communicate(timeout=600)
    if process.returncode != 0:
        raise Invalid(f"StoreBench {mode}: {output}")
    if mode != "plain":
        head = next(directory.rglob("bench.db" if mode != "store" else "ten_*.db")).read_bytes()[200:400]
        # What is measured is really sealed.
        if b"bench_messages" in head or not any(head):
            raise Invalid(f"StoreBench {mode} wrote a plain file")
    shutil.rmtree(directory)
    return json.loads(output)
