# SPDX-License-Identifier: Apache-2.0
"""Key management by tools that were written for LiteLLM's proxy: the same paths and bodies, with keys named by id or
prefix, and never whole where a proxy would log them."""

import re

import httpx2
import pytest

CHAT = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def server(make_gateway):
    with make_gateway() as made:
        yield made


@pytest.fixture
def client(server, trust):
    made = []

    def make(key):
        made.append(
            httpx2.Client(base_url=server.base, headers={"authorization": f"Bearer {key}"}, verify=trust, timeout=20)
        )
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def master(server, client):
    return client(server.create_key("master", ["chat", "embeddings", "keys.read", "keys.write"]).key)


def ok(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(answer, status, param):
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["param"] == param, answer.text


def test_generate_as_litellms_documentation_has_it(master, client):
    made = ok(
        master.post(
            "/key/generate",
            json={
                "models": ["echo"],
                "duration": "20m",
                "metadata": {"user": "ishaan@berri.ai"},
                "key_alias": "laptop",
                "team_id": "core-infra",
                "user_id": "u-1",
                "max_budget": None,
                "aliases": {},
                "config": {},
                "permissions": {},
                "spend": 0,
                "tags": [],
                "rpm_limit": 100,
                "max_parallel_requests": 5,
            },
        )
    )
    assert re.fullmatch(r"ghk_[0-9A-Za-z]{49}", made["key"]) and made["token"].startswith("key_")
    assert made["key_alias"] == "laptop" and made["models"] == ["echo"] and made["expires"]
    assert (made["team_id"], made["user_id"]) == ("core-infra", "u-1")
    assert made["metadata"] == {"user": "ishaan@berri.ai"}
    assert (made["rpm_limit"], made["max_parallel_requests"], made["tpm_limit"]) == (100, 5, None)
    answer = client(made["key"]).post("/v1/chat/completions", json=CHAT)
    assert ok(answer) and answer.headers["x-ratelimit-limit-requests"] == "100"
    info = ok(master.get("/key/info", params={"key": made["token"]}))
    assert info["key"] == made["token"] and info["info"]["key_alias"] == "laptop" and "key" not in info["info"]
    assert ok(master.get("/key/info", params={"key": made["key"][:12]}))["key"] == made["token"]
    # Without a name: whoever asks.
    assert ok(master.get("/key/info"))["info"]["key_alias"] == "master"


def test_update_block_delete_and_regenerate(master, client):
    made = ok(master.post("/key/generate", json={}))
    caller = client(made["key"])
    # A body may hold the whole key, as LiteLLM's clients send it.
    for name in (made["key"], made["token"], made["key"][:12]):
        assert ok(master.post("/key/update", json={"key": name, "models": ["nothing"]}))["models"] == ["nothing"]
        assert caller.post("/v1/chat/completions", json=CHAT).status_code == 404
        assert ok(master.post("/key/update", json={"key": name, "models": [], "duration": "1h"}))["models"] == []
        assert caller.post("/v1/chat/completions", json=CHAT).status_code == 200
        assert ok(master.post("/key/block", json={"key": name}))["blocked"] is True
        assert caller.get("/v1/models").status_code == 403
        assert ok(master.post("/key/unblock", json={"key": name}))["blocked"] is False
        assert caller.get("/v1/models").status_code == 200
    again = ok(master.post(f"/key/{made['token']}/regenerate", json={}))
    assert again["token"] == made["token"] and again["key"] != made["key"]
    assert caller.get("/v1/models").status_code == 401
    later = ok(master.post(f"/key/{again['key'][:12]}/regenerate", json={"grace_period": "1h", "key_alias": "new"}))
    for key in (again["key"], later["key"]):
        assert client(key).get("/v1/models").status_code == 200
    assert later["key_alias"] == "new"
    assert ok(master.post("/key/delete", json={"keys": [later["key"]]}))["deleted_keys"] == [made["token"]]
    assert client(later["key"]).get("/v1/models").status_code == 401


def test_a_whole_key_stands_in_no_path_and_no_query(master):
    made = ok(master.post("/key/generate", json={}))
    refused(master.get("/key/info", params={"key": made["key"]}), 400, "key")
    refused(master.post(f"/key/{made['key']}/regenerate", json={}), 400, "key")
    assert made["key"] not in master.get("/key/info", params={"key": made["key"]}).text


@pytest.mark.parametrize(
    "member, value",
    [
        ("soft_budget", 5),
        ("tags", ["a"]),
        ("guardrails", ["pii"]),
        ("allowed_routes", ["/v1/chat/completions"]),
        ("permissions", {"get_spend_routes": True}),
        ("key", "sk-of-my-own"),
        ("duration", "soon"),
        ("budget_duration", "30d"),
        ("rpm_limit", -1),
        ("models", "echo"),
        ("no_such_thing", 1),
    ],
)
def test_what_would_not_be_kept_is_refused_by_name(master, member, value):
    refused(master.post("/key/generate", json={member: value}), 400, member)


def test_a_budget_is_kept(master, client):
    made = ok(master.post("/key/generate", json={"max_budget": 0.5, "budget_duration": "30d"}))
    assert made["max_budget"] == 0.5
    assert client(made["key"]).post("/v1/chat/completions", json=CHAT).status_code in (200, 400)
    refused(master.post("/key/generate", json={"max_budget": 1, "budget_duration": "1h"}), 400, "budget_duration")


def test_other_tenants_keys_are_not_there(server, master):
    import json

    other = json.loads(server.command("key", "create", "--name", "x", "--tenant", "others", "--json").stdout)
    for name in (other["id"], other["key"], other["prefix"]):
        assert master.post("/key/update", json={"key": name, "models": []}).status_code == 404
        assert master.post("/key/delete", json={"keys": [name]}).status_code == 404
        assert master.post("/key/block", json={"key": name}).status_code == 404
    for name in (other["id"], other["prefix"]):
        assert master.get("/key/info", params={"key": name}).status_code == 404


def test_limits_of_a_key_narrow_and_never_widen(make_gateway, trust):
    with make_gateway({"limiter": {"requests_per_hour": 5, "unauthenticated": []}}) as server:
        manager = server.create_key("manager", ["chat", "keys.read", "keys.write"])
        with httpx2.Client(base_url=server.base, verify=trust, timeout=20) as http:
            head = {"authorization": f"Bearer {manager.key}"}
            wide = http.post("/v1/keys", json={"name": "w", "scopes": ["chat"], "limits": ["1000 requests/hour"]}, headers=head).json()
            narrow = http.post("/v1/keys", json={"name": "n", "scopes": ["chat"], "limits": ["2 requests/hour"]}, headers=head).json()
            ask = lambda key: http.get("/v1/models", headers={"authorization": f"Bearer {key['key']}"})
            assert ask(wide).headers["x-ratelimit-limit-requests"] == "5"
            assert [ask(narrow).status_code for _ in range(2)][-1] == 429 or ask(narrow).status_code == 429
