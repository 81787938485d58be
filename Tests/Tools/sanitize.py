#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs Swift's tests under ThreadSanitizer (the network's, the appliance's, and of what many threads share) and
AddressSanitizer (the network's, the appliance's and the store's), and ends with one plain line.

    sanitize.py [--filter TESTS] [thread] [address]

The tests are those that `make sanitize` has built into .build/thread and .build/address. Before its tests, each sanitizer
shows that it tells of the fault planted for it (Tests/PlantedTests), and of nothing where there is none. The whole output is
kept as .build/sanitize-NAME.log; the exit status is 0 when no test failed and no sanitizer told of anything.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from suites import ROOT, counted, environment

# The tests of each, and what it looks like when it tells of something. Leaks are looked for by the fuzzers: a test process
# ends in the middle of threads that hold memory.
NETWORK = "EventLoopTests|TLSTests|HTTPTests|ApplianceTests"
# Memory under a storm is that of a sanitizer.
SHARED = r"CoreTests|PlatformTests|LogTests|AuthTests|LimiterTests\.(?!StormTests)"
TESTS = {"thread": f"{NETWORK}|{SHARED}", "address": f"{NETWORK}|StoreTests"}
REPORT = re.compile(r"(?:WARNING|ERROR): (?:Thread|Address)Sanitizer: [\w -]+")
OPTIONS = {
    # Threads that have ended and that nobody has waited for are detached when their object goes (`NamedThread`); what a test
    # still holds when the process ends is no race. Nothing else is left out: there is no file of suppressions.
    "thread": {"TSAN_OPTIONS": "report_thread_leaks=0"},
    "address": {"ASAN_OPTIONS": "detect_leaks=0", "SWIFT_BACKTRACE": "enable=no"},
}
# Of each: the planted fault, and the word by which it must be told; none for what must pass.
PLANTED = {"thread": [("race", "race"), ("monitor", None), ("mutex", None)], "address": [("overflow", "heap-buffer-overflow")]}


def mutex_library() -> Path:
    """What tells the thread sanitizer when a contended lock is taken and given (mutex.c), built by the toolchain's own compiler."""
    library = ROOT / ".build/thread/mutex.so"
    source = Path(__file__).with_name("mutex.c")
    if not library.exists() or library.stat().st_mtime < source.stat().st_mtime:
        compiler = Path(shutil.which("swiftc") or "").resolve().with_name("clang")
        command = [str(compiler), "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(library), str(source), "-ldl"]
        subprocess.run(command, check=True)
    return library


def run(name: str, tests: str, report: Path, **more: str) -> tuple[int, str]:
    command = ["swift", "test", "--skip-build", "--disable-xctest", "--sanitize", name]
    command += ["--scratch-path", f".build/{name}", "--xunit-output", str(report)]
    if tests:
        command += ["--filter", tests]
    variables = {**environment("swift"), **OPTIONS[name], **more}
    if name == "thread":
        variables["LD_PRELOAD"] = str(mutex_library())
    done = subprocess.run(
        command, cwd=ROOT, env=variables, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    return done.returncode, done.stdout.decode(errors="replace")


def shows_planted(name: str, scratch: Path) -> bool:
    is_good = True
    for fault, word in PLANTED[name]:
        code, text = run(name, "PlantedTests", scratch / "planted.xml", GATEHOUSE_PLANTED=fault)
        told = REPORT.findall(text)
        is_right = any(word in line for line in told) if word else code == 0 and not told
        print(f"{name}: planted {fault}: {'as it must be' if is_right else 'WRONG: ' + str(told)}", flush=True)
        is_good = is_good and is_right
    return is_good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sanitizers", nargs="*", choices=[*TESTS, []])
    parser.add_argument("--filter", help="only tests that match")
    options = parser.parse_args()
    is_good = True
    total = 0
    for name in options.sanitizers or list(TESTS):
        with tempfile.TemporaryDirectory() as folder:
            scratch = Path(folder)
            shows = shows_planted(name, scratch)
            start = time.monotonic()
            code, text = run(name, options.filter or TESTS[name], scratch / "tests.xml")
            took = time.monotonic() - start
            passed, failed, skipped = counted(scratch / "tests.xml")
        log = ROOT / f".build/sanitize-{name}.log"
        log.write_text(text)
        told = REPORT.findall(text)
        print(f"{name}: {passed} passed, {failed} failed, {skipped} skipped, {len(told)} reports in {took:.0f} s")
        for line in sorted(set(re.findall(r"SUMMARY: .*", text))):
            print("  " + line[:200])
        if code != 0 or passed == 0 or failed or told:
            is_good = False
            print(f"  log     {log.relative_to(ROOT)}, status {code}")
        is_good = is_good and shows
        total += passed
    print(f"{total} passed under sanitizers, {'nothing' if is_good else 'something'} to tell")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
