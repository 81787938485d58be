# SPDX-License-Identifier: Apache-2.0
"""The first minutes: `gatehouse setup` writes what `gatehouse serve` runs, and whoever minds the service hears how it is."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import ssl
import stat
import subprocess
import time
from pathlib import Path

import pytest

from certificates import Authority
from gateway import Gateway, binary, free_port

ENVIRONMENT = {"PATH": os.environ["PATH"], **{n: v for n, v in os.environ.items() if n.endswith("SAN_OPTIONS")}}


def setup(directory: Path, *arguments: str, answers: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(binary()), "setup", "--directory", str(directory), "--data", str(directory / "data"), *arguments],
        input=answers,
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        timeout=60,
    )


def run(directory: Path, *arguments: str) -> str:
    done = subprocess.run(
        [str(binary()), "--config", str(directory / "gatehouse.toml"), *arguments],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


class Manager:
    """What systemd is to a service of Type=notify."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + path[1:] if path.startswith("@") else path)
        self.name = path
        self.heard: list[str] = []

    def until(self, wanted: str, seconds: float = 20) -> list[str]:
        """What is heard up to a message with that line."""
        deadline = time.monotonic() + seconds
        heard = []
        while time.monotonic() < deadline:
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                message = self.socket.recv(4096).decode()
            except TimeoutError:
                break
            heard.append(message)
            if wanted in message.split("\n"):
                return heard
        raise AssertionError(f"{wanted} was not heard, but {heard}")


def test_what_setup_writes_serves(tmp_path: Path) -> None:
    directory = tmp_path / "etc"
    port = free_port()
    done = setup(directory, "--yes", "--host", "ai.example.org", "--listen", f"127.0.0.1:{port}")
    assert done.returncode == 0, done.stderr
    assert "key create" in done.stdout
    assert mode(directory / "gatehouse.toml") == 0o644
    assert mode(directory / "root.key") == 0o600
    assert mode(directory / "tls/key.pem") & 0o027 == 0
    assert re.fullmatch(r"[0-9a-f]{64}\n", (directory / "root.key").read_text())
    assert "the configuration is right" in run(directory, "check")
    server = subprocess.Popen(
        [str(binary()), "--config", str(directory / "gatehouse.toml"), "serve"],
        env=ENVIRONMENT,
        stderr=open(tmp_path / "log", "wb"),
    )
    try:
        context = ssl.create_default_context(cafile=str(directory / "tls/cert.pem"))
        answer = None
        deadline = time.monotonic() + 20
        while answer is None and time.monotonic() < deadline:
            try:
                client = http.client.HTTPSConnection("localhost", port, timeout=5, context=context)
                client.request("GET", "/livez")
                answer = client.getresponse()
            except OSError:
                time.sleep(0.05)
        assert answer is not None and answer.status == 200, (tmp_path / "log").read_text()
        key = re.search(r"ghk_\w+", run(directory, "key", "create", "--name", "first"))
        assert key
        client = http.client.HTTPSConnection("localhost", port, timeout=10, context=context)
        body = '{"model":"builtin","messages":[{"role":"user","content":"hello"}]}'
        fields = {"authorization": f"Bearer {key[0]}", "content-type": "application/json"}
        client.request("POST", "/v1/chat/completions", body, fields)
        answer = client.getresponse()
        assert answer.status == 200 and b"hello" in answer.read()
    finally:
        server.terminate()
        assert server.wait(15) == 0


def test_setup_changes_nothing_that_is_there(tmp_path: Path) -> None:
    assert setup(tmp_path, "--yes", "--host", "one.example.org").returncode == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    again = setup(tmp_path, "--yes", "--host", "two.example.org")
    assert again.returncode == 1 and "is there already" in again.stderr
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    # A configuration that was taken away comes back; the root key, without which nothing can be read, stays.
    (tmp_path / "gatehouse.toml").unlink()
    assert setup(tmp_path, "--yes", "--host", "two.example.org").returncode == 0
    assert (tmp_path / "root.key").read_bytes() == before[tmp_path / "root.key"]
    assert "two.example.org" in (tmp_path / "gatehouse.toml").read_text()


