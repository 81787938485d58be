# SPDX-License-Identifier: Apache-2.0
"""Code in a box: what the box costs beside nothing and beside bubblewrap, in the same rounds, and how soon a limit is met.

All processors are everybody's here: a box is several processes by nature. What Gatehouse takes is the whole of a request over
TLS, from the client's first byte to the end of the answer; nothing and bubblewrap are one spawn(3) and one wait(2)."""

import http.client
import json
import os
import re
import statistics
import threading
import time
from pathlib import Path

from machine import LOAD_CORE, Invalid, run
from report import MET, MISSED, Spread, Table
from servers import BINARY, Bench, Gatehouse

ORDER = 70
PYTHON = "/usr/bin/python3"
PRINT = "print(1)"
NUMPY = "import numpy; print(int(numpy.arange(10).sum()))"
PARALLEL = 8
# Where the tests' environment with numpy lies; without it, or numpy of the host's, that row is left out.
VENV = Path(os.environ.get("GATEHOUSE_SANDBOX_VENV", "/opt/gatehouse-test-venv"))
BUBBLEWRAP = [
    "/usr/bin/bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv", "--ro-bind", "/usr", "/usr",
    "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64", "--proc", "/proc",
    "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/work", "--chdir", "/work",
]  # fmt: skip


class Sandboxed(Gatehouse):
    name = "sandboxed"

    def __init__(self, bench: Bench, *, computes: bool = False) -> None:
        """With the environment's Python in the place of the host's, if it `computes`."""
        self.computes = computes
        super().__init__(bench)

    def tables(self) -> dict:
        venv = {"name": "python", "command": f"{VENV}/bin/python3", "file": "main.py", "read": [str(VENV)]}
        return {
            **super().tables(),
            "sandbox": {"allow_partial": True, "parallel": PARALLEL, "warm": 3, "queue_of_one": 1000, "queue": 1000},
            "sandbox.language": [
                {"name": "true", "command": "/usr/bin/true", "file": "main"}, *([venv] if self.computes else []),
            ],
        }  # fmt: skip

    def start(self, wait: float = 20):
        super().start(wait)
        made = run(str(BINARY), "--config", str(self.file), "key", "create", "--name", "runs", "--scope", "executions", "--json")
        self.key = json.loads(made)["key"]
        # The keeper and its boxes inherit what the server was given.
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), range(os.cpu_count()))
        for child in self.pids[1:]:
            os.sched_setaffinity(child, range(os.cpu_count()))
        return self


def has_numpy() -> bool:
    return any(VENV.glob("lib/python3*/site-packages/numpy"))


class Client:
    """One connection that is kept."""

    def __init__(self, bench: Bench, server: Gatehouse) -> None:
        self.connection = http.client.HTTPSConnection("localhost", server.ports[0], context=bench.trust, timeout=60)
        self.headers = {"authorization": f"Bearer {server.key}", "content-type": "application/json"}

    def run(self, language: str, code: str, **more) -> tuple[float, dict]:
        """Milliseconds, and the answer."""
        body = json.dumps({"language": language, "code": code, **more})
        begun = time.perf_counter()
        self.connection.request("POST", "/v1/executions", body, self.headers)
        answer = self.connection.getresponse()
        content = answer.read()
        took = (time.perf_counter() - begun) * 1000
        if answer.status != 200:
            raise Invalid(f"{answer.status}: {content!r}")
        return took, json.loads(content)


# With another limit than the usual one no interpreter that waits fits, and no box.
COLD = {"limits": {"memory_bytes": 255 << 20}}


def spawned(*command: str) -> float:
    """Milliseconds from before the start of a program to its end."""
    begun = time.perf_counter()
    null = [(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)]
    pid = os.posix_spawn(command[0], list(command), {"PATH": "/usr/bin:/bin"}, file_actions=null)
    _, status = os.waitpid(pid, 0)
    if status != 0:
        raise Invalid(f"{' '.join(command)} ended with {status}")
    return (time.perf_counter() - begun) * 1000


def expect(answer: dict, output: str) -> None:
    if answer["status"] != "ok" or answer["stdout"] != output:
        raise Invalid(f"a run went wrong: {answer}")


