# SPDX-License-Identifier: Apache-2.0
"""Backups at the real binary: copied while it serves, restored on a bare machine, and refused where they are not whole.

Row D7: a copy from before a deletion does not bring back what was deleted.
"""

import json
import shutil
import subprocess
import threading

import httpx2
import pytest

from gateway import Gateway, binary
from test_node_chat import Nodes


class Writers:
    """Threads that chat with a node as fast as they can, and what of it was answered."""

    def __init__(self, house: Nodes, count: int) -> None:
        self.house, self.node = house, house.node("echo")
        self.answered: list[tuple[str, str]] = []  # thread, what was said
        self.failures: list[str] = []
        self.is_over = threading.Event()
        self.threads = [threading.Thread(target=self.write, args=(number,)) for number in range(count)]

    def write(self, writer: int) -> None:
        number = 0
        with self.house.client() as http:
            while not self.is_over.is_set():
                text = f"said {writer} {number}"
                answer = http.post(f"/v1/nodes/{self.node}/chat", json={"content": text})
                if answer.status_code == 200:
                    self.answered.append((answer.json()["thread_id"], text))
                else:
                    self.failures.append(answer.text)
                number += 1

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        for thread in self.threads:
            thread.join()

    def wait(self, count: int) -> None:
        goal = len(self.answered) + count
        while len(self.answered) < goal and not self.failures:
            threading.Event().wait(0.01)


def contents(house):
    """Every thread of the tenant with its messages."""
    found, after = {}, ""
    while True:
        page = house.http.get(f"/v1/threads?limit=100{after}").json()
        for thread in page["data"]:
            found[thread["id"]] = house.texts(thread["id"])
        if not page["has_more"]:
            return found
        after = f"&after={page['next_cursor']}"


@pytest.fixture
def make_pair(make_gateway):
    """A server, and a bare machine with its root key that knows where its backups are."""

    def make():
        first, second = make_gateway({"nodes": {}}), make_gateway({"nodes": {}})
        backup = str(first.directory / "backup")
        first.tables["store"]["backup"] = backup
        second.tables["store"] = {"unlock": [f"file:{first.root_key}"], "backup": backup}
        return first, second

    return make


def arrive(house: Nodes, server, trust) -> Nodes:
    """The same caller at another server."""
    other = object.__new__(Nodes)
    other.server, other.trust, other.key = server, trust, house.key
    other.http = other.client()
    return other


def test_a_backup_under_load_is_restored_on_a_bare_machine(make_pair, trust):
    first, second = make_pair()
    with first:
        house = Nodes(first, trust)
        house.consent(True)
        with Writers(house, 3) as writers:
            writers.wait(20)
            before = list(writers.answered)
            made = json.loads(first.command("backup", "create", "--json", timeout=120).stdout)
            begun = len(writers.answered)
            writers.wait(20)
        assert not writers.failures and begun >= len(before)
        listed = first.command("backup", "list").stdout
        assert made["name"] in listed and made["tenants"] >= 1
        whole = contents(house)
    done = second.command("backup", "restore", timeout=120)
    assert f"{made['name']} is restored" in done.stdout
    with second:
        # The same key opens the door: what it is checked with came along.
        restored = contents(arrive(house, second, trust))
        for thread, text in before:
            assert restored[thread] == [text, text]
        for thread, texts in restored.items():
            assert texts == whole[thread]
        # The bare machine goes on as a server, and makes backups of its own.
        again = arrive(house, second, trust)
        assert again.chat(writers.node, "after")["stored"] is True
        assert json.loads(second.command("store", "verify", "--json").stdout)
        second.command("backup", "create", timeout=120)


def test_what_was_deleted_after_a_backup_stays_deleted(make_pair, trust):
    first, second = make_pair()
    with first:
        house = Nodes(first, trust)
        house.consent(True)
        node = house.node("echo")
        kept, gone = (house.chat(node, text)["thread_id"] for text in ("kept", "gone"))
        old = json.loads(first.command("backup", "create", "--json").stdout)["name"]
        assert house.http.delete(f"/v1/threads/{gone}").status_code in (200, 204)
        # The roll does it, without another backup.
        first.command("store", "rotate", "epoch")
    second.command("backup", "restore", old)
    with second:
        restored = arrive(house, second, trust)
        assert contents(restored) == {kept: ["kept", "kept"]}
        assert restored.http.get(f"/v1/threads/{gone}").status_code == 404
        assert restored.http.get(f"/v1/threads/{gone}/messages").status_code == 404
    assert gone.encode() not in b"".join(file.read_bytes() for file in second.data.rglob("*") if file.is_file())


