#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a request counts: every retain and release of an object, by its class and by who does it.

    references.py [whole|bare|recorded|limited] [--connections N] [--seconds S]

Each is an atomic addition, some 8 ns, and all of them together were a fifth of a request's time. The kernel stops at each
(uprobes), so this is for root, with perf(1), and says how often and not how long. It needs a release build with its symbols
(`make release`, .build/release/gatehouse). Tables go to standard output: objects of a class, then callers.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import threading
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.setdefault("GATEHOUSE_BINARY", str((ROOT / ".build/release/gatehouse").resolve())))

from load import run_once  # noqa: E402
from sections.audit import Bare, Recorded  # noqa: E402
from sections.limits import Limited  # noqa: E402
from servers import Bench, Gatehouse  # noqa: E402

KINDS = {"whole": Gatehouse, "bare": Bare, "recorded": Recorded, "limited": Limited}
GROUP = "references"
# Where a request begins.
REQUEST = "$s4Core9FrontDoorC7respond2to4withy4HTTP7RequestC_AG14ResponseWriterCtYaF"
# The highest byte of a count that is not kept, and its highest bits where it is kept beside the object, which costs more.
IMMORTAL, ASIDE = 0x80, 0b11
EVENT = re.compile(rf"{GROUP}:(retain|release): .* object=0x(\w+) type=0x(\w+) count=0x(\w+)")
NOISE = re.compile(r"(full )?type metadata for |function signature specialization <[^>]*> of |Swift\.| ?in _[0-9A-F]{32}")


def probe(*arguments: str) -> None:
    done = subprocess.run(["perf", "probe", "-q", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0 and "-d" not in arguments:
        sys.exit(f"references.py: perf probe: {done.stderr.strip()}\nIt takes root, and a release build: make release")


def record(kind: type[Gatehouse], connections: int, seconds: float, out: Path) -> int:
    """Has the server work, and counts for a while. Returns where its program is in memory."""
    with Bench(True) as bench, kind(bench) as server:
        server.verify()
        maps = Path(f"/proc/{server.process.pid}/maps").read_text().splitlines()
        base = next(int(line.split("-")[0], 16) for line in maps if line.endswith(f"/{BINARY.name}"))
        events = [part for name in ("retain", "release", "request") for part in ("-e", f"{GROUP}:{name}")]
        command = ["perf", "record", *events, "-m", "16M", "-g", "-p", str(server.process.pid), "-o", str(out), "--", "sleep", str(seconds)]
        timer = threading.Timer(1.5, lambda: subprocess.run(command, capture_output=True, check=False))
        timer.start()
        run_once(bench, server, stream=False, connections=connections, seconds=seconds + 3, histogram=False)
        timer.join()
        return base


def samples(out: Path) -> Iterator[tuple[str, list[str]]]:
    """The first line of each event, and the functions that were under way."""
    script = subprocess.Popen(["perf", "script", "-i", str(out)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace")
    block: list[str] = []
    for line in script.stdout:
        if line.strip():
            block.append(line)
        elif block:
            yield block[0], [frame.split()[1].rsplit("+", 1)[0] for frame in block[1:] if len(frame.split()) > 1]
            block = []


def symbols() -> tuple[list[int], list[str]]:
    listed = [line.split() for line in subprocess.run(["nm", str(BINARY)], capture_output=True, text=True, check=True).stdout.splitlines()]
    found = sorted((int(parts[0], 16), parts[2]) for parts in listed if len(parts) == 3)
    return [address for address, _ in found], [name for _, name in found]


def demangled(names: list[str]) -> dict[str, str]:
    if not names:
        return {}
    done = subprocess.run(["swift", "demangle", "--compact"], input="\n".join(names), capture_output=True, text=True, check=True)
    return {name: NOISE.sub("", text) for name, text in zip(names, done.stdout.splitlines())}


def report(out: Path, base: int) -> None:
    addresses, names = symbols()
    classes: dict[str, Counter] = {}
    callers: Counter = Counter()
    requests = immortal = nothing = 0
    for line, frames in samples(out):
        found = EVENT.search(line)
        if not found:
            requests += f"{GROUP}:request" in line
            continue
        object_, type_, count = (int(found[index], 16) for index in (2, 3, 4))
        if type_ == 0:
            nothing += 1
        elif count >> 56 == IMMORTAL:
            immortal += 1
        else:
            place = bisect_right(addresses, type_ - base) - 1
            name = names[place] if 0 <= place and type_ - base - addresses[place] < 4096 else "made while it runs"
            seen = classes.setdefault(name, Counter())
            seen.update({found[1]: 1, "aside": count >> 62 == ASIDE, ("object", object_): 1})
            callers[(found[1], name, frames[1] if len(frames) > 1 else "?")] += 1
    if not requests:
        sys.exit("references.py: no request was seen")
    texts = demangled([*classes, *{caller for _, _, caller in callers}])
    counted = sum(callers.values())
    print(f"{requests} requests; of each {counted / requests:.0f} counted, {immortal / requests:.0f} of what is immortal, {nothing / requests:.0f} of nothing\n")
    print("a request  retains  releases  objects  class")
    for name, seen in sorted(classes.items(), key=lambda item: -item[1]["retain"] - item[1]["release"]):
        both, objects = seen["retain"] + seen["release"], sum(isinstance(key, tuple) for key in seen)
        if both / requests >= 0.1:
            aside = " (has weak references)" if seen["aside"] else ""
            print(f"{both / requests:9.2f} {seen['retain'] / requests:8.2f} {seen['release'] / requests:9.2f} {objects:8}  {texts[name][:100]}{aside}")
    print("\na request  what     class, and who")
    for (what, name, caller), times in callers.most_common():
        if times / requests >= 0.1:
            print(f"{times / requests:9.2f}  {what:7}  {texts[name][:40]:40}  {texts.get(caller, caller)[:150]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", nargs="?", default="whole", choices=KINDS)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=0.5, help="how long to count; half a second are some hundred requests")
    options = parser.parse_args()
    out = ROOT / ".build/bench/references.data"
    out.parent.mkdir(parents=True, exist_ok=True)
    probe("-d", f"{GROUP}:*")
    try:
        for name, function in (("retain", "swift_retain"), ("release", "swift_release")):
            probe("-x", str(BINARY), f"{GROUP}:{name}={function} object=%di:x64 type=+0(%di):x64 count=+8(%di):x64")
        probe("-x", str(BINARY), f"{GROUP}:request={REQUEST}")
        report(out, record(KINDS[options.kind], options.connections, options.seconds, out))
    finally:
        probe("-d", f"{GROUP}:*")
        out.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
