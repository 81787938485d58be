# SPDX-License-Identifier: Apache-2.0
"""Rows D1, D2, D3, D4 and D7 at the real binary: what stands in its files after a normal stop and after a kill, in the
bytes and in everything that today's keys open. Each sweep is shown to find what is there."""

import base64
import json
import os
import secrets
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway import ROOT, Gateway
from test_node_chat import Nodes

SWEEPER = ROOT / ".build/debug/StoreSweep"
SCOPES = ["chat", "embeddings", "files", "nodes.read", "nodes.write", "threads.read", "threads.write", "account"]
ENDINGS = pytest.mark.parametrize("ending", ["stop", "kill"])


def marker() -> str:
    return f"Marker{secrets.token_hex(12)}"


class Sweep:
    """What StoreSweep saw in a server's directory."""

    def __init__(self, server: Gateway, *texts: str) -> None:
        command = [str(SWEEPER), str(server.directory), str(server.data), str(server.root_key), *texts]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        self.report = json.loads(done.stdout)
        # A search that could not look would find nothing too.
        assert self.report["damage"] == [] and self.report["pages"] + self.report["frames"] > 20

    def kinds(self, text: str) -> set[str]:
        """In which way it can be found: raw, pages, fields."""
        return {finding["kind"] for finding in self.report["findings"] if finding["text"] == text}

    @property
    def objects(self) -> dict[str, int]:
        return self.report["objects"]


def end(server: Gateway, ending: str, *texts: str) -> None:
    """Ends the server, after a look at what it has open and is in no directory any more."""
    for link in Path(f"/proc/{server.process.pid}/fd").iterdir():
        try:
            target = os.readlink(link)
            content = link.read_bytes() if target.endswith(" (deleted)") else b""
        except FileNotFoundError:
            # Closed since it was listed.
            continue
        assert not any(text.encode() in content for text in texts), target
    if ending == "kill":
        server.kill()
    else:
        assert server.stop() == 0


@pytest.fixture
def house(make_gateway, trust, upstream, tmp_path):
    # Whatever is temporary is below the directory that is swept.
    server = make_gateway({"nodes": {}, "log": {"level": "debug"}})
    temporary = server.directory / "tmp"
    temporary.mkdir()
    server.environment["TMPDIR"] = str(temporary)
    with server:
        made = Nodes(server, trust)
        made.key = server.create_key("sweep", SCOPES).key
        made.http = made.client()
        yield made
        if server.process.poll() is not None:
            server.start()


def upload(house, name, content, status=200, headers=None):
    answer = house.http.post(
        "/v1/files", data={"purpose": "user_data"}, files={"file": (name, content)}, headers=headers or {}
    )
    assert answer.status_code == status, answer.text
    return answer.json()


def everywhere(house, text, headers=None, **more):
    """Sends a text through every door that takes content, and through every way in which that can fail."""
    http, headers = house.http, headers or {}
    node = house.node()
    messages = [
        {"role": "user", "content": text},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": json.dumps({"a": text})}}
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": text},
        {"role": "user", "content": text},
    ]
    for said in (text, f"/fail 500\n{text}", f"/cut 2\n{text}", f"/fail 429 retry-after 1s\n{text}"):
        for stream in (False, True):
            for model in ("echo", "openai-small", "anthropic-small", f"node/{node}"):
                body = {"model": model, "stream": stream, "messages": [*messages, {"role": "user", "content": said}]}
                http.post("/v1/chat/completions", json={**body, "user": text, **more}, headers=headers)
            body = {"model": "openai-small", "stream": stream, "input": said}
            http.post("/v1/responses", json={**body, **more}, headers=headers)
            body = {"model": "anthropic-small", "stream": stream, "max_tokens": 99}
            http.post("/v1/messages", json={**body, "messages": [{"role": "user", "content": said}]}, headers=headers)
            chat = {"content": said, "correlation_id": text, "client_message_id": text, "stream": stream, **more}
            http.post(f"/v1/nodes/{node}/chat", json=chat, headers={**headers, "x-end-user": text})
    accepted = http.post(f"/v1/nodes/{node}/chat", json={"content": text, "mode": "async", **more}, headers=headers)
    house.receipt(accepted.json())
    http.post("/v1/embeddings", json={"model": "openai-embedding", "input": text}, headers=headers)
    http.post("/chit", json={"content": text, "model": "echo"}, headers=headers)
    http.get(f"/v1/threads?correlation_id={text}&{text}={text}", headers={**headers, "user-agent": text})
    http.get(f"/{text}", headers={**headers, "referer": text, "x-request-id": text, "cookie": f"a={text}"})
    http.post("/v1/chat/completions", content=f'{{"model": "echo", "messages": [{{"role": "{text}', headers=headers)
    http.post("/v1/chat/completions", json={"model": text, "messages": messages, text: text}, headers=headers)


# Row D1.