@pytest.fixture(scope="module")
def kept(tmp_path_factory, server_certificate, authority):
    """A backup, and a server that has it; nothing runs."""
    directory = tmp_path_factory.mktemp("kept")
    directory.chmod(0o700)
    provider = {"gateway.provider": [{"name": "builtin", "kind": "builtin"}]}
    model = {"gateway.model": [{"name": "echo", "provider": "builtin"}]}
    server = Gateway(directory, server_certificate, authority.certificate, {**provider, **model, "nodes": {}})
    with server:
        server.command("tenant", "create", "acme")
        server.create_key()
        server.command("backup", "create")
    return server


def restore_elsewhere(server, directory, place, key=None):
    """Restores a backup of a server into another data directory."""
    bare = directory / "bare.toml"
    bare.touch(mode=0o600)
    text = server.file.read_text().replace(str(server.data), str(directory / "data"))
    bare.write_text(text.replace(str(server.root_key), str(key or server.root_key)))
    return subprocess.run(
        [str(binary()), "--config", str(bare), "backup", "restore", "--from", str(place)],
        cwd=directory,
        env=server.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def damages():
    keys = ["keys/keyring.slots", "keys/epoch.key", "keys/keyring.db"]
    for file in [*keys, "*/control.db", "*/tenants/*.db", "*/manifest"]:
        for harm in ["cut short", "flipped", "exchanged", "missing"]:
            yield file, harm


@pytest.mark.parametrize("pattern,harm", list(damages()), ids=lambda value: value.replace(" ", "_"))
def test_a_harmed_file_is_named(kept, tmp_path, pattern, harm):
    place = tmp_path / "backup"
    shutil.copytree(kept.data / "backup", place)
    file = sorted(path for path in place.glob(pattern) if not pattern.startswith("*/") or path.parts[-2] != "keys")[0]
    whole = file.read_bytes()
    if harm == "cut short":
        file.write_bytes(whole[: len(whole) // 2])
    elif harm == "flipped":
        middle = len(whole) // 2
        file.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    elif harm == "exchanged":
        others = [path for path in place.rglob("*") if path.is_file() and path.read_bytes() != whole]
        file.write_bytes(sorted(others)[0].read_bytes())
    else:
        file.unlink()
    done = restore_elsewhere(kept, tmp_path, place)
    assert done.returncode == 1, done.stdout
    assert done.stderr.startswith("gatehouse: error: nothing was restored")
    assert str(file.relative_to(place)) in done.stderr
    # Of an attempt nothing stays.
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == []


def test_a_live_data_directory_is_not_overwritten(kept):
    kept.start()
    try:
        done = kept.command("backup", "restore", check=False)
        assert done.returncode == 1 and "another gatehouse uses the data directory" in done.stderr
    finally:
        kept.stop()
    done = kept.command("backup", "restore", check=False)
    assert done.returncode == 1 and "is not empty: it has" in done.stderr and "gatehouse: hint: " in done.stderr


def test_the_wrong_root_key_restores_nothing(kept, tmp_path):
    key = tmp_path / "root.key"
    key.touch(mode=0o600)
    key.write_text("ab" * 32)
    done = restore_elsewhere(kept, tmp_path, kept.data / "backup", key)
    assert done.returncode == 1 and "is not the root key" in done.stderr


def test_a_stopped_store_is_backed_up_too(kept):
    before = kept.command("backup", "list").stdout.count("Z")
    kept.command("backup", "create")
    assert kept.command("backup", "list").stdout.count("Z") > before


@pytest.mark.parametrize("verb", ["create", "list", "restore"])
def test_each_command_explains_itself(kept, verb):
    done = kept.command("backup", verb, "--help")
    assert f"gatehouse backup {verb}" in done.stdout
    assert kept.command("backup", verb, "--sideways", check=False).returncode == 2


def test_only_the_operator_makes_backups(make_pair, trust):
    first, _ = make_pair()
    with first:
        key = first.create_key().key
        with httpx2.Client(base_url=first.base, headers={"authorization": f"Bearer {key}"}, verify=trust) as client:
            assert client.post("/admin/v1/backups").status_code in (403, 404)
            assert client.get("/admin/v1/backups").status_code in (403, 404)
