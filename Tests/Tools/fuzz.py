#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the fuzzers of Tests/Fuzz, and prints a line for each: runs, runs in a second of the processor's, memory,
coverage, seed, findings.

    fuzz.py [--runs N] [--seconds N] [--seed N] [TARGET…]     look for findings, from the corpus in the tree
    fuzz.py --merge [TARGET…]                                 take what was found worth keeping into the tree, minimised
    fuzz.py --self-test                                       faults planted in an executable of their own: each must be found

A run has its own copy of the corpus in .build/fuzz/corpora, which grows from run to run. What breaks a property, traps,
leaks, reads outside of its memory or takes longer than a step may is kept as .build/fuzz/findings/TARGET-…, with the
line that replays it; a copy under Tests/Fuzz/Corpora/TARGET is then replayed by every `make test`.
The exit status is 0 when nothing was found.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FUZZ = ROOT / "Tests/Fuzz"
BUILD = ROOT / ".build/fuzz"
# Longest input in bytes. Seconds after which a step is taken for one without end (by the clock, on a machine that may
# pause us: what is merely slow breaks the property, which counts the processor's time), and MiB it may hold.
BYTES_MAX = {
    "ByteRange": 128,
    "Target": 256,
    "ChunkedBody": 512,
    "EventStream": 512,
    "FieldLines": 256,
    "RequestHead": 512,
    "ResponseHead": 512,
}
BYTES_MAX_ELSE = 1024
SECONDS_MAX = 600
MEGABYTES_MAX = 1024
LINE = "{:<13} {:>9} {:>8} {:>8} {:>7} {:>7} {:>11} {:>8}"


def names() -> list[str]:
    return sorted(folder.name for folder in (FUZZ / "Corpora").iterdir() if folder.is_dir())


def binary(name: str) -> str:
    return str(BUILD / "release" / f"{name}Fuzz")


def environment(**more: str) -> dict[str, str]:
    """Swift's own handler would end the process before libFuzzer can keep the input."""
    leaks = f"suppressions={FUZZ}/leaks.supp:print_suppressions=0"
    # Freed memory is kept from use for a while, to see who still reads it; little of it, or the caches hold nothing else.
    freed = "quarantine_size_mb=16"
    return {**os.environ, "SWIFT_BACKTRACE": "enable=no", "ASAN_OPTIONS": freed, "LSAN_OPTIONS": leaks, **more}


def search(name: str, runs: int, seconds: int, seed: int) -> bool:
    """True if nothing was found."""
    corpus, findings = BUILD / "corpora" / name, BUILD / "findings"
    for folder in (corpus, findings):
        folder.mkdir(parents=True, exist_ok=True)
    command = [
        binary(name),
        str(corpus),
        str(FUZZ / "Corpora" / name),
        f"-runs={runs}",
        f"-seed={seed}",
        f"-max_total_time={seconds}",
        f"-max_len={BYTES_MAX.get(name, BYTES_MAX_ELSE)}",
        f"-timeout={SECONDS_MAX}",
        f"-rss_limit_mb={MEGABYTES_MAX}",
        f"-artifact_prefix={findings}/{name}-",
        "-print_final_stats=1",
        "-reload=0",
    ]
    dictionary = FUZZ / "Dictionaries" / f"{name}.dict"
    if dictionary.exists():
        command.append(f"-dict={dictionary}")
    log = BUILD / f"{name}.log"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with log.open("wb") as output:
        code = subprocess.run(command, env=environment(), stdout=output, stderr=output, check=False).returncode
    text = log.read_text(errors="replace")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    taken = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    # Somebody ended it: nothing was found, and not all was looked at.
    verdict = "none" if code == 0 else "STOPPED" if "run interrupted" in text else "FOUND"
    print(summary(name, text, taken, verdict), flush=True)
    if code == 0:
        return True
    print(excerpt(text) + f"\n  log     {log.relative_to(ROOT)}")
    if kept := re.search(r"Test unit written to (\S+)", text):
        print(f"  input   {kept[1]}\n  replay  SWIFT_BACKTRACE=enable=no {binary(name)} {kept[1]}")
    return False


