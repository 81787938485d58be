# SPDX-License-Identifier: Apache-2.0
"""People of a server under test: made by the operator's commands, and calling as their programs would."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import httpx2

from gateway import Gateway

PASSWORD = "seven brown otters sing"


@functools.cache
def quick_scrypt() -> str | None:
    """A library that makes the hash of a password a hundred times cheaper; None where it cannot be made or loaded, and the
    tests take their time."""
    compiler = shutil.which("cc") or shutil.which("clang")
    if compiler is None or "ASAN_OPTIONS" in os.environ or "TSAN_OPTIONS" in os.environ:
        return None
    library = Path(tempfile.mkdtemp(prefix="quick-scrypt-")) / "quick_scrypt.so"
    source = Path(__file__).with_name("quick_scrypt.c")
    made = subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], capture_output=True)
    return str(library) if made.returncode == 0 else None


def hasten(server: Gateway) -> Gateway:
    """Makes passwords cheap in a server that has not been started. What is tried there is not what they cost."""
    library = quick_scrypt()
    if library is not None:
        server.environment["LD_PRELOAD"] = library
    return server


class Person:
    """Somebody with an address and a password; `client` calls with the session's access token."""

    def __init__(self, server: Gateway, email: str, password: str = PASSWORD, address: str | None = None) -> None:
        self.server, self.email, self.password = server, email, password
        transport = httpx2.HTTPTransport(verify=server.trust, local_address=address) if address else None
        self.client = httpx2.Client(base_url=server.base, verify=server.trust, timeout=600, transport=transport)
        self.session: dict[str, Any] = {}

    def try_login(self, **more: Any) -> httpx2.Response:
        body = {"email": self.email, "password": self.password, **more}
        return self.client.post("/auth/login", json=body)

    def login(self, **more: Any) -> Person:
        answer = self.try_login(**more)
        assert answer.status_code == 200, answer.text
        self.take(answer.json())
        return self

    def take(self, session: dict[str, Any]) -> None:
        self.session = session
        self.client.headers["authorization"] = f"Bearer {session['access_token']}"

    def refresh(self, token: str | None = None) -> httpx2.Response:
        return self.client.post("/auth/refresh", json={"refresh_token": token or self.session["refresh_token"]})


def redeem(server: Gateway, token: str, password: str = PASSWORD, **more: Any) -> httpx2.Response:
    with httpx2.Client(base_url=server.base, verify=server.trust, timeout=60) as client:
        return client.post("/auth/redeem", json={"token": token, "password": password, **more})


def operator(server: Gateway, email: str = "operator@example.org") -> Person:
    token = server.command("operator", "invite").stdout.strip()
    answer = redeem(server, token, email=email)
    assert answer.status_code == 200, answer.text
    return Person(server, email).login()


def user(server: Gateway, email: str, role: str = "member", tenant: str = "default", password: str = PASSWORD) -> Person:
    out = server.command("user", "invite", email, "--tenant", tenant, "--role", role, "--json").stdout
    answer = redeem(server, json.loads(out)["invitation"]["token"], password)
    assert answer.status_code == 200, answer.text
    return Person(server, email, password)


def code(answer: httpx2.Response) -> str | None:
    return (answer.json().get("error") or {}).get("code")
