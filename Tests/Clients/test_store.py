# SPDX-License-Identifier: Apache-2.0
"""The store's keys and files at the real binary: what opens them, what is noticed, and their renewal under load.

Rows D5 (keys rotate online), H7 (provider secrets are write-only) and R4 (an older copy is noticed at start).
"""

import base64
import json
import secrets
import subprocess

import httpx2
import pytest

from gateway import Refused, binary
from test_backup import Writers, contents
from test_node_chat import Nodes

def server_command(server):
    return [str(binary()), "--config", str(server.file)]


def refusal(server) -> str:
    """Why a server does not start."""
    with pytest.raises(Refused) as refused:
        server.start()
    assert refused.value.code not in (0, None)
    assert "gatehouse: error: " in refused.value.output
    return refused.value.output[refused.value.output.rindex("gatehouse: error: ") :]


@pytest.fixture
def stopped(make_gateway):
    """A server that has served."""
    server = make_gateway({"nodes": {}})
    with server:
        server.create_key()
        server.command("tenant", "create", "acme")
    return server


# What opens it.


def test_without_the_root_key_it_does_not_start(stopped):
    stopped.root_key.rename(stopped.directory / "elsewhere")
    said = refusal(stopped)
    # In development a missing key is made, but not for a keyring that is there.
    assert f"there is no root key at file:{stopped.root_key}" in said and "gatehouse: hint: " in said
    assert not stopped.root_key.exists()
    (stopped.directory / "elsewhere").rename(stopped.root_key)
    stopped.start().stop()


def test_another_root_key_does_not_open_it(stopped):
    whole = stopped.root_key.read_text()
    stopped.root_key.write_text("cd" * 32)
    assert "is not the root key of the data directory" in refusal(stopped)
    stopped.root_key.write_text(whole)
    stopped.start().stop()


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_a_root_key_that_others_can_read_or_write_is_refused(stopped, mode):
    stopped.root_key.chmod(mode)
    assert "can be read by others" in refusal(stopped)
    stopped.root_key.chmod(0o600)
    stopped.start().stop()


# An older copy.


@pytest.mark.parametrize("name", ["keyring.db", "control.db", "keyring.slots", "epoch.key"])
def test_an_older_copy_of_a_file_is_named_at_the_start(stopped, name):
    old = (stopped.data / name).read_bytes()
    with stopped:
        # Something that each of the files has to do with.
        stopped.create_key("second")
        stopped.command("tenant", "create", "globex")
        stopped.command("store", "rotate", "master")
        stopped.command("store", "rotate", "epoch")
    new = (stopped.data / name).read_bytes()
    assert new != old
    (stopped.data / name).write_bytes(old)
    said = refusal(stopped)
    # After another master key, an older copy of what it seals is named by that, or does not open at all.
    assert name in said or "keyring" in said, said
    # The control: with the newest back it starts.
    (stopped.data / name).write_bytes(new)
    stopped.start().stop()


@pytest.mark.parametrize("name", ["keyring.db", "control.db"])
def test_an_older_copy_is_noticed_without_another_master_key_too(stopped, name):
    old = (stopped.data / name).read_bytes()
    with stopped:
        stopped.create_key("second")
        stopped.command("tenant", "create", "globex")
    (stopped.data / name).write_bytes(old)
    said = refusal(stopped)
    assert f"an older copy of {name} was put back" in said and "store accept-restored" in said


def test_an_older_copy_of_a_tenants_file_is_named_and_not_served(make_gateway, trust):
    server = make_gateway({"nodes": {}})
    with server:
        house = Nodes(server, trust)
        house.consent(True)
        node = house.node("echo")
        house.chat(node, "one")
    [file] = (server.data / "tenants").glob("*.db")
    old = file.read_bytes()
    with server:
        house.chat(node, "two")
    new = file.read_bytes()
    file.write_bytes(old)
    with server:
        assert house.http.get("/v1/threads").status_code == 500
        server.wait_for_log(f"an older copy of {file.stem} was put back")
        # Others are served.
        assert httpx2.get(server.base + "/readyz", verify=trust).status_code == 200
    file.write_bytes(new)
    with server:
        assert len(contents(house)) == 2


# Renewal.


def keys_of(server):
    status = json.loads(server.command("store", "status", "--json").stdout)
    return status["epoch"], status["master_key"]


