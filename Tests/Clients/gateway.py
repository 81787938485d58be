# SPDX-License-Identifier: Apache-2.0
"""Starts, stops and commands the real `gatehouse` binary."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import os
import signal
import socket
import ssl
import subprocess
import time
import unittest
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 90


def binary() -> Path:
    """The program under test: $GATEHOUSE_BINARY, or the debug build."""
    return Path(os.environ.get("GATEHOUSE_BINARY", ROOT / ".build/debug/gatehouse"))


# Below the range from which connections get theirs (ip_local_port_range, 32768 on), so that nobody takes one between the
# finding and the listening. Test runs side by side (pytest-xdist names its workers gw0, gw1 …) each have a part of their own.
PORTS_OF_A_RUN = 3000
_first_port = 10_000 + PORTS_OF_A_RUN * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 7)
_ports = itertools.cycle(range(_first_port, _first_port + PORTS_OF_A_RUN))
for _ in range(int.from_bytes(os.urandom(2)) % PORTS_OF_A_RUN):
    next(_ports)


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on, all different, and not the ones of the last call."""
    found: list[int] = []
    for port in itertools.islice(_ports, PORTS_OF_A_RUN):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            return found
    raise AssertionError(f"no {count} free ports from {_first_port} on")


def free_port() -> int:
    return free_ports(1)[0]


