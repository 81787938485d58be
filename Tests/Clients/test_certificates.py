# SPDX-License-Identifier: Apache-2.0
"""Another certificate while the server is in use (row T7 of the promises): no connection is dropped, no request fails, and
new connections get the new pair, however it came into its place. A server that was not told is the other half of the
proof: Tests/ApplianceTests/CertificateWatchTests.swift has one that never looks."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest

# The server looks every half second, and waits for a pair to stand still.
SOON = 15.0


class Pairs:
    """The files that the configuration names, and fresh pairs to put there."""

    def __init__(self, directory: Path, authority) -> None:
        self.directory, self.authority, self.count = directory, authority, 0
        self.certificate, self.key = directory / "live.pem", directory / "live.key"

    def fresh(self) -> tuple[Path, Path]:
        self.count += 1
        made = self.authority.leaf(f"generation{self.count}-{self.directory.name}")
        moved = tuple(self.directory / Path(path).name for path in made)
        for path, target in zip(made, moved):
            shutil.move(path, target)
        return moved  # type: ignore[return-value]


def served(server) -> bytes:
    """The certificate that a new connection gets."""
    with socket.create_connection(("127.0.0.1", server.port), 10) as plain:
        with server.trust.wrap_socket(plain, server_hostname="localhost") as connection:
            return connection.getpeercert(binary_form=True)


def der(path: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(path.read_text())


def becomes(server, path: Path) -> bool:
    wanted, deadline = der(path), time.monotonic() + SOON
    while time.monotonic() < deadline:
        if served(server) == wanted:
            return True
        time.sleep(0.1)
    return False


@pytest.fixture
def pairs(tmp_path, authority) -> Pairs:
    return Pairs(tmp_path, authority)


def start(make_gateway, pairs: Pairs):
    return make_gateway({"http": {"tls": {"certificate": str(pairs.certificate), "key": str(pairs.key)}}}).start()


def in_place(pairs: Pairs, new: tuple[Path, Path]) -> None:
    """Written over, byte by byte as it were: between the halves nothing fits."""
    for source, target in zip(new, (pairs.certificate, pairs.key)):
        text = source.read_bytes()
        with open(target, "wb") as file:
            file.write(text[: len(text) // 2])
            file.flush()
            time.sleep(0.1)
            file.write(text[len(text) // 2 :])
        time.sleep(0.2)


def renamed(pairs: Pairs, new: tuple[Path, Path]) -> None:
    for source, target in zip(new, (pairs.certificate, pairs.key)):
        os.rename(source, target)


def linked(pairs: Pairs, new: tuple[Path, Path]) -> None:
    """As certbot does: the names are links into an archive, and are replaced by other links."""
    for source, target in zip(new, (pairs.certificate, pairs.key)):
        link = target.with_suffix(".new")
        link.symlink_to(source)
        os.rename(link, target)


def relinked(pairs: Pairs, new: tuple[Path, Path]) -> None:
    """As Kubernetes does: the names stay, and lead through a link to a directory, which is replaced by another."""
    version = pairs.directory / f"version{pairs.count}"
    version.mkdir()
    for source, target in zip(new, (pairs.certificate, pairs.key)):
        shutil.copy(source, version / target.name)
        if not target.is_symlink() or os.readlink(target) != f"current/{target.name}":
            target.unlink(missing_ok=True)
            target.symlink_to(Path("current") / target.name)
    link = pairs.directory / "current.new"
    link.symlink_to(version.name)
    os.rename(link, pairs.directory / "current")


WAYS = [in_place, renamed, linked, relinked]


class Load:
    """Clients that ask all the time: some keep their connection, some make one for each request."""

    def __init__(self, server, keeping: int = 4, coming: int = 2) -> None:
        self.server, self.answered, self.failures = server, 0, []
        self.stopping = threading.Event()
        self.threads = [
            threading.Thread(target=self._run, args=(index < keeping,), daemon=True) for index in range(keeping + coming)
        ]

    def __enter__(self) -> Load:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join(30)

    def _run(self, keeps: bool) -> None:
        client = None
        while not self.stopping.is_set():
            try:
                client = client or http.client.HTTPSConnection(
                    "localhost", self.server.port, timeout=20, context=self.server.trust
                )
                client.request("GET", "/livez")
                answer = client.getresponse()
                assert answer.read() == b"ok\n" and answer.status == 200
                # A client that connects again by itself would hide that it was dropped.
                assert not keeps or answer.getheader("connection") is None and client.sock is not None
                self.answered += 1
                if not keeps:
                    client.close()
                    client = None
            except (OSError, AssertionError, http.client.HTTPException) as failure:
                self.failures.append(f"{'kept' if keeps else 'new'}: {failure!r}")
                client = None
            time.sleep(0.002)


def test_each_way_of_replacing_it_under_load(make_gateway, pairs):
    renamed(pairs, pairs.fresh())
    server = start(make_gateway, pairs)
    old = served(server)
    with Load(server) as load:
        for way in WAYS * 2:
            new = pairs.fresh()
            copy = pairs.directory / "wanted.pem"
            shutil.copy(new[0], copy)
            way(pairs, new)
            assert becomes(server, copy), f"{way.__name__}: still the old one"
            assert served(server) != old
        count = load.answered
    assert load.failures == []
    assert count > 100
    assert server.stop() == 0


def test_a_pair_that_does_not_match_changes_nothing(make_gateway, pairs):
    renamed(pairs, pairs.fresh())
    server = start(make_gateway, pairs)
    old = served(server)
    with Load(server, keeping=2, coming=1) as load:
        other = pairs.fresh()
        os.rename(other[0], pairs.certificate)
        time.sleep(2.5)
        assert served(server) == old
        assert server.logs().count("the old certificate stays in use") == 1, "said once"
        pairs.key.write_text("no key at all")
        time.sleep(2)
        assert served(server) == old
        assert server.logs().count("the old certificate stays in use") == 2
        pairs.key.unlink()
        time.sleep(2)
        assert served(server) == old
        shutil.copy(other[1], pairs.key)
        os.chmod(pairs.key, 0o644)  # Readable by all: refused, as at the start.
        time.sleep(2)
        assert served(server) == old
        os.chmod(pairs.key, 0o600)
        assert becomes(server, pairs.certificate)
    assert load.failures == []
    assert pairs.key.read_text() not in server.logs()
    assert server.stop() == 0


def test_a_signal_reads_it_again_at_once(make_gateway, pairs):
    renamed(pairs, pairs.fresh())
    server = start(make_gateway, pairs)
    with Load(server, keeping=2, coming=1) as load:
        for _ in range(3):
            renamed(pairs, pairs.fresh())
            server.process.send_signal(signal.SIGHUP)
            assert becomes(server, pairs.certificate)
    assert load.failures == []
    assert server.stop() == 0
