# SPDX-License-Identifier: Apache-2.0
"""Cases of our own beside the attack table: each says BLOCKED or WORKS, and never ESCAPED."""

import json
from pathlib import Path

import pytest

from sandbox_house import PLAIN_USER, SandboxHouse, can_be_another

PRELUDE = json.loads((Path(__file__).parent / "sandbox_cases.json").read_text())["prelude"]

# Calls by number on x86-64, with arguments that the kernel would look at, were it asked.
CALLS = {
    "mount": (165, "b'x',b'/tmp',b'tmpfs',0,0"),
    "umount2": (166, "b'/proc',2"),
    "pivot_root": (155, "b'/tmp',b'/tmp'"),
    "move_mount": (429, "-1,b'',-1,b'',0"),
    "open_tree": (428, "-100,b'/',1"),
    "fsopen": (430, "b'tmpfs',0"),
    "mount_setattr": (442, "-100,b'/',0,0,0"),
    "setns": (308, "0,0"),
    "clone3": (435, "0,0"),
    "process_vm_readv": (310, "1,0,0,0,0,0"),
    "process_vm_writev": (311, "1,0,0,0,0,0"),
    "kcmp": (312, "1,1,0,0,0"),
    "seccomp": (317, "1,0,0"),
    "open_by_handle_at": (304, "-100,0,0"),
    "fanotify_mark": (301, "0,0,0,0,0"),
    "shmget": (29, "0,4096,0o1600"),
    "msgget": (68, "0,0o1600"),
    "semget": (64, "0,1,0o1600"),
    "mq_open": (240, "b'x',0o102,0o600,0"),
    "io_setup": (206, "1,0"),
    "splice": (275, "0,0,1,0,1,0"),
    "vmsplice": (278, "1,0,0,0"),
    "tee": (276, "0,1,1,0"),
    "sync": (162, ""),
    "ioprio_set": (251, "1,0,0"),
    "sched_setattr": (314, "0,0,0"),
    "clock_adjtime": (305, "0,0"),
    "pidfd_getfd of 1": (438, "0,0,0"),
    "landlock is not theirs to stack": (444, "0,0,1"),
    "personality ADDR_NO_RANDOMIZE": (135, "0x40000"),
    "prlimit of pid 1": (302, "1,7,0,0"),
    "setpriority of pid 1": (141, "0,1,19"),
    "sched_setaffinity of pid 1": (203, "1,8,b'\\x01'*8"),
    "mknod of a device": (133, "b'/tmp/d',0o020666,0x0103"),
    "TIOCSTI": (16, "0,0x5412,b'x'"),
    "fcntl F_NOTIFY": (72, "0,1026,0x80000001"),
    "socket SCTP": (41, "2,1,132"),
    "socket MPTCP": (41, "2,1,262"),
    "socket raw": (41, "2,3,1"),
    "socket ping": (41, "2,2,1"),
    "socket netlink in the high half": (41, "16|(1<<33),3,0"),
    "x32 getpid": (0x40000000 + 39, ""),
    "clone with a user namespace": (56, "0x10000011,0,0,0,0"),
    "prctl PR_SET_MM": (157, "35,1,0,0,0"),
}
# What the answer's note calls those that are refused, whatever their arguments are or because of them; and what it is silent about,
# as a kernel without such a call would be.
NAMES = {
    "mount": "mount", "splice": "splice", "sync": "sync", "clone with a user namespace": "clone", "socket SCTP": "socket",
    "socket netlink in the high half": "socket", "TIOCSTI": "ioctl", "fcntl F_NOTIFY": "fcntl", "prctl PR_SET_MM": "prctl",
    "personality ADDR_NO_RANDOMIZE": "personality", "prlimit of pid 1": "prlimit64", "setpriority of pid 1": "setpriority",
    "sched_setaffinity of pid 1": "sched_setaffinity", "mknod of a device": "mknod",
}  # fmt: skip
UNNAMED = ["clone3", "shmget", "mq_open", "io_setup", "landlock is not theirs to stack"]

OTHERS = {
    "no file of the host's": "V(not any(os.path.exists(p) for p in ('/etc/shadow','/var','/srv','/opt','/run','/boot','/sys')))",
    "etc is synthetic": "V(set(os.listdir('/etc')) <= {'passwd','group','hosts','nsswitch.conf','host.conf','hostname','fonts','ld.so.cache','alternatives','localtime','mime.types'}, os.listdir('/etc'))",
    "nothing in dev": "V(set(os.listdir('/dev')) <= {'null','zero','full','random','urandom','shm','empty','fd','stdin','stdout','stderr'})",
    "the host's name": "V(socket.gethostname() == 'sandbox')",
    "one user": "V(len(open('/etc/passwd').read().splitlines()) == 1 and os.getuid() == 1000)",
    "no symlink leads out": "os.symlink('/proc/1/root','x')\ntry: print('ESCAPED', os.listdir('x'))\nexcept OSError: V(True)",
    "no memory of others": "try: open('/proc/1/mem','rb'); V(False)\nexcept OSError: V(True)",
    "nothing written to proc": "try: open('/proc/self/oom_score_adj','w').write('-1000'); V(False)\nexcept OSError: V(True)",
    "nobody above is killed": "for p in (1, os.getppid(), -1):\n  try: os.kill(p, 0 if p == -1 else 9)\n  except OSError: pass\nV(True)",
    "no second network": "V([l.split(':')[0].strip() for l in open('/proc/net/dev').read().splitlines()[2:]] == ['lo'])",
    "nothing is reached": "s=socket.socket(); s.settimeout(1)\ntry: s.connect(('1.1.1.1',80)); V(False)\nexcept OSError: V(True)",
    "no datagram leaves": "s=socket.socket(2,2)\ntry: s.sendto(b'x',('169.254.169.254',80)); V(False)\nexcept OSError: V(True)",
    "ipv6 neither": "s=socket.socket(10)\ntry: s.connect(('2606:4700:4700::1111',80)); V(False)\nexcept OSError: V(True)",
    "groups of the host": "V(all(l.split(':')[2] in ('/','') or True for l in open('/proc/self/cgroup')) and 'gatehouse' not in open('/proc/self/cgroup').read())",
    "core dumps": "import resource; V(resource.getrlimit(resource.RLIMIT_CORE) == (0,0))",
    "limits cannot be raised": "import resource\ntry: resource.setrlimit(resource.RLIMIT_NOFILE,(10**6,10**6)); V(False)\nexcept (ValueError,OSError): V(True)",
    "files beyond the quota": "try: open('f','wb').truncate(1<<40); V(False)\nexcept OSError: V(True)",
    "programs of the workspace have no more": "import subprocess,shutil; shutil.copy('/bin/cat','c'); os.chmod('c',0o6755); V('CapEff:\\t0000000000000000' in subprocess.run(['./c','/proc/self/status'],capture_output=True,text=True).stdout)",
}

