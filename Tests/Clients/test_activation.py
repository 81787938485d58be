# SPDX-License-Identifier: Apache-2.0
"""Sockets that systemd bound (sd_listen_fds(3)): handed over as it would, by a small program of this test and by
systemd-socket-activate itself where there is one."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from gateway import Gateway, binary

# What systemd does between fork and exec: the descriptors from 3 on, and the variables with the process's own number.
LAUNCHER = """
import json, os, sys
order = json.loads(sys.argv[1])
moved = [os.dup(number) for number in order["descriptors"]]
for number in moved: os.set_inheritable(number, False)
high = [os.dup2(number, 100 + index) for index, number in enumerate(moved)]
for index, number in enumerate(high): os.dup2(number, 3 + index)
os.closerange(3 + len(high), 200)
environment = {**os.environ, **order["variables"]}
environment.setdefault("LISTEN_PID", str(os.getpid()))
os.execve(sys.argv[2], sys.argv[2:], environment)
"""


def launch(server: Gateway, sockets: list[socket.socket], **variables: str) -> None:
    """Starts the server with these sockets, as `Gateway.start` would without any."""
    server.write()
    numbers = [each.fileno() for each in sockets]
    given = {"LISTEN_FDS": str(len(sockets)), **variables}
    order = json.dumps({"descriptors": numbers, "variables": {n: v for n, v in given.items() if v}})
    with open(server.output, "ab") as output:
        server.process = subprocess.Popen(
            [sys.executable, "-c", LAUNCHER, order, str(binary()), "--config", str(server.file), "serve"],
            cwd=server.directory,
            env=server.environment,
            pass_fds=numbers,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )


def listening(port: int = 0, address: str = "127.0.0.1") -> socket.socket:
    return socket.create_server((address, port), backlog=128)


def answers(server: Gateway, port: int, path: str = "/livez", secure: bool = True) -> int:
    if secure:
        client = http.client.HTTPSConnection("localhost", port, timeout=10, context=server.trust)
    else:
        client = http.client.HTTPConnection("localhost", port, timeout=10)
    client.request("GET", path)
    status = client.getresponse().status
    client.close()
    return status


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def loops_that_watch(server: Gateway, inode: int) -> list[str]:
    """The flags of each epoll entry of the server that watches the socket with this inode."""
    found = []
    directory = server.descriptors("fdinfo")
    for number in os.listdir(directory):
        try:
            lines = open(f"{directory}/{number}").read().splitlines()
        except FileNotFoundError:
            continue  # closed since it was listed
        for line in lines:
            words = line.replace(":", ": ").split()
            if words[:1] == ["tfd:"] and int(words[words.index("ino:") + 1], 16) == inode:
                found.append(words[words.index("events:") + 1])
    return found


def test_sockets_by_name(make_gateway):
    server = make_gateway({"http": {"loops": 2}})
    with listening() as secure, listening() as other, listening() as plain:
        ports = [each.getsockname()[1] for each in (secure, other, plain)]
        launch(server, [secure, other, plain], LISTEN_FDNAMES="tls:tls:redirect")
        server.wait_ready(f"https://localhost:{ports[0]}")
        assert [answers(server, port) for port in ports[:2]] == [200, 200]
        assert answers(server, ports[2], secure=False) == 308
        assert is_free(server.port) and is_free(server.redirect_port), "its own addresses are left alone"
        # Both loops wait for each socket, and the kernel wakes one of them (EPOLLEXCLUSIVE is bit 28).
        for each in (secure, other, plain):
            events = loops_that_watch(server, os.fstat(each.fileno()).st_ino)
            assert len(events) == 2 and all(int(flags, 16) & 1 << 28 for flags in events), events
        key = server.create_key().key
        headers = {"authorization": f"Bearer {key}"}
        request = urllib.request.Request(f"https://localhost:{ports[1]}/v1/models", headers=headers)
        assert urllib.request.urlopen(request, context=server.trust).status == 200
        assert server.stop() == 0
        # The queue outlives the server, as it should: whoever comes now waits for the next one.
        with socket.create_connection(("127.0.0.1", ports[0]), 5):
            pass


def test_sockets_by_address(make_gateway):
    server = make_gateway()
    path = server.directory / "operator.sock"
    server.tables["admin"] = {"socket": str(path)}
    with listening(server.port) as secure, listening(server.redirect_port) as plain, socket.socket(socket.AF_UNIX) as admin:
        admin.bind(str(path))
        admin.listen()
        launch(server, [admin, plain, secure], LISTEN_FDNAMES="gatehouse.socket:unknown:")
        server.wait_ready()
        assert answers(server, server.port) == 200
        assert answers(server, server.redirect_port, secure=False) == 308
        assert server.create_key().key.startswith("ghk_"), "over the admin socket"
        assert server.stop() == 0
        assert path.exists(), "it belongs to whoever made it"


def test_no_names_at_all(make_gateway):
    server = make_gateway()
    with listening(server.port) as secure:
        launch(server, [secure])
        server.wait_ready()
        assert answers(server, server.redirect_port, secure=False) == 308, "what was not handed over is its own"
        assert server.stop() == 0


def test_variables_for_another_process_are_nothing(make_gateway):
    server = make_gateway()
    with listening() as other:
        launch(server, [other], LISTEN_PID="1", LISTEN_FDNAMES="tls")
        server.wait_ready()
        assert server.stop() == 0


@pytest.mark.parametrize(
    "handed, variables, told",
    [
        ("elsewhere", {}, "none of the addresses in [http] and [admin]"),
        ("elsewhere", {"LISTEN_FDNAMES": "web"}, "FileDescriptorName=tls, redirect or admin"),
        ("elsewhere", {"LISTEN_FDNAMES": "admin"}, "not a local socket"),
        ("local", {"LISTEN_FDNAMES": "tls"}, "a local socket"),
        ("local", {}, "none of the addresses"),
        ("open", {"LISTEN_FDNAMES": "tls"}, "development mode listens on loopback only"),
        ("silent", {"LISTEN_FDNAMES": "tls"}, "no listening stream socket"),
        ("datagrams", {"LISTEN_FDNAMES": "tls"}, "no listening stream socket"),
        ("elsewhere", {"LISTEN_FDNAMES": "tls:redirect"}, "2 names for 1 descriptors"),
        ("elsewhere", {"LISTEN_FDS": "x"}, "LISTEN_FDS is no number"),
        ("elsewhere", {"LISTEN_FDS": "-1"}, "LISTEN_FDS is no number"),
        ("elsewhere", {"LISTEN_FDS": "3"}, "not open"),
    ],
)
def test_what_does_not_fit_stops_it(make_gateway, handed, variables, told):
    server = make_gateway()
    path = str(server.directory / "x.sock")
    made = {
        "elsewhere": lambda: listening(),
        "open": lambda: listening(address="0.0.0.0"),
        "local": lambda: socket.create_server(path, family=socket.AF_UNIX),
        "silent": lambda: socket.socket(),
        "datagrams": lambda: socket.socket(type=socket.SOCK_DGRAM),
    }[handed]()
    with made:
        launch(server, [made], **variables)
        assert server.process.wait(20) == 1
    log = server.logs()
    assert told in log and "gatehouse: error:" in log, log


@pytest.mark.skipif(not shutil.which("systemd-socket-activate"), reason="there is no systemd-socket-activate")
def test_systemd_itself(make_gateway):
    server = make_gateway()
    server.write()
    with open(server.output, "ab") as output:
        server.process = subprocess.Popen(
            ["systemd-socket-activate", "-l", f"127.0.0.1:{server.port}", "-l", f"127.0.0.1:{server.redirect_port}"]
            # It hands on no more of the environment than it is told to.
            + [f"--setenv={name}" for name in server.environment]
            + ["--fdname=tls:redirect", str(binary()), "--config", str(server.file), "serve"],
            cwd=server.directory,
            env=server.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    # The first connection is what starts the server, and is served.
    deadline = time.monotonic() + 20
    while is_free(server.port) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert answers(server, server.port) == 200
    assert answers(server, server.redirect_port, secure=False) == 308
    assert server.stop() == 0