@ENDINGS
def test_without_consent_no_content_is_stored(house, ending):
    text = marker()
    everywhere(house, text)
    refused = house.http.post("/v1/files", data={"purpose": "user_data"}, files={"file": (text, text.encode())})
    assert refused.status_code == 403, refused.text
    refused = house.http.post("/v1/threads", json={"title": text})
    assert refused.status_code in (201, 403), refused.text
    end(house.server, ending, text)
    sweep = Sweep(house.server, text)
    assert sweep.kinds(text) == set()
    # Nothing was even sealed: a node's configuration is all that has a key of its own.
    assert set(sweep.objects) <= {"node"} and sweep.objects["node"] == 1


@pytest.mark.parametrize("form", ["plain", "base64", "hex", "escaped"])
def test_the_sweep_finds_what_lies_in_a_file(house, form):
    text = marker()
    end(house.server, "stop", text)
    written = {
        "plain": text.encode(),
        "base64": base64.b64encode(b"ab" + text.encode() + b"cd"),
        "hex": text.encode().hex().encode(),
        "escaped": "".join(f"\\u{ord(letter):04x}" for letter in text).encode(),
    }[form]
    assert Sweep(house.server, text).kinds(text) == set()
    (house.server.data / "planted").write_bytes(b"before " + written + b" after")
    assert Sweep(house.server, text).kinds(text) == {"raw"}


# Row D2.


@ENDINGS
def test_consent_is_asked_for_and_ends(house, ending):
    before, during, after = marker(), marker(), marker()
    node = house.node()
    early = house.chat(node, before)
    assert early["stored"] is False
    house.consent(True)
    # What was said before stays in memory, also where the thread goes on.
    house.chat(node, before, thread_id=early["thread_id"])
    kept = house.chat(node, during)
    assert kept["stored"] is True
    house.consent(False)
    assert house.chat(node, after)["stored"] is False
    assert house.chat(node, after, thread_id=kept["thread_id"])["stored"] is False
    listed = json.loads(house.server.command("consent", "list", "--tenant", "default", "--json").stdout)
    assert len(listed["data"]) >= 1 and all(
        {"scope", "granted", "version"} <= {key.replace("is_", "").replace("text_", "") for key in consent}
        for consent in listed["data"]
    ), listed
    end(house.server, ending, before, during, after)
    sweep = Sweep(house.server, before, during, after, kept["thread_id"], early["thread_id"])
    assert sweep.kinds(before) == sweep.kinds(after) == sweep.kinds(early["thread_id"]) == set()
    # The sweep sees what is kept: content with its key only, and the thread's id in a page.
    assert sweep.kinds(during) == {"fields"}
    assert sweep.kinds(kept["thread_id"]) == {"pages"}


# Row D3.


@ENDINGS
@pytest.mark.parametrize("way", ["store", "x-zdr", "x-interfaze-zdr"])
def test_zero_retention_wins_over_consent_on_every_route(house, way, ending):
    text = marker()
    house.consent(True)
    house.consent(True, "files")
    headers = {} if way == "store" else {way: "true"}
    everywhere(house, text, headers, **({"store": False} if way == "store" else {}))
    if headers:
        house.http.post("/v1/files", data={"purpose": "user_data"}, files={"file": (text, text)}, headers=headers)
        house.http.post("/v1/threads", json={"title": text}, headers=headers)
    else:
        house.http.post("/v1/threads", json={"title": text, "store": False})
    end(house.server, ending, text)
    assert Sweep(house.server, text).kinds(text) == set()


# Row D4.


@ENDINGS
def test_nothing_that_is_stored_can_be_read_without_keys(house, ending):
    content, title, prompt, file, name, tenant = (marker() for _ in range(6))
    house.consent(True)
    house.consent(True, "files")
    node = house.node(prompt=prompt)
    house.chat(node, content, correlation_id=content)
    house.http.post("/v1/threads", json={"title": title}).raise_for_status()
    upload(house, f"{file}.txt", file.encode() * 1000)
    house.server.create_key(name)
    house.server.command("tenant", "create", tenant)
    end(house.server, ending, content)
    sweep = Sweep(house.server, content, title, prompt, file, name, tenant)
    for text in (content, title, prompt, file):
        assert sweep.kinds(text) == {"fields"}
    # Names are in the pages; no file shows them.
    assert sweep.kinds(name) == sweep.kinds(tenant) == {"pages"}


def tenants(server: Gateway) -> dict[str, str]:
    listed = json.loads(server.command("tenant", "list", "--json").stdout)
    return {tenant["name"]: tenant["id"] for tenant in listed}