WORKS = {
    "threads": "import threading; t=[threading.Thread(target=lambda: None) for _ in range(10)]; [x.start() for x in t]; [x.join() for x in t]; print('WORKS')",
    "multiprocessing": "import multiprocessing as m\nif __name__=='__main__':\n  with m.Pool(2) as p: print('WORKS' if p.map(abs,[-1,2])==[1,2] else 'no')",
    "shared memory": "from multiprocessing import shared_memory as s; x=s.SharedMemory(create=True,size=4096); x.buf[0]=1; x.close(); x.unlink(); print('WORKS')",
    "mmap": "import mmap; m=mmap.mmap(-1,1<<20); m[0:1]=b'x'; print('WORKS')",
    "asyncio with a program": "import asyncio\nasync def f():\n  p=await asyncio.create_subprocess_exec('echo','WORKS',stdout=-1); print((await p.communicate())[0].decode())\nasyncio.run(f())",
    "zip and tar": "import zipfile,tarfile; zipfile.ZipFile('a.zip','w').writestr('x','y'); tarfile.open('a.tar','w').add('a.zip'); print('WORKS')",
    "a server inside": "import http.server,threading,urllib.request as u; s=http.server.HTTPServer(('127.0.0.1',0),http.server.SimpleHTTPRequestHandler); threading.Thread(target=s.serve_forever,daemon=True).start(); print('WORKS' if u.urlopen('http://127.0.0.1:%d/'%s.server_port).status==200 else 'no')",
    "locks of bytes": "import fcntl; f=open('x','w'); fcntl.lockf(f,2); print('WORKS')",
    "unix sockets": "import socket; a,b=socket.socketpair(); a.send(b'x'); print('WORKS' if b.recv(1)==b'x' else 'no')",
    "fifos": "import os,threading; os.mkfifo('p'); threading.Thread(target=lambda: open('p','w').write('WORKS')).start(); print(open('p').read())",
    "pseudo random": "import secrets,uuid; secrets.token_hex(8); uuid.uuid4(); print('WORKS')",
    "timers": "import signal,time; signal.signal(14,lambda *_: print('WORKS')); signal.setitimer(0,0.05); time.sleep(0.2)",
}


@pytest.fixture(scope="module", params=["groups", "plain"])
def house(request):
    if request.param == "plain" and not can_be_another():
        pytest.skip("only root can become a plain user")
    with SandboxHouse(user=PLAIN_USER if request.param == "plain" else None) as made:
        yield made


def test_a_program_is_the_first_to_go_where_memory_is_short(house):
    assert house.run("print(open('/proc/self/oom_score_adj').read())")["stdout"].strip() == "1000"


@pytest.fixture(scope="module")
def answers(house):
    """All of them, some at a time: they have nothing to do with each other."""
    wanted = {}
    for name, (number, arguments) in CALLS.items():
        wanted[name] = {"code": f"{PRELUDE}probe({name!r},{number}{',' + arguments if arguments else ''})"}
    wanted |= {name: {"code": PRELUDE + code} for name, code in OTHERS.items()}
    wanted |= {name: {"code": code, "limits": {"wall_ms": 60_000}} for name, code in WORKS.items()}
    return house.run_all(wanted)


@pytest.mark.parametrize("name", CALLS)
def test_a_call_is_refused(answers, name):
    answer = answers[name]
    assert "ESCAPED" not in answer["stdout"], answer
    assert "BLOCKED" in answer["stdout"] or answer["signal"] == "SIGSYS", answer


def named(answer):
    """The calls that the note says were refused."""
    told = (answer["note"] or "").partition("the system call ")[2].partition(";")[0]
    return set(told.split(", ")) - {""}


@pytest.mark.parametrize("name", NAMES)
def test_a_refused_call_is_named(answers, name):
    assert NAMES[name] in named(answers[name]), answers[name]["note"]


@pytest.mark.parametrize("name", UNNAMED + list(WORKS))
def test_what_nobody_has_to_know_is_not(answers, name):
    assert not named(answers[name]), answers[name]["note"]


@pytest.mark.parametrize("name", OTHERS)
def test_an_attempt_leads_nowhere(answers, name):
    answer = answers[name]
    assert "ESCAPED" not in answer["stdout"] and "BLOCKED" in answer["stdout"], answer


@pytest.mark.parametrize("name", WORKS)
def test_what_programs_need_works(answers, name):
    answer = answers[name]
    assert "WORKS" in answer["stdout"], answer
