# SPDX-License-Identifier: Apache-2.0
"""Empty boxes that wait for a run: each serves one, holds nothing of the keeper's or of another box's, and is gone with the
keeper. As root with control groups and as a plain user without. What holds of any box is tried in `test_sandbox.py`, whose runs
get such boxes too."""

import os
import signal
import time

import pytest

from sandbox_house import PLAIN_USER, SandboxHouse, can_be_another, children, groups, read
from test_sandbox_faults import eventually, gone

SPARE = 3
WHERE = 'import os; print(os.readlink("/proc/self/ns/pid"), os.readlink("/proc/self/ns/net"))'


@pytest.fixture(scope="module", params=["groups", "plain"])
def house(request):
    if request.param == "plain" and not can_be_another():
        pytest.skip("only root can become a plain user")
    user = PLAIN_USER if request.param == "plain" else None
    with SandboxHouse({"spare": SPARE}, user=user) as made:
        yield made


@pytest.fixture(autouse=True)
def all_wait_again(house):
    house.wait_quiet()
    yield
    house.wait_quiet()


def places(house):
    """The namespaces of the boxes that wait."""
    found = {" ".join(os.readlink(f"/proc/{pid}/ns/{kind}") for kind in ("pid", "net")) for pid in house.spares()}
    assert len(found) == SPARE
    return found


def test_a_box_that_waited_serves_one_run(house):
    """Its namespaces say which it was; the kernel gives their numbers to others when they are gone, so those are looked at
    that wait all the time."""
    if os.geteuid() != 0:
        pytest.skip("only root can look into another's processes")
    before = places(house)
    first = house.run(WHERE)["stdout"].strip()
    assert first in before, "it had a box of its own"
    second = house.run(WHERE)["stdout"].strip()
    assert second in before and second != first, "it waited beside the first"
    house.wait_quiet()
    assert len(before & places(house)) == SPARE - 2, "those that had their run are gone, and the third still waits"


def test_nothing_of_one_is_seen_by_the_next(house):
    leave = "for p in ('/work/x','/tmp/x','/dev/shm/x'): open(p,'w').write('1')"
    look = "import os\nprint([p for p in ('/work/x','/tmp/x','/dev/shm/x') if os.path.exists(p)], os.listdir('/work'))"
    for _ in range(SPARE + 1):
        assert house.run(leave)["status"] == "ok"
    for _ in range(SPARE + 1):
        assert house.run(look)["stdout"] == "[] ['main.py']\n"


def test_it_holds_nothing_but_its_door_and_its_groups(house):
    if os.geteuid() != 0:
        pytest.skip("only root can look into another's processes")
    for pid in house.spares():
        found = {int(name): os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")}
        more = [target for number, target in found.items() if number > 2]
        assert len([target for target in more if target.startswith("socket:")]) == 1, found
        runs = {target.rsplit("/", 2)[1] for target in more if target.startswith("/sys/fs/cgroup/")}
        assert len(runs) <= 1 and all(name.startswith("run-") for name in runs), found
        assert all(target.startswith(("socket:", "/sys/fs/cgroup/")) for target in more), found


def test_it_is_a_box_already(house):
    """The layers that every box has are around it before it has its run."""
    keeper = house.keeper
    if os.geteuid() != 0:
        pytest.skip("only root can look into another's processes")
    for pid in house.spares():
        for kind in ("user", "mnt", "pid", "net", "ipc", "uts"):
            assert os.readlink(f"/proc/{pid}/ns/{kind}") != os.readlink(f"/proc/{keeper}/ns/{kind}"), kind
        assert b"NoNewPrivs:\t1\n" in read(f"/proc/{pid}/status")
        mounts = read(f"/proc/{pid}/mountinfo").decode()
        assert " /work " in mounts and " /dev/shm " in mounts and " /proc/sys ro" in mounts
        # There is room for nothing in it yet.
        assert "size=4k,nr_inodes=8" in mounts


def test_a_run_has_the_room_that_it_asks_for(house):
    write = "open('/work/x','wb').write(b'1' * (6 << 20)); print('written')"
    assert house.run(write)["stdout"] == "written\n"
    full = house.run(write, limits={"disk_bytes": 2 << 20})
    assert "No space left" in full["stderr"] and full["status"] == "disk", full
    place = "import os; s = os.statvfs('/tmp'); print(s.f_frsize * s.f_blocks, s.f_files)"
    assert house.run(place, limits={"disk_bytes": 2 << 20})["stdout"].split()[0] == str(2 << 20)


@pytest.mark.parametrize("limits", [{"memory_bytes": 64 << 20}, {"processes": 7}])
def test_other_limits_of_the_groups_have_a_box_of_their_own(house, limits):
    if os.geteuid() != 0:
        pytest.skip("only root can look into another's processes")
    before = places(house)
    answer = house.run(WHERE, limits=limits)
    assert answer["status"] == "ok" and answer["stdout"].strip() not in before
    # Its own may take a moment to end.
    house.wait_quiet()
    assert places(house) == before


def test_one_that_is_killed_is_replaced_and_no_run_is_lost(house):
    for _ in range(3):
        killed = house.spares()
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: all(gone(pid) for pid in killed))
        for _ in range(3):
            assert house.run("print(7)")["stdout"] == "7\n"
        house.wait_quiet()
        assert not set(killed) & set(house.spares())


def test_they_die_with_the_keeper(house):
    keeper, waiting = house.keeper, house.spares()
    assert len(waiting) == SPARE
    os.kill(keeper, signal.SIGKILL)
    eventually(lambda: all(gone(pid) for pid in waiting))
    eventually(lambda: house.keeper not in (None, keeper))
    eventually(lambda: house.request("POST", "/v1/executions", {"language": "python", "code": "print(1)"})[0] == 200)
    assert not groups(keeper)


def test_more_runs_at_once_than_wait_are_served(house):
    answers = house.run_all({str(index): {"code": f"print({index})"} for index in range(12)}, at_once=6)
    assert {name: answer["stdout"] for name, answer in answers.items()} == {str(index): f"{index}\n" for index in range(12)}


def test_none_waits_where_none_is_wanted():
    with SandboxHouse({"spare": 0}) as made:
        assert made.run("print(1)")["stdout"] == "1\n"
        time.sleep(0.3)
        assert children(made.keeper) == [] and groups(made.keeper) == []


def test_they_end_with_the_gateway():
    with SandboxHouse({"spare": SPARE}) as made:
        keeper, waiting = made.keeper, made.spares()
        assert len(waiting) == SPARE
        made.server.stop(timeout=30)
        eventually(lambda: gone(keeper) and all(gone(pid) for pid in waiting))
        assert not groups(keeper)