def test_the_files_of_two_tenants_in_each_others_place(house):
    server = house.server
    keys = {}
    for name in ("acme", "globex"):
        made = server.command("key", "create", "--name", name, "--tenant", name, "--scope", "nodes.read", "--json")
        keys[name] = json.loads(made.stdout)["key"]
    ids = tenants(server)
    paths = [server.data / "tenants" / f"{ids[name]}.db" for name in keys]
    assert server.stop() == 0
    whole = [path.read_bytes() for path in paths]
    for path, content in zip(paths, reversed(whole)):
        path.write_bytes(content)
    server.start()
    for name in keys:
        answer = house.http.get("/v1/nodes", headers={"authorization": f"Bearer {keys[name]}"})
        assert answer.status_code == 500 and answer.json()["error"]["code"] == "internal", answer.text
        assert ids[name] not in answer.text and "page" not in answer.text
    # The others are served, and the operator reads which file it is.
    assert house.http.get("/v1/nodes").status_code == 200
    for name in keys:
        server.wait_for_log(f"{ids[name]}.db, page 1 is damaged")
    assert server.stop() == 0
    for path, content in zip(paths, whole):
        path.write_bytes(content)
    server.start()
    for name in keys:
        answer = house.http.get("/v1/nodes", headers={"authorization": f"Bearer {keys[name]}"})
        assert answer.status_code == 200, answer.text


# Row D7.


@ENDINGS
def test_what_is_deleted_is_gone_from_every_file(house, ending):
    text, kept = marker(), marker()
    house.consent(True)
    house.consent(True, "files")
    node = house.node()
    thread = house.chat(node, text, correlation_id=text, client_message_id=text)["thread_id"]
    house.chat(node, text, thread_id=thread)
    other = house.chat(node, kept)["thread_id"]
    file = upload(house, f"{text}.txt", text.encode() * 5000)["id"]
    assert house.http.delete(f"/v1/threads/{thread}").status_code in (200, 204)
    assert house.http.delete(f"/v1/files/{file}").status_code == 200
    end(house.server, ending, text)
    sweep = Sweep(house.server, text, thread, file, kept, other)
    assert sweep.kinds(text) == set()
    assert sweep.kinds(thread) == sweep.kinds(file) == set()
    # The same sweep sees the one beside it.
    assert sweep.kinds(kept) == {"fields"} and sweep.kinds(other) == {"pages"}
    house.server.start()
    assert house.http.get(f"/v1/threads/{thread}").status_code == 404
    assert house.http.get(f"/v1/files/{file}/content").status_code == 404
    assert house.texts(other) == [kept, kept]


# Row R4, as far as files go.


@pytest.mark.parametrize("name", ["control.db", "keyring.db"])
def test_an_older_copy_put_back_is_noticed(house, name):
    server = house.server
    assert server.stop() == 0
    older = server.directory / "older"
    shutil.copy(server.data / name, older)
    newest = server.directory / "newest"
    server.start()
    house.consent(True)
    server.create_key("newer")
    assert server.stop() == 0
    shutil.copy(server.data / name, newest)
    shutil.copy(older, server.data / name)
    done = server.command("serve", check=False)
    assert done.returncode != 0 and "older copy" in done.stderr and name in done.stderr, done.stderr
    shutil.copy(newest, server.data / name)
    server.start()


@ENDINGS
def test_the_audit_log_has_no_content(house, ending):
    """Prompts, answers, titles, names, files and end users, also of what is refused: none of it in any record."""
    texts = {name: marker() for name in ("prompt", "system", "title", "user", "file", "alias", "bad", "correlation")}
    chat = [{"role": "user", "content": texts["prompt"]}, {"role": "system", "content": texts["system"]}]
    http = house.http
    for more in ({}, {"stream": True}, {"model": texts["bad"]}, {"unknown": texts["bad"]}):
        asked = {"model": "echo", "messages": chat, "user": texts["user"], **more}
        http.post("/v1/chat/completions", json=asked, headers={"x-end-user": texts["user"]})
    http.post("/v1/nodes", json={"alias": texts["alias"].lower(), "model": "echo", "system_prompt": texts["system"]})
    http.post(
        f"/v1/nodes/{texts['alias'].lower()}/chat",
        json={"content": texts["prompt"], "correlation_id": texts["correlation"]},
    )
    http.post("/v1/threads", json={"title": texts["title"]})
    http.post("/v1/files", data={"purpose": "user_data"}, files={"file": (texts["file"], texts["file"].encode())})
    http.get(f"/v1/threads?correlation_id={texts['correlation']}")
    http.delete(f"/v1/threads?correlation_id={texts['correlation']}")
    house.server.command("tenant", "create", texts["alias"])
    end(house.server, ending)
    records = house.server.command("audit", "export", timeout=60).stdout
    assert records.count("\n") > 10 and "chat.completions.create" in records and "nodes.create" in records
    for name, text in texts.items():
        assert text.lower() not in records.lower(), name
    raw = b"".join(path.read_bytes() for path in (house.server.data / "audit").rglob("*") if path.is_file())
    for name, text in texts.items():
        assert text.encode() not in raw, name
