# SPDX-License-Identifier: Apache-2.0
"""A gateway with a sandbox, as root with control groups or as a plain user without, and what is looked at after a run."""

from __future__ import annotations

import base64
import contextlib
import errno
import glob
import json
import os
import shutil
import socket
import ssl
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import gateway
import httpx2
from certificates import Authority
from gateway import Gateway

# An id that Debian gives to nobody, and that is not the keeper's own.
PLAIN_USER = 59_871
# A module for interpreters that wait which nobody has installed.
ABSENT = "there_is_no_such_module"


def can_be_another() -> bool:
    return os.geteuid() == 0 and shutil.which("setpriv") is not None


class SandboxHouse:
    """One gateway with `[sandbox]`, in a folder of its own, that `user` may read; nil is whoever runs the tests."""

    def __init__(self, sandbox: dict[str, Any] | None = None, user: int | None = None, more: dict[str, Any] | None = None) -> None:
        # pytest's own folders are closed to everybody else.
        self.directory = Path(tempfile.mkdtemp(prefix="gatehouse-sandbox-"))
        self.user = user
        authority = Authority(self.directory)
        certificate = authority.leaf("gatehouse")
        self.trust = ssl.create_default_context(cafile=str(authority.certificate))
        inside = self.directory / "gateway"
        inside.mkdir(mode=0o700)
        self.program = gateway.binary()
        # Unless a test is about them, no interpreter waits: what is left of a run is then whatever is there.
        settings = {"warm": 0, "warm_modules": [], **(sandbox or {})}
        kinds = 1 + sum(name != ABSENT for name in settings["warm_modules"])
        self.warm = int(settings["warm"]) * kinds
        # Empty boxes wait in every house, as in everybody's.
        self.spare = int(settings.get("spare", 2))
        tables: dict[str, Any] = {"sandbox": settings, "gateway": None, **(more or {})}
        # What must not be seen in a box.
        environment = {"CANARY_SECRET_TOKEN": "x", "AWS_SECRET_ACCESS_KEY": "x"}
        self.server = Gateway(inside, certificate, authority.certificate, tables, environment)
        if user is not None:
            wrapper = self.directory / "as-user"
            wrapper.write_text(
                f'#!/bin/sh\nexec setpriv --reuid {user} --regid {user} --clear-groups -- "{self.program}" "$@"\n'
            )
            wrapper.chmod(0o755)
            self.program = wrapper
        self.scopes = ["executions", "files", "chat"]

    def __enter__(self) -> SandboxHouse:
        self.start()
        self.key = self.create_key()
        self.wait_quiet()
        return self

    def start(self) -> None:
        self.server.write()
        if self.user is not None:
            self.directory.chmod(0o755)
            for path in [self.directory, *self.directory.rglob("*")]:
                if path.name != "as-user":
                    os.chown(path, self.user, self.user)
        with self.as_user():
            self.server.launch("--config", str(self.server.file), "serve")
            self.server.wait_ready()

    @contextlib.contextmanager
    def as_user(self) -> Iterator[None]:
        """`Gateway` asks its module for the program at each start."""
        usual = gateway.binary
        gateway.binary = lambda: self.program
        try:
            yield
        finally:
            gateway.binary = usual

    def create_key(self, scopes: list[str] | None = None) -> str:
        with self.as_user():
            return self.server.create_key("sandbox", scopes or self.scopes).key

    def __exit__(self, *_: object) -> None:
        try:
            if self.server.process is not None and self.server.process.poll() is None:
                self.server.stop()
        finally:
            self.server.kill()
            shutil.rmtree(self.directory, ignore_errors=True)

    # Requests.

    def request(self, method: str, path: str, body: Any = None, key: str | None = None, timeout: float = 120) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {key or self.key}", "content-type": "application/json"}
        asked = urllib.request.Request(self.server.base + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(asked, timeout=timeout, context=self.trust) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def run(self, code: str, language: str = "python", key: str | None = None, **more: Any) -> dict[str, Any]:
        begun = time.monotonic()
        status, answer = self.request("POST", "/v1/executions", {"language": language, "code": code, **more}, key)
        assert status == 200, (status, answer, self.server.logs()[-2000:])
        answer["seconds"] = time.monotonic() - begun
        return answer

    def run_all(self, wanted: dict[str, dict[str, Any]], at_once: int = 6) -> dict[str, dict[str, Any]]:
        """Independent runs, some at a time: the answer of each by its name. Nothing of any of them is left."""
        with ThreadPool(at_once) as pool:
            answers = pool.map(lambda one: self.run(**one), wanted.values(), chunksize=1)
        self.wait_quiet()
        return dict(zip(wanted, answers, strict=True))

    def events(self, body: dict[str, Any]) -> Any:
        """The events of a streamed run, each with its time."""
        headers = {"authorization": f"Bearer {self.key}", "content-type": "application/json"}
        asked = urllib.request.Request(self.server.base + "/v1/executions", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(asked, timeout=60, context=self.trust) as answer:
            name = None
            for raw in answer:
                line = raw.decode().rstrip("\n")
                if line.startswith("event: "):
                    name = line[7:]
                if line.startswith("data: "):
                    yield time.monotonic(), name, json.loads(line[6:])

    def metrics(self) -> str:
        """What the operator reads at /metrics."""
        transport = httpx2.HTTPTransport(uds=str(self.server.data / "admin.sock"))
        with httpx2.Client(transport=transport, timeout=30) as operator:
            return operator.get("http://localhost/metrics").text

    def wait_ready(self, seconds: float = 60, count: int | None = None) -> None:
        """Until every interpreter that is to wait does, or as many as said."""
        line = f"\ngatehouse_sandbox_warm {self.warm if count is None else count}\n"
        deadline = time.monotonic() + seconds
        while line not in (found := self.metrics()) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert line in found, found

    # What is left.

    @property
    def process(self) -> int:
        assert self.server.process is not None
        return self.server.process.pid

    @property
    def keeper(self) -> int | None:
        """The keeper's process; its name in the table is the gateway's, its second word is not."""
        for pid in children(self.process):
            if b"sandbox-keeper" in read(f"/proc/{pid}/cmdline"):
                return pid
        return None

    def leftovers(self) -> list[str]:
        """Whatever of a run is still there."""
        keeper = self.keeper
        if keeper is None:
            return ["there is no keeper"]
        minders, programs = self.boxes(keeper)
        kept = groups(keeper)
        # A box that waits has its first process, one with an interpreter that other one too, and a group in each hierarchy.
        waiting = self.warm + self.spare
        is_whole = (len(minders), len(programs)) == (waiting, self.warm)
        if is_whole and len({path.name for path in kept}) in (0, waiting):
            return []
        found = [f"process {pid} {read(f'/proc/{pid}/cmdline')!r}" for pid in minders + programs]
        return [f"of {waiting} boxes that wait:", *found, *map(str, kept)]

    @staticmethod
    def boxes(keeper: int) -> tuple[list[int], list[int]]:
        """The first processes of a keeper's boxes, and whatever runs in them."""
        minders = children(keeper)
        return minders, [pid for pid in descendants(keeper) if pid not in minders]

    def spares(self) -> list[int]:
        """First processes that have nothing to mind yet."""
        assert self.keeper is not None
        return [pid for pid in self.boxes(self.keeper)[0] if not children(pid)]

    def wait_quiet(self, seconds: float = 20) -> None:
        """Nothing of a run may remain; a busy machine takes its time."""
        deadline = time.monotonic() + seconds
        while (found := self.leftovers()) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not found, found
        assert urllib.request.urlopen(self.server.base + "/livez", timeout=10, context=self.trust).status == 200


def read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def parents() -> dict[int, int]:
    """The parent of every process."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = read(f"/proc/{entry}/stat").rpartition(b")")[2].split()
            if len(fields) > 1:
                found[int(entry)] = int(fields[1])
    return found


def children(parent: int) -> list[int]:
    return [pid for pid, above in parents().items() if above == parent]


def descendants(parent: int) -> list[int]:
    below: dict[int, list[int]] = {}
    for pid, above in parents().items():
        below.setdefault(above, []).append(pid)
    found = list(below.get(parent, []))
    for pid in found:
        found += below.get(pid, [])
    return found


def folders(pattern: str) -> list[Path]:
    """Of the control groups' trees. What goes away while it is looked at is not there (`Path.glob` would fail)."""
    found = glob.glob(f"/sys/fs/cgroup/**/{pattern}", recursive=True)
    return [Path(path) for path in found if os.path.isdir(path)]


def groups(keeper: int) -> list[Path]:
    """The control groups of a keeper's runs."""
    return folders(f"gatehouse-sandbox/{keeper}/run-*")


def all_groups() -> list[Path]:
    return folders("gatehouse-sandbox")


def content(file: dict[str, Any]) -> bytes:
    return base64.b64decode(file["content_base64"])


def upload(name: str, data: bytes) -> dict[str, str]:
    return {"name": name, "content_base64": base64.b64encode(data).decode()}


class AbstractListener:
    """A socket of the host's in the abstract namespace, which no box may reach."""

    def __init__(self, name: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        try:
            self.socket.bind("\0" + name)
        except OSError as error:
            # Another process of these tests has it: it is there, which is all that is needed.
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            self.socket.listen()

    def __enter__(self) -> AbstractListener:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()