def toml(value: Any) -> str:
    """A TOML value; strings, numbers, booleans, lists and inline tables."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {toml(item)}" for name, item in value.items()) + " }"
    return json.dumps(str(value))


def document(tables: dict[str, Any]) -> str:
    """A TOML file of one level of sections: a dict is a `[section]`, a list of dicts are `[[section]]`s."""
    lines = [f"{name} = {toml(value)}" for name, value in tables.items() if not isinstance(value, (dict, list))]
    for name, value in tables.items():
        for number, table in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(table, dict):
                lines += ["", f"[[{name}]]" if isinstance(value, list) else f"[{name}]"]
                lines += [f"{key} = {toml(item)}" for key, item in table.items()]
    return "\n".join(lines) + "\n"


@dataclasses.dataclass
class Key:
    id: str
    key: str


class Refused(AssertionError):
    """The program ended instead of serving."""

    def __init__(self, code: int | None, output: str) -> None:
        super().__init__(f"gatehouse ended with {code}:\n{output}")
        self.code, self.output = code, output


class Gateway:
    """One server process with its own directory. `tables` are laid over the usual configuration; a section that is
    None is left out."""

    def __init__(
        self,
        directory: Path,
        certificate: tuple[str, str],
        authority: Path,
        tables: dict[str, Any] | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self.port, self.redirect_port = free_ports(2)
        self.base = f"https://localhost:{self.port}"
        self.trust = ssl.create_default_context(cafile=str(authority))
        self.data = directory / "data"
        self.file = directory / "gatehouse.toml"
        self.output = directory / "output.log"
        self.root_key = directory / "root.key"
        self.process: subprocess.Popen[bytes] | None = None
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(directory), **(environment or {})}
        for name in ("ASAN_OPTIONS", "TSAN_OPTIONS", "LD_LIBRARY_PATH"):
            if name in os.environ:
                self.environment[name] = os.environ[name]
        if not self.root_key.exists():
            self.root_key.touch(mode=0o600)
            self.root_key.write_text(os.urandom(32).hex() + "\n")
        usual: dict[str, Any] = {
            "mode": "development",
            "data": str(self.data),
            "http": {
                "listen": [f"127.0.0.1:{self.port}"],
                "redirect": [f"127.0.0.1:{self.redirect_port}"],
                "hosts": ["localhost", "127.0.0.1"],
                "loops": 2,
                "tls": {"certificate": certificate[0], "key": certificate[1]},
            },
            "store": {"unlock": [f"file:{self.root_key}"]},
            "audit": {"segment_bytes": "1MiB"},
            "auth": {},
            # Tests make many attempts from one address.
            "limiter": {"requests_per_hour": 1_000_000, "units_per_hour": 1_000_000_000, "unauthenticated": [], "block_points": 0},
            "admin": {"socket": "admin.sock"},
            "gateway": {},
        }
        for name, value in (tables or {}).items():
            if isinstance(value, dict) and isinstance(usual.get(name), dict):
                usual[name] = {**usual[name], **value}
            else:
                usual[name] = value
        self.tables = {name: value for name, value in usual.items() if value is not None}

    # Life.

    def write(self) -> None:
        """The configuration file, at mode 0600."""
        self.file.touch(mode=0o600)
        self.file.write_text(document(self.tables))

    def launch(self, *arguments: str) -> None:
        """Starts the process without waiting for it."""
        with open(self.output, "ab") as output:
            self.process = subprocess.Popen(
                [str(binary()), *arguments],
                cwd=self.directory,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def start(self) -> Gateway:
        self.write()
        self.launch("--config", str(self.file), "serve")
        self.wait_ready()
        return self

    def wait_ready(self, base: str | None = None) -> None:
        assert self.process is not None
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise Refused(self.process.returncode, self.logs())
            try:
                with urllib.request.urlopen((base or self.base) + "/readyz", timeout=2, context=self.trust) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, ConnectionError, TimeoutError, ssl.SSLError):
                pass
            time.sleep(0.02)
        self.kill()
        raise AssertionError(f"gatehouse was not ready after {READY_SECONDS} s:\n{self.logs()}")

    def stop(self, timeout: float = 45) -> int:
        """SIGTERM, and the exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(
                f"gatehouse did not stop within {timeout} s of SIGTERM:\n{self.logs()[-4000:]}"
            ) from None

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> Gateway:
        return self.start()

    def __exit__(self, kind: Any, *_: Any) -> None:
        if kind is None:
            code = self.stop()
            assert code == 0, f"gatehouse ended with {code} after SIGTERM:\n{self.logs()[-4000:]}"
        else:
            self.kill()

    def descriptors(self, folder: str = "fd") -> Path:
        """A folder of /proc about the server's descriptors."""
        assert self.process is not None
        path = Path(f"/proc/{self.process.pid}/{folder}")
        if not os.access(path, os.R_OK):
            raise unittest.SkipTest("only root reaches the descriptors of a process that is not dumpable (proc(5))")
        return path

    def logs(self) -> str:
        return self.output.read_text(errors="replace") if self.output.exists() else ""

    # Commands.

    def wait_for_log(self, text: str, seconds: float = 60) -> str:
        """All that was logged, once `text` stands in it: lines are written by a thread of their own, behind the answer."""
        deadline = time.monotonic() + seconds
        while text not in (logs := self.logs()):
            assert time.monotonic() < deadline, f"not logged: {text}\n{logs[-4000:]}"
            time.sleep(0.05)
        return logs

    def command(self, *arguments: str, check: bool = True, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        if not self.file.exists():
            self.write()
        done = subprocess.run(
            [str(binary()), "--config", str(self.file), *arguments],
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if check and done.returncode != 0:
            raise AssertionError(
                f"gatehouse {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return done

    def create_key(
        self,
        name: str = "test",
        scopes: list[str] | None = None,
        models: list[str] | None = None,
        expires: str | None = None,
    ) -> Key:
        arguments = ["key", "create", "--name", name]
        for scope in scopes or []:
            arguments += ["--scope", scope]
        for model in models or []:
            arguments += ["--model", model]
        if expires:
            arguments += ["--expires", expires]
        made = json.loads(self.command(*arguments, "--json").stdout)
        return Key(made["id"], made["key"])

    def list_keys(self) -> list[dict[str, Any]]:
        listed = json.loads(self.command("key", "list", "--json").stdout)
        return listed["data"] if isinstance(listed, dict) else listed

    def revoke(self, key: Key) -> None:
        self.command("key", "revoke", key.id)