def share(values: list[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def measure(bench: Bench) -> Table:
    if not Path(BUBBLEWRAP[0]).exists():
        raise Invalid("bubblewrap is not installed")
    os.sched_setaffinity(0, range(os.cpu_count()))
    try:
        with Sandboxed(bench) as server:
            table = compare(bench, server)
        if has_numpy():
            with Sandboxed(bench, computes=True) as server:
                table.rows.insert(4, computed(bench, server, table.data))
        return table
    finally:
        os.sched_setaffinity(0, {LOAD_CORE})


def compare(bench: Bench, server: Sandboxed) -> Table:
    client = Client(bench, server)
    time.sleep(3)
    rounds = 60 if bench.quick else 200
    bare, wrapped, boxed, unmade = alone(client, rounds)
    over_wrapped, over_boxed = [[b - a for a, b in zip(bare, other)] for other in (wrapped, boxed)]
    rows = [
        row("cold box around `true`, p50", f"{share(bare, 0.5):.2f} ms", f"+{share(over_wrapped, 0.5):.2f} ms",
            f"+{share(over_boxed, 0.5):.2f} ms", "≤ bubblewrap's", share(over_boxed, 0.5) <= share(over_wrapped, 0.5)),
        row("the same, p99", f"{share(bare, 0.99):.2f} ms", f"+{share(over_wrapped, 0.99):.2f} ms",
            f"+{share(over_boxed, 0.99):.2f} ms", "≤ bubblewrap's", share(over_boxed, 0.99) <= share(over_wrapped, 0.99)),
    ]  # fmt: skip
    late_box = share([b - a for a, b in zip(bare, unmade)], 0.5)
    rows.append(["the same where no box waits, p50", "", "", f"+{late_box:.2f} ms", "", ""])
    plain, warm = waiting(client, 30 if bench.quick else 60)
    ratio = Spread.of([a / b for a, b in zip(warm, plain)])
    rows.append(row("`print(1)`, an interpreter waits", f"{statistics.median(plain):.1f} ms", "",
                    f"{statistics.median(warm):.1f} ms, {ratio.ranged()}", "≤ 0.5× bare", ratio.median <= 0.5))  # fmt: skip
    rate = throughput(bench, server)
    part = Spread.of([ours / theirs for ours, theirs in rate])
    rows.append(row(f"cold `print(1)` a second, {PARALLEL} at once", f"{statistics.median([r[1] for r in rate]):.0f}", "",
                    f"{statistics.median([r[0] for r in rate]):.0f}, {part.ranged()}", "≥ 0.7× bare", part.median >= 0.7))  # fmt: skip
    late = Spread.of(lateness(client, 10 if bench.quick else 30))
    rows.append(row("end of a run that met its time", "", "", f"{late.ranged(1, ' ms')} late", "≤ 50 ms", late.median <= 50))
    data = {"bare": bare, "bubblewrap": wrapped, "box": boxed, "unmade": unmade, "warm": warm, "rate": rate, "late": late.__dict__}
    version = re.sub(r"^bubblewrap ", "", run("/usr/bin/bwrap", "--version"))
    note = f"bubblewrap {version} without a filter and without limits; Gatehouse with every layer, limits, and HTTP over TLS."
    return Table("Code in a box", ["", "bare", "bubblewrap", "Gatehouse", "bar", ""], rows, note, data)


def row(what: str, bare: str, wrapped: str, ours: str, bar: str, is_met: bool) -> list[str]:
    return [what, bare, wrapped, ours, bar, MET if is_met else MISSED]


def alone(client: Client, rounds: int) -> tuple[list[float], ...]:
    """Nothing, bubblewrap, a box that waits, and a box that must be made. After each a pause, in which the kernel clears away what
    it left and the next box comes to wait: nobody is measured in another's noise."""

    def boxed(**more) -> float:
        took, answer = client.run("true", "-", **more)
        expect(answer, "")
        return took

    ways = (lambda: spawned("/usr/bin/true"), lambda: spawned(*BUBBLEWRAP, "/usr/bin/true"), boxed, lambda: boxed(**COLD))
    found: tuple[list[float], ...] = ([], [], [], [])
    for index in range(rounds + 10):
        for values, way in zip(found, ways):
            value = way()
            if index >= 10:
                values.append(value)
            time.sleep(0.02)
    return found


def waiting(client: Client, rounds: int) -> tuple[list[float], list[float]]:
    """With a pause after each, in which the next one comes to wait."""
    plain, warm = [], []
    for _ in range(rounds):
        plain.append(spawned(PYTHON, "-c", PRINT))
        took, answer = client.run("python", PRINT)
        expect(answer, "1\n")
        warm.append(took)
        time.sleep(0.15)
    return plain, warm


def computed(bench: Bench, server: Sandboxed, data: dict) -> list[str]:
    """The row about numpy, which waits too: it takes longer to be there than the interpreter alone."""
    client, took = Client(bench, server), []
    time.sleep(8)
    for _ in range(5 if bench.quick else 15):
        milliseconds, answer = client.run("python", NUMPY)
        expect(answer, "45\n")
        took.append(milliseconds)
        time.sleep(3)
    data["numpy"] = took
    middle = statistics.median(took)
    return row("`import numpy`, the same", "", "", f"{middle:.1f} ms", "≤ 10 ms", middle <= 10)


def throughput(bench: Bench, server: Sandboxed) -> list[tuple[float, float]]:
    """Runs a second, ours and bare, by turns."""
    seconds = 1.0 if bench.quick else 2.0

    def rate(make) -> float:
        counts = [0] * PARALLEL
        until = time.monotonic() + seconds

        def work(index: int) -> None:
            one = make()
            while time.monotonic() < until:
                one()
                counts[index] += 1

        threads = [threading.Thread(target=work, args=(index,)) for index in range(PARALLEL)]
        begun = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(counts) / (time.monotonic() - begun)

    def ours():
        client = Client(bench, server)
        return lambda: expect(client.run("python", PRINT, **COLD)[1], "1\n")

    return [(rate(ours), rate(lambda: lambda: spawned(PYTHON, "-c", PRINT))) for _ in range(3 if bench.quick else 5)]


def lateness(client: Client, rounds: int) -> list[float]:
    """Milliseconds from a run's time on the clock to the end of the answer: two processes that do not want to end."""
    code = "import os, signal\nos.fork()\nsignal.signal(15, signal.SIG_IGN)\nwhile True: pass"
    found = []
    for _ in range(rounds):
        took, answer = client.run("python", code, limits={"wall_ms": 300})
        if answer["status"] != "timeout":
            raise Invalid(f"a run went on: {answer}")
        found.append(took - 300)
    return found
