# SPDX-License-Identifier: Apache-2.0
"""An account that leaves: everything of it in one archive that tar reads, and then nothing of it, with a receipt."""

import io
import json
import tarfile
import time

import httpx2
import pyotp
import pytest

from people import PASSWORD, hasten, user

ALL = (
    "chat embeddings files nodes.read nodes.write threads.read threads.write usage.read keys.read keys.write "
    "audit.read account"
).split()


@pytest.fixture
def server(make_gateway):
    with hasten(make_gateway({"nodes": {}})) as made:
        yield made


def enroll(person):
    secret = person.client.post("/auth/totp/enroll", json={"password": PASSWORD}).json()["secret"]
    totp = pyotp.TOTP(secret)
    done = person.client.post("/auth/totp/confirm", json={"totp": totp.now()})
    assert done.status_code == 200, done.text
    return totp, done.json()


def client(server, trust, key):
    return httpx2.Client(base_url=server.base, headers={"authorization": f"Bearer {key}"}, verify=trust, timeout=60)


def archive(http):
    answer = http.get("/v1/account/export")
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/x-tar", answer.text
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as tar:
        members = {member.name.split("/", 1)[1]: tar.extractfile(member).read() for member in tar.getmembers()}
    lines = {}
    for name, content in members.items():
        if name.endswith(".jsonl"):
            assert len(content) <= 3 << 20
            part = name.rsplit("-", 1)[0]
            lines.setdefault(part, []).extend(json.loads(line) for line in content.splitlines())
    return members, lines


def test_an_archive_has_everything_and_tar_reads_it(server, trust):
    key = server.create_key("owner", ALL)
    server.command("consent", "grant", "threads", "--tenant", "default")
    server.command("consent", "grant", "files", "--tenant", "default")
    with client(server, trust, key.key) as http:
        node = http.post("/v1/nodes", json={"alias": "desk", "model": "echo", "system_prompt": "Be brief ✓"}).json()
        threads = [http.post("/v1/nodes/desk/chat", json={"content": f"question {i}"}).json() for i in range(3)]
        # More than one file of lines, and more than one page.
        thread = threads[0]["thread_id"]
        for i in range(120):
            http.post(f"/v1/threads/{thread}/messages", json={"content": f"{i} " + "x" * 20_000})
        contents = {}
        for size in (0, 1, 511, 512, 513, 3 << 20):
            made = http.post("/v1/files", files={"file": ("f.bin", b"\x07" * size)}, data={"purpose": "user_data"})
            assert made.status_code == 200, made.text
            contents[made.json()["id"]] = b"\x07" * size
        members, lines = archive(http)
    manifest = json.loads(members["manifest.json"])
    assert manifest["tenant"]["name"] == "default"
    assert set(lines) <= {part["name"] for part in manifest["parts"]}
    assert [line["id"] for line in lines["nodes"] if line["object"] == "node"] == [node["id"]]
    assert lines["nodes"][0]["system_prompt"] == "Be brief ✓"
    said = [line["content"] for line in lines["threads"] if line["object"] == "thread.message" or "content" in line]
    assert {f"question {i}" for i in range(3)} <= set(said)
    assert sum(len(text) > 20_000 for text in said) == 120
    assert len([name for name in members if name.startswith("threads-")]) > 1
    assert {name.removeprefix("files/"): content for name, content in members.items() if name.startswith("files/")} == contents
    assert [line["id"] for line in lines["keys"]] == [key.id]
    assert lines["consents"] and lines["audit"] and lines["usage"]
    assert key.key not in str(members)


def test_a_key_without_the_scope_takes_nothing_away(server, trust):
    with client(server, trust, server.create_key("chat", ["chat"]).key) as http:
        assert http.get("/v1/account/export").status_code == 403


def test_deletion_takes_an_owner_with_both_factors_and_leaves_nothing(server, trust):
    made = json.loads(server.command("key", "create", "--name", "k", "--tenant", "leaving", "--scope", "account", "--json").stdout)
    owner = user(server, "owner@example.org", role="owner", tenant="leaving").login()
    admin = user(server, "admin@example.org", role="admin", tenant="leaving").login()
    body = {"password": PASSWORD, "confirm": "leaving"}
    ask = lambda http, **more: http.request("DELETE", "/v1/account", json={**body, **more})
    with client(server, trust, made["key"]) as http:
        assert ask(http).status_code == 403
        assert ask(admin.client).status_code == 403
        # Without a second factor, with a wrong one, with a wrong name or password: nothing happens.
        assert ask(owner.client).json()["error"]["code"] == "totp_required"
        totp, _ = enroll(owner)
        assert ask(owner.client).json()["error"]["code"] == "totp_required"
        assert ask(owner.client, totp="000000").status_code == 401
        assert ask(owner.client, confirm="leavin", totp="000000").json()["error"]["param"] == "confirm"
        assert http.get("/v1/models").status_code == 200
        # The code of the next step, which is taken already and unused yet.
        answer = ask(owner.client, totp=totp.at(time.time() + 30))
        assert answer.status_code == 200, answer.text
        receipt = answer.json()
        assert receipt["object"] == "account.deleted" and receipt["name"] == "leaving" and receipt["deleted"] is True
        assert (receipt["keys"], receipt["people"]) == (1, 2) and receipt["request_id"].startswith("req_")
        assert http.get("/v1/models").status_code == 401
    assert owner.client.get("/auth/sessions").status_code == 401
    tenants = json.loads(server.command("tenant", "list", "--json").stdout)
    assert "leaving" not in [tenant["name"] for tenant in tenants]
    assert not list(server.data.glob(f"tenants/{receipt['id']}*"))
    records = json.loads(server.command("audit", "search", "--json").stdout)
    assert any(record.get("request_id") == receipt["request_id"] for record in records)


def test_consents_are_given_by_an_admin_and_nobody_else(server, trust):
    member = user(server, "member@example.org").login()
    admin = user(server, "boss@example.org", role="admin").login()
    put = lambda http, granted: http.put("/v1/consents", json={"scopes": {"threads": granted}})
    with client(server, trust, server.create_key("k", ALL).key) as http:
        assert put(http, True).status_code == 403
        assert put(member.client, True).status_code == 403
        assert put(admin.client, True).status_code == 200
        shown = {c["scope"]: c for c in member.client.get("/v1/consents").json()["data"]}
        assert shown["threads"]["granted"] and shown["threads"]["granted_by"].startswith("usr_")
        assert put(admin.client, False).status_code == 200
        assert not {c["scope"]: c for c in http.get("/v1/consents").json()["data"]}["threads"]["granted"]
