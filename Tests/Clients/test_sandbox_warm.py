# SPDX-License-Identifier: Apache-2.0
"""Interpreters that wait: a program in one of them sees what it would see in one of its own, is held by the same box and the
same limits, and finds nothing of whoever came before. As root with control groups and as a plain user without."""

import os
import signal
import time

import pytest

from sandbox_house import ABSENT, PLAIN_USER, SandboxHouse, can_be_another, content, descendants, read, upload
from test_sandbox import CASES, OF_KIND, code
from test_sandbox_own import CALLS, OTHERS, PRELUDE, WORKS

WARM = 3


@pytest.fixture(scope="module", params=["groups", "plain"])
def house(request):
    if request.param == "plain" and not can_be_another():
        pytest.skip("only root can become a plain user")
    user = PLAIN_USER if request.param == "plain" else None
    settings = {"warm": WARM, "warm_modules": ["sqlite3", ABSENT, "colorsys"]}
    with SandboxHouse(settings, user=user) as made:
        yield made


@pytest.fixture(autouse=True)
def all_wait_again(house):
    house.wait_quiet()
    yield
    house.wait_quiet()


def waited(house):
    """Runs so far that found an interpreter waiting."""
    for line in house.metrics().splitlines():
        if line.startswith("gatehouse_sandbox_runs_warm_total "):
            return int(line.split()[1])
    raise AssertionError("the metrics do not say")


def warm(house, program, **more):
    """A run of which is known that its interpreter waited."""
    house.wait_ready()
    before = waited(house)
    answer = house.run(program, **more)
    assert waited(house) == before + 1, "it had an interpreter of its own"
    house.wait_quiet()
    return answer


OPEN = """
import atexit, sys
file = open("left.txt", "w")
file.write("heron")
class Thing:
    def __del__(self): print("gone")
thing = Thing()
def together(): return file, thing
atexit.register(print, "exit")
sys.exit(3)
"""


@pytest.mark.parametrize("first", ["", "import sqlite3\n"])
def test_what_a_program_left_open_is_written(house, first):
    """Functions hold what is around them in a circle, which Python takes apart when it ends; what waited must do so too."""
    answer = warm(house, first + OPEN)
    assert (answer["exit_code"], answer["stdout"], answer["stderr"]) == (3, "exit\ngone\n", ""), answer
    assert [(file["name"], content(file)) for file in answer["files"]] == [("left.txt", b"heron")]


SEEN = """
import os, sys
print(sys.argv, sys.path[0], __file__, __name__, sorted(globals()), os.getcwd(), sorted(os.listdir()))
print({name: value for name, value in sorted(os.environ.items())})
print(sys.stdin.read(), sys.stdin.name, sys.stdin.encoding, sys.stdin.errors, sys.stdin.seekable(), sys.flags)
print(sorted(os.listdir("/proc/self/fd")), os.getppid(), sys.stdout.encoding)
"""


def test_a_program_sees_what_it_would_see(house):
    more = {"args": ["a", "b c"], "stdin": "heron", "files": [upload("deep/er.txt", b"x")]}
    answers = [warm(house, SEEN, **more), house.run(SEEN, **more, limits={"memory_bytes": 200 << 20})]
    assert answers[0]["status"] == "ok" and answers[0]["stdout"] == answers[1]["stdout"], answers
    assert answers[0]["files"] == []


@pytest.mark.parametrize("program", ["1/0", "def f(:\n pass", "import sys; sys.exit(3)", "raise SystemExit('so')"])
def test_it_fails_as_it_would_fail(house, program):
    answers = [warm(house, program), house.run(program, limits={"memory_bytes": 200 << 20})]
    assert [answers[0][name] for name in ("status", "exit_code", "stdout", "stderr")] == [
        answers[1][name] for name in ("status", "exit_code", "stdout", "stderr")
    ]


def test_files_come_back(house):
    answer = warm(house, "open('a.txt','w').write('7')", files=[upload("b.txt", b"unchanged")])
    assert [(file["name"], content(file)) for file in answer["files"]] == [("a.txt", b"7")]


def test_nothing_of_one_is_seen_by_the_next(house):
    leave = "import os,builtins\nfor p in ('/work/x','/tmp/x','/dev/shm/x'): open(p,'w').write('1')\nbuiltins.mark=1"
    look = "import os,builtins\nprint([p for p in ('/work/x','/tmp/x','/dev/shm/x') if os.path.exists(p)], hasattr(builtins,'mark'))"
    for _ in range(WARM + 1):
        warm(house, leave)
    for _ in range(WARM + 1):
        assert warm(house, look)["stdout"] == "[] False\n"


