# SPDX-License-Identifier: Apache-2.0
"""What becomes of keys that others may have read (row T2): sent over plain HTTP, or reported as secret scanners do."""

import base64
import hashlib
import json
import time

import httpx2
import pytest

ALL = "chat keys.read keys.write audit.read".split()


@pytest.fixture
def make(make_gateway, trust):
    """A server with a policy, and a client for a key of it."""

    def made(**policy):
        server = make_gateway({"auth": policy})
        server.start()
        servers.append(server)
        manager = server.create_key("manager", ALL)

        def client(key=None):
            headers = {"authorization": f"Bearer {key}"} if key else {}
            return httpx2.Client(base_url=server.base, headers=headers, verify=trust, timeout=20)

        return server, client, client(manager.key)

    servers = []
    yield made
    for server in servers:
        assert server.stop() == 0


def in_clear(server, key, how="authorization"):
    with httpx2.Client(base_url=f"http://localhost:{server.redirect_port}", timeout=20) as http:
        if how == "query":
            answer = http.get(f"/v1/models?api_key={key}")
        else:
            answer = http.get("/v1/models", headers={how: f"Bearer {key}" if how == "authorization" else key})
    assert answer.status_code == 403 and answer.json()["error"]["code"] == "credential_exposed"
    assert key not in answer.text


@pytest.mark.parametrize("how", ["authorization", "x-api-key", "api-key", "query"])
def test_a_key_that_came_in_clear_is_marked_and_by_policy_revoked(make, how):
    server, client, manager = make()
    key = manager.post("/v1/keys", json={"name": "clear"}).json()
    in_clear(server, key["key"], how)
    shown = manager.get(f"/v1/keys/{key['id']}").json()
    assert shown["exposed_at"] and shown["exposure"] == "http" and not shown["revoked_at"]
    assert client(key["key"]).get("/v1/models").status_code == 200
    # Rotated, it is another text that nobody has seen.
    assert manager.post(f"/v1/keys/{key['id']}/rotate", json={"grace_seconds": 0}).json()["exposed_at"] is None
    server, client, manager = make(exposed_in_clear="revoke")
    key = manager.post("/v1/keys", json={"name": "clear"}).json()
    in_clear(server, key["key"], how)
    answer = client(key["key"]).get("/v1/models")
    assert answer.status_code == 401 and answer.json()["error"]["code"] == "revoked"
    assert manager.get(f"/v1/keys/{key['id']}").json()["revoked_for"] == "exposed"


def report(client, *tokens, **more):
    body = [{"token": token, "type": "gatehouse_api_key", "url": "https://git.example/x", **more} for token in tokens]
    answer = client().post("/v1/keys/exposed", json=body)
    assert answer.status_code == 200, answer.text
    for token in tokens:
        assert token not in answer.text
    return answer.json()


def test_a_reported_key_is_revoked_and_its_tenant_reads_so(make):
    server, client, manager = make()
    key = manager.post("/v1/keys", json={"name": "leaked"}).json()
    nearly = key["key"][:-1] + ("A" if key["key"][-1] != "A" else "B")
    answers = report(client, key["key"], nearly, "ghp_somebody_elses", source="commit")
    assert [answer["label"] for answer in answers] == ["true_positive", "false_positive", "false_positive"]
    for answer, token in zip(answers, (key["key"], nearly, "ghp_somebody_elses")):
        assert answer["token_hash"] == base64.b64encode(hashlib.sha256(token.encode()).digest()).decode()
    assert client(key["key"]).get("/v1/models").json()["error"]["code"] == "revoked"
    assert manager.get(f"/v1/keys/{key['id']}").json()["exposure"] == "report"
    # It opens nothing any more, so there is nothing to do about it.
    assert report(client, key["key"])[0]["label"] == "false_positive"
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        records = manager.get("/v1/audit?limit=100").json()["data"]
        if any(r["action"] == "keys.expose.revoke" and r.get("object_id") == key["id"] for r in records):
            break
        time.sleep(0.1)
    else:
        raise AssertionError(json.dumps(records)[:3000])
    assert key["key"] not in server.logs()


def test_the_old_text_of_a_rotated_key_takes_its_successor_nowhere(make):
    server, client, manager = make()
    key = manager.post("/v1/keys", json={"name": "rotated"}).json()
    rotated = manager.post(f"/v1/keys/{key['id']}/rotate", json={"grace_seconds": 600}).json()
    assert report(client, key["key"])[0]["label"] == "true_positive"
    assert client(key["key"]).get("/v1/models").status_code == 401
    assert client(rotated["key"]).get("/v1/models").status_code == 200


def test_a_reported_key_can_be_marked_only(make):
    server, client, manager = make(exposed_reported="mark")
    key = manager.post("/v1/keys", json={"name": "marked"}).json()
    assert report(client, key["key"])[0]["label"] == "true_positive"
    assert client(key["key"]).get("/v1/models").status_code == 200
    assert manager.get(f"/v1/keys/{key['id']}").json()["exposed_at"]


@pytest.mark.parametrize(
    "body", [[], {}, "x", [{}], [{"token": 1}], [{"token": ""}], [{"token": "x" * 5000}], [{"token": "x"}] * 101]
)
def test_what_is_no_report_is_refused(make, body):
    _, client, _ = make()
    assert client().post("/v1/keys/exposed", json=body).status_code == 400
