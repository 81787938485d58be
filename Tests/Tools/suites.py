#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs test suites, and ends with one plain line: `N passed, N failed`.

    suites.py SUITE… [--filter SWIFT_TESTS] [-- PYTEST_ARGUMENTS…]

The suites: `swift` (what `swift build --build-tests` made), `mock` (the client suites against the mock upstream itself,
which proves what they expect), `clients` (real clients against the real binary), `prove` (the random and the timing
tests of `clients`, longer, against what is delivered), `prove-swift` (the store's tests, the limiter's and the breaker's at their full length). The exit status is 0 when something ran and nothing failed. A suite that ends without a report,
a crash for one, counts as one failure.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = ROOT / "Tests/Clients"
PYTHON = ROOT / ".venv-clients/bin/python"


def swift(report: Path, options: argparse.Namespace) -> tuple[list[str], Path]:
    command = ["swift", "test", "--skip-build", "--disable-xctest", "--xunit-output", str(report)]
    if options.filter:
        command += ["--filter", options.filter]
    return command, ROOT


def pytest(report: Path, *arguments: str) -> tuple[list[str], Path]:
    return [str(PYTHON), "-m", "pytest", f"--junitxml={report}", *arguments], CLIENTS


# Client tests wait more than they compute. What is about time (`prove`) runs alone.
SIDE_BY_SIDE = ["-n", str(2 * min(os.cpu_count() or 1, 4))]

# What Swift tests have a longer form of: the store, and whatever is compared with a naive model.
PROVEN_IN_SWIFT = "StoreTests|LimiterTests|BreakerModelTests"

SUITES = {
    "swift": swift,
    "prove-swift": lambda report, options: (swift(report, options)[0] + ["--filter", PROVEN_IN_SWIFT], ROOT),
    "mock": lambda report, _: pytest(report, *SIDE_BY_SIDE, "--target", "mock"),
    "clients": lambda report, options: pytest(report, *SIDE_BY_SIDE, *options.pytest),
    "prove": lambda report, options: pytest(
        report, "--hypothesis-profile=prove", "--repeat=20", "--timeout=1200", "-m", "prove", *options.pytest
    ),
}


# What is told again of a failed test behind everything else, where nobody has to look for it: enough to begin with.
SHOWN_FAILURES = 20
SHOWN_CHARACTERS = 400


def counted(report: Path) -> tuple[int, list[str], int]:
    """A JUnit file: how many tests passed, which failed and why, how many were skipped. Swift's testing library writes
    its own file beside the one asked for."""
    passed = skipped = 0
    failed = []
    for file in report.parent.glob(report.stem + "*" + report.suffix):
        for case in ElementTree.parse(file).getroot().iter("testcase"):
            failures = [*case.iter("failure"), *case.iter("error")]
            if failures:
                why = " ".join((failures[0].get("message") or failures[0].text or "").split())
                failed.append(f"{case.get('classname')} {case.get('name')}: {why[:SHOWN_CHARACTERS]}")
            elif case.find("skipped") is not None:
                skipped += 1
            else:
                passed += 1
    return passed, failed, skipped


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="+", choices=SUITES)
    parser.add_argument("--filter", help="only Swift tests that match")
    arguments = sys.argv[1:]
    split = arguments.index("--") if "--" in arguments else len(arguments)
    options = parser.parse_args(arguments[:split])
    options.pytest = arguments[split + 1 :]

    total_passed = total_failed = 0
    lines = []
    with tempfile.TemporaryDirectory() as scratch:
        for name in options.suites:
            report = Path(scratch) / f"{name}.xml"
            command, directory = SUITES[name](report, options)
            print(f"\n== {name}: {' '.join(command)}", flush=True)
            start = time.monotonic()
            code = subprocess.run(command, cwd=directory, env=environment(name), check=False).returncode
            took = time.monotonic() - start
            passed, failed, skipped = counted(report)
            # pytest says 5 when nothing was collected.
            if code != 0 and not failed or passed + len(failed) == 0:
                failed.append(f"ended with status {code} and no failed test to show for it")
            total_passed += passed
            total_failed += len(failed)
            lines += [f"{name}: failed: {failure}" for failure in failed[:SHOWN_FAILURES]]
            lines.append(f"{name}: {passed} passed, {len(failed)} failed, {skipped} skipped in {took:.0f} s")
    if "swift" in options.suites and not os.environ.get("GATEHOUSE_SUITES"):
        lines.append("swift: GATEHOUSE_SUITES is not set: the published suites (JSON, TOML, Wycheproof) were left out")
    print("\n" + "\n".join(lines))
    print(f"{total_passed} passed, {total_failed} failed")
    return 0 if total_failed == 0 and total_passed > 0 else 1


def environment(suite: str) -> dict[str, str]:
    """Without a proxy for what happens on this machine."""
    proving = {"GATEHOUSE_PROVE": "1"} if suite.startswith("prove") else {}
    # A start that reads hundreds of segments takes a debug build seconds.
    if suite == "prove":
        proving["GATEHOUSE_BINARY"] = os.environ.get("GATEHOUSE_BINARY", str(ROOT / ".build/gatehouse"))
    local = ",".join(filter(None, [os.environ.get("NO_PROXY"), "localhost,127.0.0.1,::1"]))
    return {**os.environ, **proving, "NO_PROXY": local, "no_proxy": local, "PYTHONDONTWRITEBYTECODE": "1"}


if __name__ == "__main__":
    sys.exit(main())