def rotations(server):
    """Every kind of renewal that the program knows of."""
    said = server.command("store", "rotate", "--help").stdout
    tenant = json.loads(server.command("tenant", "list", "--json").stdout)[0]["id"]
    kinds = [["epoch"], ["master"], ["tenant", tenant], ["keyring"]]
    kinds += [["pages"], ["objects"]]
    assert all(f"{kind[0]}:" in said for kind in kinds)
    return kinds


def test_every_kind_of_key_is_renewed_under_load(make_gateway, trust):
    server = make_gateway({"nodes": {}})
    with server:
        house = Nodes(server, trust)
        house.consent(True)
        before = keys_of(server)
        old = {name: (server.data / name).read_bytes() for name in ("keyring.slots", "epoch.key")}
        with Writers(house, 2) as writers:
            writers.wait(10)
            for kind in rotations(server):
                server.command("store", "rotate", *kind, timeout=120)
                writers.wait(5)
        assert writers.failures == []
        after = keys_of(server)
        assert after[0] > before[0] and after[1] > before[1]
        whole = contents(house)
        for thread, text in writers.answered:
            assert whole[thread] == [text, text]
    # A restart under the new keys; and the old ones open nothing any more.
    with server:
        assert contents(house) == whole
    for name, bytes in old.items():
        new = (server.data / name).read_bytes()
        (server.data / name).write_bytes(bytes)
        refusal(server)
        (server.data / name).write_bytes(new)
    with server:
        assert contents(house) == whole


@pytest.mark.parametrize("seconds", [0.0, 0.02, 0.05, 0.1, 0.2])
def test_a_renewal_that_is_killed_is_finished(make_gateway, trust, seconds):
    server = make_gateway({"nodes": {}})
    server.start()
    house = Nodes(server, trust)
    house.consent(True)
    with Writers(house, 2) as writers:
        writers.wait(20)
    answered = list(writers.answered)
    for kind in rotations(server):
        command = subprocess.Popen(
            [*server_command(server), "store", "rotate", *kind],
            cwd=server.directory,
            env=server.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            command.wait(seconds + 0.01)
        except subprocess.TimeoutExpired:
            pass
        server.kill()
        command.wait()
        server.start()
        # What was killed is finished at the start or by the same command.
        server.command("store", "rotate", *kind, timeout=120)
    whole = contents(house)
    for thread, text in answered:
        assert whole[thread] == [text, text]
    assert all(check["ok"] for check in json.loads(server.command("store", "verify", "--json").stdout))
    assert server.stop() == 0


# Provider secrets.


def forms(secret: str):
    """How a secret could stand somewhere."""
    raw = secret.encode()
    yield raw
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    yield json.dumps(secret).encode()
    for start in range(3):
        # The part of base64 that does not depend on what stands before and behind.
        coded = base64.b64encode(bytes(start) + raw)
        yield coded[4 if start else 0 : -4]


def test_a_provider_key_is_written_and_never_read(make_gateway, trust, mock_server):
    secret = f"sk-live-{secrets.token_hex(12)}"
    server = make_gateway(provider={"key": "keyring:openai"})
    answers = b""
    with server:
        key = server.create_key().key
        done = subprocess.run(
            [*server_command(server), "provider", "set-key", "openai"],
            cwd=server.directory,
            env=server.environment,
            input=secret + "\n",
            capture_output=True,
            text=True,
            timeout=20,
        )
        assert done.returncode == 0, done.stderr
        answers += (done.stdout + done.stderr).encode()
        headers = {"authorization": f"Bearer {key}"}
        with httpx2.Client(base_url=server.base, headers=headers, verify=trust, timeout=20) as client:
            for text in ("hello", "/fail 500", "/fail 401", "/echo"):
                body = {"model": "openai-small", "messages": [{"role": "user", "content": text}]}
                answer = client.post("/v1/chat/completions", json=body)
                answers += answer.content + str(answer.headers).encode()
            # It is in use.
            assert mock_server.last.header("authorization") == f"Bearer {secret}"
        for command in (["provider", "list"], ["store", "status"], ["store", "inventory"]):
            for more in ([], ["--json"]):
                answers += server.command(*command, *more).stdout.encode()
        server.command("backup", "create")
        server.command("store", "rotate", "master")
    server.start()
    server.kill()
    files = {path: path.read_bytes() for path in server.directory.rglob("*") if path.is_file()}
    assert len([path for path in files if "backup" in path.parts]) > 3
    for form in forms(secret):
        assert form not in answers
        for path, content in files.items():
            assert form not in content, path
