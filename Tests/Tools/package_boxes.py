#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""package_boxes.py BASE CASES: the sandbox of an installed server, whose keeper has control groups of version 2 delegated
by systemd. Runs what tries to break out of a box (the table CASES), and what asks for more than its limits; a line for each
that failed, and at the end how many there were. Nothing but the standard library, since it runs in the package's machine; the
key is $KEY, the authority $SSL_CERT_FILE."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

BASE, TABLE = sys.argv[1], json.loads(Path(sys.argv[2]).read_text())
MEBIBYTE = 1 << 20
# An emulated machine takes its time.
PATIENT = {"wall_ms": 60_000, "cpu_ms": 60_000}


def run(code: str, language: str = "python", **limits: int) -> dict[str, Any]:
    body = {"language": language, "code": code, "limits": {**PATIENT, **limits}}
    fields = {"authorization": f"Bearer {os.environ['KEY']}", "content-type": "application/json"}
    request = urllib.request.Request(BASE + "/v1/executions", json.dumps(body).encode(), fields)
    try:
        with urllib.request.urlopen(request, timeout=180) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return {"status": error.code, "stdout": "", "text": error.read().decode(errors="replace")}


# Interpreters that wait for a program ([sandbox] warm): two bare ones, and two with modules where the host has those. Each is in a
# box with a group.
WARM = 4


def groups() -> list[str]:
    """What is left of runs, once the kernel has let go of it, beside those that wait."""
    for _ in range(100):
        found = subprocess.run(
            ["find", "/sys/fs/cgroup", "-type", "d", "-name", "run-*", "-path", "*gatehouse-sandbox*"],
            capture_output=True,
            text=True,
        ).stdout.split()
        if len(found) <= WARM:
            return []
        time.sleep(0.1)
    return found


BURN = "import time\nend = time.monotonic() + 4\nwhile time.monotonic() < end: pass\n"
CHILDREN = "import os\nwhile True:\n  if os.fork() == 0:\n    sum(range(300000)); os._exit(0)\n  os.wait()\n"
FORKS = """
import os, time
refused = 0
for _ in range(100):
    try:
        if os.fork() == 0: time.sleep(30); os._exit(0)
    except OSError: refused += 1
print('refused', refused)
"""
TREE = """
import os, time
for _ in range(8):
    if os.fork() == 0:
        kept = bytearray(32 << 20)
        for place in range(0, len(kept), 4096): kept[place] = 1
        time.sleep(20); os._exit(0)
for _ in range(8): os.wait()
print('all survived')
"""
TMPFS = "kept = open('big', 'wb')\nfor _ in range(48): kept.write(bytes(1 << 20))\nprint('written')\n"


def limits() -> dict[str, tuple[bool, Any]]:
    """What is held by control groups: a name, whether it is so, and the answer."""
    found: dict[str, tuple[bool, Any]] = {}
    first = run("print(1)")
    held = first.get("enforcement", {})
    found["a program runs"] = first.get("stdout") == "1\n", first
    found["memory, processes and time are held by groups of version 2"] = (
        [held.get(name) for name in ("memory", "processes", "cpu")] == ["cgroup2"] * 3,
        first,
    )
    found["what it used is known"] = (
        first["status"] == "ok" and first["usage"]["cpu_ms"] > 0 and first["usage"]["memory_peak_bytes"] > MEBIBYTE,
        first,
    )
    greedy = run("kept = bytearray(512 << 20)\nprint(len(kept))", memory_bytes=64 * MEBIBYTE)
    found["who takes too much memory is killed"] = greedy["status"] == "memory" and greedy["stdout"] == "", greedy
    tree = run(TREE, memory_bytes=96 * MEBIBYTE)
    found["also where it is many who take it"] = (
        tree["status"] == "memory" and tree["usage"]["oom_kills"] > 0 and "survived" not in tree["stdout"],
        tree,
    )
    tmpfs = run(TMPFS, memory_bytes=32 * MEBIBYTE, disk_bytes=64 * MEBIBYTE)
    found["files in memory are memory"] = tmpfs["status"] == "memory", tmpfs
    forks = run(FORKS, processes=16)
    refused = int((forks["stdout"].split() or ["0"])[-1]) if "refused" in forks["stdout"] else -1
    found["processes are counted"] = (refused >= 80 or forks["status"] == "processes") and forks["usage"]["processes_peak"] <= 17, forks
    bomb = run(":(){ :|:& };:; sleep 2", "bash", wall_ms=8000, processes=32)
    found["a fork bomb is held"] = bomb.get("usage", {}).get("processes_peak", 99) <= 33, bomb
    found["and the next program runs"] = run("print(2)")["stdout"] == "2\n", None
    children = run(CHILDREN, cpu_ms=1500)
    found["time is that of all children together"] = children["status"] == "cpu" and children["usage"]["cpu_ms"] < 20_000, children
    # [sandbox] cpu_percent = 50 in the machine.
    burn = run(BURN)
    usage = burn["usage"]
    found["half a processor is no more than half"] = burn["status"] == "ok" and usage["cpu_ms"] <= 0.6 * usage["wall_ms"] + 200, burn
    for name, word in (("F08", "loopback ok"), ("H03", "sqlite True"), ("H05", "psub")):
        answer = run(**of_table(name))
        found[f"what programs need is there: {name}"] = answer["status"] == "ok" and word in answer["stdout"], answer
    left = groups()
    found["no group of a run is left"] = not left, left
    return found


def of_table(name: str) -> dict[str, str]:
    case = next(case for case in TABLE["cases"] if case["id"] == name)
    return {"code": (TABLE["prelude"] if case.get("prelude") else "") + case["code"], "language": case["language"]}


def verdicts() -> dict[str, tuple[bool, Any]]:
    """The attack table: BLOCKED, and never ESCAPED."""
    languages = {"python", "bash"}
    found = {}
    for case in TABLE["cases"]:
        if case["kind"] != "verdict" or case["language"] not in languages:
            continue
        answer = run(**of_table(case["id"]))
        is_held = "BLOCKED" in answer["stdout"] or answer.get("signal") == "SIGSYS"
        found[f"{case['id']} {case['expected']}"] = is_held and "ESCAPED" not in answer["stdout"], answer
    return found


def main() -> int:
    failed = count = 0
    for part in (limits, verdicts):
        for name, (is_so, answer) in part().items():
            count += 1
            if not is_so:
                failed += 1
                print(f"boxes: FAILED {name}: {answer}", flush=True)
    print(f"boxes: {count - failed} of {count} held", flush=True)
    return 1 if failed or count < 30 else 0


if __name__ == "__main__":
    sys.exit(main())
