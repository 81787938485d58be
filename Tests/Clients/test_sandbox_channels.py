# SPDX-License-Identifier: Apache-2.0
"""Row C1: a run sees nothing of what others do with the files that all share. Each way is shown to work outside a box, on
the same file, so that a refusal is the box's."""

import subprocess
import sys

import pytest

from sandbox_house import SandboxHouse

# Watches the host's own programs, starts one, and says whether it was told.
WATCH = """
import ctypes, fcntl, os, signal, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
way, told = sys.argv[1] if len(sys.argv) > 1 else WAY, []
folder = os.open("/usr/bin", os.O_RDONLY | os.O_DIRECTORY)
try:
    if way == "inotify":
        watch = libc.inotify_init1(os.O_NONBLOCK)
        if watch < 0 or libc.inotify_add_watch(watch, b"/usr/bin", 0x20) < 0:
            raise OSError(ctypes.get_errno(), "inotify")
    else:
        signal.signal(signal.SIGIO, lambda *_: told.append(1))
        fcntl.fcntl(folder, 1026, 0x80000000 | 1)
    subprocess.run(["/usr/bin/env", "true"], check=True)
    if way == "inotify":
        told.append(os.read(watch, 4096))
    print("TOLD" if told else "NOT TOLD")
except OSError as error:
    print("REFUSED", error.errno)
"""

WAYS = pytest.mark.parametrize("way", ["inotify", "dnotify"])


@pytest.fixture(scope="module")
def house():
    with SandboxHouse() as made:
        yield made
        made.wait_quiet()


@WAYS
def test_outside_it_is_told(way):
    done = subprocess.run([sys.executable, "-c", WATCH, way], capture_output=True, text=True, timeout=30)
    assert done.stdout == "TOLD\n", done.stdout + done.stderr


@WAYS
def test_in_a_box_nothing_is_told(house, way):
    answer = house.run(f"WAY = {way!r}\n" + WATCH)
    # EPERM by name; ENOSYS for a command that the list does not have.
    assert answer["stdout"] in ("REFUSED 1\n", "REFUSED 38\n"), answer


def test_descriptors_work_as_ever(house):
    """What programs ask of fcntl(2) every day."""
    answer = house.run(
        """
import fcntl, os, sqlite3, struct
read, write = os.pipe()
assert fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 65536) == 65536
fcntl.fcntl(read, fcntl.F_SETFL, fcntl.fcntl(read, fcntl.F_GETFL) | os.O_NONBLOCK)
fcntl.fcntl(read, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
assert fcntl.fcntl(read, fcntl.F_DUPFD_CLOEXEC, 100) >= 100
with open("a", "w") as file:
    fcntl.lockf(file, fcntl.LOCK_EX)
base = sqlite3.connect("a.db")
base.execute("create table t (a)")
base.execute("insert into t values (7)")
base.commit()
print(base.execute("select a from t").fetchone()[0])
"""
    )
    assert (answer["stdout"], answer["stderr"]) == ("7\n", ""), answer