@pytest.mark.parametrize(
    "program, limits, status",
    [
        ("import time\nwhile True: time.sleep(1)", {"wall_ms": 400}, "timeout"),
        ("while True: pass", {"cpu_ms": 300, "wall_ms": 30_000}, "cpu"),
        ("while True: print('x' * 1000)", {"output_bytes": 5000, "wall_ms": 30_000}, "output"),
        ("x = bytearray(1 << 30)\nx[:] = b'1' * (1 << 30)", {"wall_ms": 30_000}, "memory"),
    ],
)
def test_limits_hold(house, program, limits, status):
    answer = warm(house, program, limits=limits)
    assert answer["status"] == status or (status == "memory" and answer["status"] == "error"), answer
    if "wall_ms" in limits and status == "timeout":
        assert 400 <= answer["usage"]["wall_ms"] < 20_000


def test_what_was_used_before_is_not_the_programs(house):
    assert warm(house, "import time; time.sleep(0.3)")["usage"]["cpu_ms"] < 250


def test_other_limits_have_an_interpreter_of_their_own(house):
    before = waited(house)
    answer = house.run("print(1)", limits={"memory_bytes": 64 << 20})
    assert answer["stdout"] == "1\n" and answer["limits"]["memory_bytes"] == 64 << 20 and waited(house) == before


def test_modules_are_there_for_whoever_names_them(house):
    assert warm(house, "import sys; print('sqlite3' in sys.modules)  # sqlite3")["stdout"] == "True\n"
    assert warm(house, "import sys; print('sqlite' + '3' in sys.modules)")["stdout"] == "False\n"


def test_no_more_modules_are_there_than_are_named(house):
    look = "import sys; print([name in sys.modules for name in ('sqlite' + '3', 'color' + 'sys')])"
    assert warm(house, look + " # sqlite3")["stdout"] == "[True, False]\n"
    assert warm(house, look + " # colorsys")["stdout"] == "[True, True]\n"


def test_more_is_better_than_none(house):
    """Twice as many at once as there are with that module alone: the others get one that has more."""
    house.wait_ready()
    before = waited(house)
    code = "import sqlite3, time; time.sleep(1); print(1)"
    answers = house.run_all({str(index): {"code": code} for index in range(2 * WARM)}, at_once=2 * WARM)
    assert {answer["stdout"] for answer in answers.values()} == {"1\n"}
    assert waited(house) == before + 2 * WARM


def test_streams(house):
    house.wait_ready()
    events = list(house.events({"language": "python", "code": "print(6*7)", "stream": True}))
    assert [name for _, name, _ in events] == ["stdout", "result"] and events[0][2] == {"text": "42\n"}


def test_the_one_that_waits_cannot_be_reached(house):
    """A program sees its own box: of those that wait beside it nothing."""
    answer = warm(house, "import os; print(sum(name.isdigit() for name in os.listdir('/proc')))")
    assert int(answer["stdout"]) <= 2, answer


def test_those_that_are_killed_are_counted_out_and_replaced(house):
    house.wait_ready()
    keeper = house.keeper
    killed = [pid for pid in descendants(keeper) if b"main.py" in read(f"/proc/{pid}/cmdline")]
    assert len(killed) == house.warm
    # A keeper that is stopped makes no others meanwhile.
    os.kill(keeper, signal.SIGSTOP)
    try:
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        house.wait_ready(count=0)
    finally:
        os.kill(keeper, signal.SIGCONT)
    house.wait_ready()
    house.wait_quiet()
    assert warm(house, "print(7)")["stdout"] == "7\n"
    os.kill(house.keeper, signal.SIGKILL)
    deadline = time.monotonic() + 30
    body = {"language": "python", "code": "print(7)"}
    while house.request("POST", "/v1/executions", body)[0] != 200 and time.monotonic() < deadline:
        time.sleep(0.05)
    house.wait_quiet()
    assert warm(house, "print(7)")["stdout"] == "7\n"


@pytest.fixture(scope="module")
def answers(house):
    """The attack table and our own cases, some at a time."""
    verdicts = [name for name in OF_KIND["verdict"] if CASES[name]["language"] == "python"]
    wanted = {name: {"code": code(CASES[name])} for name in verdicts}
    for name, (number, arguments) in CALLS.items():
        wanted[name] = {"code": f"{PRELUDE}probe({name!r},{number}{',' + arguments if arguments else ''})"}
    wanted |= {name: {"code": PRELUDE + attempt} for name, attempt in OTHERS.items()}
    wanted |= {name: {"code": program, "limits": {"wall_ms": 60_000}} for name, program in WORKS.items()}
    before = waited(house)
    found = house.run_all(wanted, at_once=2)
    assert waited(house) - before > len(wanted) // 2, "most of them are to find an interpreter waiting"
    return found


def test_the_same_box_is_around_it(answers):
    escaped = {name: answer for name, answer in answers.items() if "ESCAPED" in answer["stdout"]}
    assert not escaped
    silent = {
        name: answer
        for name, answer in answers.items()
        if not ("WORKS" if name in WORKS else "BLOCKED") in answer["stdout"] and answer["signal"] != "SIGSYS"
    }
    assert not silent
