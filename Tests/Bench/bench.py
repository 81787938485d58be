#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures Gatehouse beside nginx and LiteLLM, on this machine and now.

    bench.py [--quick] [--only SECTION,…] [--write]

A section is a file in `sections` with `ORDER` and `measure(bench) -> Table`. What a section found is kept in
`.build/bench` beside the digest of the binary, so that sections can be measured one by one; the page shows those of this
binary. The exit status is 0 also when a bar is missed, which the last lines say; it is 1 when a measurement is invalid:
an error, a wrong answer, or neighbours that used the processors.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

from machine import LOAD_CORE, ROOT, Invalid, digest, facts  # noqa: E402
from report import page, write_between_markers  # noqa: E402
from servers import BINARY, Bench  # noqa: E402

RESULTS = ROOT / ".build/bench"
FILES_NEEDED = 65_536


def sections() -> list:
    names = [file.stem for file in (Path(__file__).parent / "sections").glob("*.py")]
    return sorted((importlib.import_module(f"sections.{name}") for name in names), key=lambda section: section.ORDER)


def name_of(section) -> str:
    return section.__name__.rpartition(".")[2]


def main() -> int:
    every = sections()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter runs, good for a first look only")
    parser.add_argument("--only", default="", help="sections, with commas: " + ", ".join(map(name_of, every)))
    parser.add_argument("--write", action="store_true", help="put the page into README.md")
    options = parser.parse_args()
    wanted = {name for name in options.only.split(",") if name}
    if unknown := wanted - set(map(name_of, every)):
        parser.error(f"no section {', '.join(unknown)}; there are: {', '.join(map(name_of, every))}")
    if (os.cpu_count() or 1) < 2:
        parser.error("two cores are needed: one for the server, one for load and upstream")
    if not BINARY.exists():
        parser.error(f"{BINARY} does not exist; run `make release` first")

    allow_files()
    os.sched_setaffinity(0, {LOAD_CORE})
    RESULTS.mkdir(parents=True, exist_ok=True)
    invalid = [outcome for section in every if not wanted or name_of(section) in wanted
               for outcome in [measured(section, options.quick)] if outcome]  # fmt: skip

    kept = [(name_of(section), result) for section in every if (result := stored(name_of(section)))]
    text = page(facts(), [result["markdown"] for _, result in kept])
    (RESULTS / "bench.md").write_text(text + "\n")
    (RESULTS / "bench.json").write_text(json.dumps({"machine": facts(), "sections": dict(kept)}, indent=1) + "\n")
    print("\n" + text + "\n")
    if options.write and not invalid:
        if any(result["quick"] for _, result in kept):
            parser.error("quick figures are not for the README")
        write_between_markers(ROOT / "README.md", text)
    for failure in invalid:
        print(f"bench: invalid: {failure}")
    missed = [line for _, result in kept for line in result["missed"]]
    for line in missed:
        print(f"bench: missed: {line}")
    if not missed and not invalid:
        print("bench: every bar that was measured is met")
    return 1 if invalid else 0


def measured(section, quick: bool) -> str | None:
    """Measures one section and keeps what came of it. The reason, when it is invalid."""
    name, start = name_of(section), time.monotonic()
    Bench.say(f"bench: {name} (load {os.getloadavg()[0]:.2f})")
    file = RESULTS / f"{name}.json"
    file.unlink(missing_ok=True)
    try:
        with Bench(quick) as bench:
            table = section.measure(bench)
    except Invalid as reason:
        return f"{name}: {reason}"
    result = {
        "binary": digest(BINARY), "quick": quick, "took_seconds": round(time.monotonic() - start, 1),
        "missed": table.missed, "markdown": table.markdown(), "data": table.data,
    }  # fmt: skip
    file.write_text(json.dumps(result) + "\n")
    Bench.say("\n" + table.markdown() + "\n")
    return None


def stored(name: str) -> dict | None:
    file = RESULTS / f"{name}.json"
    result = json.loads(file.read_text()) if file.exists() else None
    return result if result and result["binary"] == digest(BINARY) else None


def allow_files() -> None:
    """Ten thousand connections need as many descriptors, in the servers too, which inherit the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, FILES_NEEDED), max(hard, FILES_NEEDED)))
    except (ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
