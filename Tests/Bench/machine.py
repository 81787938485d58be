# SPDX-License-Identifier: Apache-2.0
"""The machine: what it is, who used its processors, and how much memory a process has."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# The measured process has a core for itself; the load, the upstream and this program share the other.
SERVER_CORE, LOAD_CORE = 0, 1
TICKS = os.sysconf("SC_CLK_TCK")


class Invalid(Exception):
    """The measurement is worth nothing: an error, a wrong answer, or neighbours that were too loud."""


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip()


def spawn(command: list[str], core: int, **options) -> subprocess.Popen:
    """Starts a process that stays on one core: it inherits the affinity that this one has for a moment."""
    os.sched_setaffinity(0, {core})
    try:
        return subprocess.Popen(command, stdin=options.pop("stdin", subprocess.DEVNULL), **options)
    finally:
        os.sched_setaffinity(0, {LOAD_CORE})


def processor_seconds(pids: list[int]) -> float:
    """User and system time of all threads, to the nanosecond: the scheduler's own sum, of which utime and stime of
    proc(5) are the split in ticks."""
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def busy_seconds() -> tuple[float, float]:
    """Seconds in which the two cores worked, and in which the hypervisor gave them to somebody else."""
    busy = stolen = 0
    for line in Path("/proc/stat").read_text().splitlines():
        if re.match(r"cpu\d", line) and int(line.split()[0][3:]) in (SERVER_CORE, LOAD_CORE):
            user, nice, system, _, _, irq, softirq, steal = map(int, line.split()[1:9])
            busy += user + nice + system + irq + softirq
            stolen += steal
    return busy / TICKS, stolen / TICKS


def memory_bytes(pids: list[int], field: str = "Pss") -> int:
    """Memory of some processes; a page that two of them share counts half in each (proc(5), smaps_rollup)."""
    total = 0
    for pid in pids:
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except PermissionError:
            # A process that is not dumpable shows it to root only; what is resident counts shared pages whole.
            rollup = re.sub(r"^VmRSS", field, Path(f"/proc/{pid}/status").read_text(), flags=re.MULTILINE)
        total += 1024 * int(re.search(rf"^{field}:\s+(\d+) kB", rollup, re.MULTILINE)[1])
    return total


def children(pid: int) -> list[int]:
    """All descendants, of whichever thread."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            found += [child, *children(child)]
    return found


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def facts() -> dict[str, str]:
    """What a figure depends on."""
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    mhz = re.search(r"^cpu MHz\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    pretty = re.search(r'^PRETTY_NAME="(.*)"$', Path("/etc/os-release").read_text(), re.MULTILINE)
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "processor": (model[1] if model else "unknown") + (f" at {float(mhz[1]):.0f} MHz" if mhz else ""),
        "cores": str(os.cpu_count()),
        "system": pretty[1] if pretty else "unknown",
        "kernel": os.uname().release,
        "openssl": " ".join(run("openssl", "version").split()[:2]),
        "nginx": run("nginx", "-v").rpartition(" ")[2],
        "wrk": (re.search(r"wrk (\S+)", run("wrk", "-v")) or ["", "unknown"])[1],
        "commit": run("git", "-C", str(ROOT), "describe", "--always", "--dirty"),
    }