@pytest.mark.parametrize(
    "arguments, code, word",
    [
        (["--host", "a b"], 1, "hosts"),
        (["--host", 'a"\nmode = "development'], 2, "cannot stand"),
        (["--listen", "localhost:443"], 1, "listen"),
        (["--provider", "openai"], 2, "--model"),
        (["--provider", "other"], 2, "--provider"),
        (["--certificate", "/tmp/cert.pem"], 2, "--key"),
        (["--provider", "openai", "--model", "m", "--base-url", "ftp://x"], 1, "base_url"),
    ],
)
def test_setup_refuses_and_leaves_nothing(tmp_path: Path, arguments: list[str], code: int, word: str) -> None:
    done = setup(tmp_path / "etc", "--yes", *arguments)
    assert (done.returncode, word in done.stderr) == (code, True), done.stderr
    assert not (tmp_path / "etc").exists()


def test_setup_for_a_provider_names_a_key_and_holds_none(tmp_path: Path) -> None:
    done = setup(tmp_path, "--yes", "--host", "h.example.org", "--provider", "openai", "--model", "gpt-4o-mini")
    assert done.returncode == 0, done.stderr
    assert "provider set-key openai" in done.stdout
    text = (tmp_path / "gatehouse.toml").read_text()
    assert 'key = "keyring:openai"' in text and 'upstream = "gpt-4o-mini"' in text
    assert "the configuration is right" in run(tmp_path, "check")


@pytest.mark.parametrize("form", ["path", "abstract"])
def test_systemd_hears_how_the_service_is(
    tmp_path: Path, server_certificate: tuple[str, str], authority: Authority, form: str
) -> None:
    name = str(tmp_path / "notify") if form == "path" else f"@gatehouse-test-{os.getpid()}"
    manager = Manager(name)
    server = Gateway(
        tmp_path,
        server_certificate,
        authority.certificate,
        environment={"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "3000000"},
    )
    server.write()
    server.launch("--config", str(server.file), "serve")
    try:
        first = manager.until("READY=1")[0]
        # Ready means ready: nobody has waited for it before this.
        client = http.client.HTTPSConnection("localhost", server.port, timeout=10, context=server.trust)
        client.request("GET", "/readyz")
        assert client.getresponse().status == 200
        assert f"STATUS=Serving on 127.0.0.1:{server.port}" in first
        manager.until("WATCHDOG=1")
        manager.until("WATCHDOG=1")
        assert server.process is not None
        server.process.send_signal(signal.SIGHUP)
        reload = [message for message in manager.until("READY=1") if "WATCHDOG" not in message]
        assert reload[0].startswith("RELOADING=1\nMONOTONIC_USEC=") and len(reload) == 2
        # A process that does not run says nothing, which is what the watchdog is there for.
        server.process.send_signal(signal.SIGSTOP)
        with pytest.raises(AssertionError):
            for _ in range(50):
                manager.until("WATCHDOG=1", seconds=2)
        server.process.send_signal(signal.SIGCONT)
        manager.until("WATCHDOG=1")
        server.process.send_signal(signal.SIGTERM)
        manager.until("STOPPING=1")
        assert server.process.wait(15) == 0
    finally:
        server.kill()


def test_without_a_watchdog_nothing_is_said_between(
    tmp_path: Path, server_certificate: tuple[str, str], authority: Authority
) -> None:
    manager = Manager(str(tmp_path / "notify"))
    given = {"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}
    with Gateway(tmp_path, server_certificate, authority.certificate, environment=given):
        manager.until("READY=1")
        with pytest.raises(AssertionError, match=r"but \[\]"):
            manager.until("WATCHDOG=1", seconds=2)