def summary(name: str, text: str, taken: float, verdict: str) -> str:
    def stat(key: str) -> str:
        found = re.search(rf"stat::{key}:\s+(\d+)", text)
        return found[1] if found else "-"

    progress = re.findall(r"^#(\d+)\s.*?cov: (\d+)", text, re.MULTILINE)
    memory = re.findall(r"rss: (\d+)Mb", text)
    runs = stat("number_of_executed_units")
    speed = f"{int(runs) / taken:.0f}" if runs.isdigit() else "-"
    kept = stat("new_units_added")
    coverage = progress[-1][1] if progress else "-"
    peak = stat("peak_rss_mb") if stat("peak_rss_mb") != "-" else memory[-1] if memory else "-"
    seed = re.search(r"^INFO: Seed: (\d+)", text, re.MULTILINE)
    return LINE.format(name, runs, speed, peak + " MB", coverage, kept, seed[1] if seed else "-", verdict)


def excerpt(text: str) -> str:
    """The lines that say what was found."""
    telling = re.compile(r"broken:|ERROR:|SUMMARY:|Fatal error|^    #\d+ .* in .*(Modules|Fuzz)")
    return "\n".join("  " + line.strip()[:200] for line in [x for x in text.splitlines() if telling.search(x)][:12])


def merge(name: str) -> bool:
    """The corpus in the tree becomes the fewest inputs with the same coverage. Inputs named `found-…` stay as they are."""
    kept, grown = FUZZ / "Corpora" / name, BUILD / "corpora" / name
    for folder in (grown, BUILD / "findings"):
        folder.mkdir(parents=True, exist_ok=True)
    fresh = BUILD / "merged" / name
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    bytes_max = BYTES_MAX.get(name, BYTES_MAX_ELSE)
    # Without counters an edge counts once, however often it is passed: a quarter of the inputs.
    options = ["-set_cover_merge=1", "-use_counters=0", f"-max_len={bytes_max}", f"-artifact_prefix={BUILD}/findings/{name}-"]
    command = [binary(name), *options, str(fresh), str(kept), str(grown)]
    code = subprocess.run(command, env=environment(), capture_output=True, check=False).returncode
    if code != 0:
        print(f"{name}: the merge ended with status {code}")
        return False
    for file in kept.iterdir():
        if not file.name.startswith(("found-", "seed-")):
            file.unlink()
    seeds = {file.read_bytes() for file in kept.iterdir()}
    for file in sorted(fresh.iterdir()):
        if file.read_bytes() not in seeds:
            shutil.copy(file, kept / file.name[:16])
    files = list(kept.iterdir())
    print(f"{name}: {len(files)} inputs, {sum(file.stat().st_size for file in files)} bytes")
    return True


PLANTED = {
    "trap": "deadly signal",
    "property": "broken: planted",
    "memory": "heap-buffer-overflow",
    "leak": "detected memory leaks",
    "global": "detected memory leaks",
    "slow": "broken: a step of",
    "time": "timeout after",
    "nothing": None,
}


def self_test() -> bool:
    """True if the rig finds each of the planted faults, with its name and a status other than 0, and nothing without one."""
    is_good = True
    (BUILD / "findings").mkdir(parents=True, exist_ok=True)
    for fault, words in PLANTED.items():
        prefix = f"-artifact_prefix={BUILD}/findings/Planted-"
        seconds = 2 if fault == "time" else SECONDS_MAX
        command = [binary("Planted"), "-runs=200000", f"-timeout={seconds}", "-seed=1", prefix]
        run = subprocess.run(command, env=environment(GATEHOUSE_PLANTED=fault), capture_output=True, check=False)
        if words is None:
            is_good = is_good and run.returncode == 0
            print(f"planted {fault}: {'nothing found' if run.returncode == 0 else 'SOMETHING FOUND'}", flush=True)
            continue
        is_found = run.returncode != 0 and words.encode() in run.stderr
        print(f"planted {fault}: {'found' if is_found else 'NOT FOUND'}", flush=True)
        is_good = is_good and is_found
    return is_good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=0, help="stop a target after so long; 0 for never")
    parser.add_argument("--seed", type=int, default=0, help="of the random numbers; 0 for another each time")
    parser.add_argument("--merge", action="store_true")
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    if unknown := set(options.targets) - set(names()):
        parser.error(f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(names())}")
    targets = options.targets or names()
    if options.self_test:
        return 0 if self_test() else 1
    if options.merge:
        return 0 if all([merge(name) for name in targets]) else 1
    print(LINE.format("target", "runs", "runs/s", "peak", "edges", "new", "seed", "findings"), flush=True)
    return 0 if all([search(name, options.runs, options.seconds, options.seed) for name in targets]) else 1


if __name__ == "__main__":
    sys.exit(main())
