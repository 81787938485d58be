# SPDX-License-Identifier: Apache-2.0
"""API keys (row W1, W2) and the rate limit (row S1, first cut): made and revoked by the command line, effective at once
on every loop; counts exact under parallel calls."""

import collections
import concurrent.futures
import contextlib
import datetime
import http.client
import json
import re
import signal
import ssl
import time

import anthropic
import httpx2
import openai
import pytest

pytestmark = pytest.mark.usefixtures("gateway")

CONNECTIONS = 24  # Over two loops: all on one has a chance of 1 in 8 million.
CHAT = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}


class Wires:
    """Kept-alive connections, each sure to be its own."""

    def __init__(self, server, key, count=CONNECTIONS):
        context = ssl.create_default_context(cafile=server.trust_file)
        self.key = key
        self.all = [
            http.client.HTTPSConnection("localhost", server.port, context=context, timeout=20) for _ in range(count)
        ]

    def ask(self, connection, method="GET", path="/v1/models", body=None):
        headers = {"authorization": f"Bearer {self.key}", "content-type": "application/json"}
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        content = answer.read()
        return answer.status, dict((k.lower(), v) for k, v in answer.getheaders()), content

    def close(self):
        for connection in self.all:
            connection.close()


@pytest.fixture
def wires(authority):
    made = []

    def make(server, key, count=CONNECTIONS):
        server.trust_file = str(authority.certificate)
        made.append(Wires(server, key, count))
        return made[-1]

    yield make
    for each in made:
        each.close()


# Keys.


def test_a_key_has_the_shape_that_is_promised(gateway):
    key = gateway.create_key("shape")
    assert re.fullmatch(r"ghk_[0-9A-Za-z]{49}", key.key)
    assert re.fullmatch(r"key_[0-9A-HJKMNP-TV-Z]{26}", key.id)
    (listed,) = [item for item in gateway.list_keys() if item["id"] == key.id]
    assert listed["prefix"] == key.key[:12] and listed["name"] == "shape"
    assert key.key not in json.dumps(gateway.list_keys())


def test_a_key_without_json_is_shown_once_to_a_person(gateway):
    shown = gateway.command("key", "create", "--name", "person").stdout
    assert re.search(r"ghk_[0-9A-Za-z]{49}", shown)


def test_a_new_key_works_at_once_on_every_loop(gateway, wires):
    connections = wires(gateway, gateway.create_key("fresh").key)
    assert {connections.ask(c)[0] for c in connections.all} == {200}


def test_a_revoked_key_is_refused_on_the_next_request_of_every_connection(gateway, wires):
    key = gateway.create_key("doomed")
    connections = wires(gateway, key.key)
    assert {connections.ask(c)[0] for c in connections.all} == {200}
    gateway.revoke(key)
    answers = [connections.ask(c) for c in connections.all]
    assert {status for status, _, _ in answers} == {401}
    assert {json.loads(content)["error"]["code"] for _, _, content in answers} == {"revoked"}
    assert [item for item in gateway.list_keys() if item["id"] == key.id][0]["revoked_at"]


def test_revoking_twice_or_what_is_not_there(gateway):
    key = gateway.create_key("twice")
    gateway.revoke(key)
    assert gateway.command("key", "revoke", key.id, check=False).returncode in (0, 1)
    done = gateway.command("key", "revoke", "key_01ARZ3NDEKTSV4RRFFQ69G5FAV", check=False)
    assert done.returncode == 1 and "gatehouse: error:" in done.stderr


def test_a_revoked_key_stays_revoked_after_a_restart(make_gateway, trust):
    server = make_gateway().start()
    kept, gone = server.create_key("kept"), server.create_key("gone")
    server.revoke(gone)
    assert server.stop() == 0
    with server:
        with httpx2.Client(base_url=server.base, verify=trust) as client:
            assert client.get("/v1/models", headers={"authorization": f"Bearer {kept.key}"}).status_code == 200
            assert client.get("/v1/models", headers={"authorization": f"Bearer {gone.key}"}).status_code == 401


def test_a_key_of_another_house_is_refused(make_gateway, gateway, house, trust):
    """The pepper differs: the same bytes mean nothing here."""
    with make_gateway() as server, httpx2.Client(base_url=server.base, verify=trust) as client:
        answer = client.get("/v1/models", headers={"authorization": f"Bearer {house.key}"})
        assert answer.status_code == 401 and answer.json()["error"]["code"] == "invalid_api_key"


def test_scopes_are_kept(gateway, trust):
    only_embeddings = gateway.create_key("embeddings", scopes=["embeddings"])
    only_chat = gateway.create_key("chat", scopes=["chat"])
    routes = {
        "/v1/chat/completions": CHAT,
        "/v1/completions": {"model": "echo", "prompt": "hi"},
        "/v1/responses": {"model": "echo", "input": "hi"},
        "/v1/messages": {**CHAT, "max_tokens": 5},
        "/v1/messages/count_tokens": CHAT,
        "/v1/embeddings": {"model": "echo", "input": "hi"},
    }
    for key, allowed in ((only_embeddings, {"/v1/embeddings"}), (only_chat, set(routes) - {"/v1/embeddings"})):
        with httpx2.Client(
            base_url=gateway.base, verify=trust, headers={"authorization": f"Bearer {key.key}"}
        ) as client:
            for route, body in routes.items():
                answer = client.post(route, json=body)
                if route in allowed:
                    assert answer.status_code == 200, (route, answer.text)
                else:
                    assert answer.status_code == 403, (route, answer.text)
                    if not route.startswith("/v1/messages"):
                        assert answer.json()["error"]["code"] == "insufficient_scope"
    done = gateway.command("key", "create", "--name", "x", "--scope", "everything", check=False)
    assert done.returncode in (1, 2) and "everything" in done.stderr


def test_a_key_bound_to_models_sees_and_uses_only_those(gateway, trust, upstream):
    key = gateway.create_key("bound", models=["echo"])
    with httpx2.Client(base_url=gateway.base, verify=trust, headers={"authorization": f"Bearer {key.key}"}) as client:
        assert [model["id"] for model in client.get("/v1/models").json()["data"]] == ["echo"]
        assert client.get("/v1/models/openai-small").status_code == 404
        assert client.post("/v1/chat/completions", json=CHAT).status_code == 200
        answer = client.post("/v1/chat/completions", json={**CHAT, "model": "openai-small"})
        assert answer.status_code == 404 and answer.json()["error"]["code"] == "model_not_found"
    assert not upstream.requests


def test_a_key_expires(gateway, trust):
    key = gateway.create_key("brief", expires="2s")
    with httpx2.Client(base_url=gateway.base, verify=trust, headers={"authorization": f"Bearer {key.key}"}) as client:
        assert client.get("/v1/models").status_code == 200
        time.sleep(2.2)
        answer = client.get("/v1/models")
    assert answer.status_code == 401 and answer.json()["error"]["code"] == "expired"


# The rate limit.


def test_the_request_after_the_last_one_is_refused(make_gateway, trust):
    server = make_gateway({"limiter": {"requests_per_hour": 20}})
    with server:
        key = server.create_key("limited")
        with httpx2.Client(
            base_url=server.base, verify=trust, headers={"authorization": f"Bearer {key.key}"}
        ) as client:
            for number in range(20):
                answer = client.post("/v1/chat/completions", json=CHAT)
                assert answer.status_code == 200
                assert answer.headers["x-ratelimit-limit-requests"] == "20"
                assert answer.headers["x-ratelimit-remaining-requests"] == str(19 - number)
            answer = client.post("/v1/chat/completions", json=CHAT)
        assert answer.status_code == 429
        error = answer.json()["error"]
        assert (error["type"], error["code"]) == ("rate_limit_error", "rate_limit_exceeded")
        assert set(error["limit"]) == {"name", "scope", "limit", "remaining", "resets_at"}
        assert (error["limit"]["limit"], error["limit"]["remaining"]) == (20, 0)
        resets = datetime.datetime.fromisoformat(error["limit"]["resets_at"].replace("Z", "+00:00"))
        ahead = (resets - datetime.datetime.now(datetime.timezone.utc)).total_seconds()
        # The window is an hour, and rolls in 120 steps: what was just now leaves it within a step more.
        latest = 3600 + 3600 / 120 + 1
        assert 3500 < ahead <= latest, "the first of the twenty was just now"
        assert 3500 < int(answer.headers["retry-after"]) <= latest
        assert int(answer.headers["retry-after-ms"]) // 1000 in range(
            int(answer.headers["retry-after"]) - 1, int(answer.headers["retry-after"]) + 1
        )
        assert answer.headers["x-ratelimit-remaining-requests"] == "0"
        client = openai.OpenAI(base_url=f"{server.base}/v1", api_key=key.key, max_retries=0)
        with pytest.raises(openai.RateLimitError) as limited:
            client.chat.completions.create(**CHAT)
        assert limited.value.code == "rate_limit_exceeded"
        other = anthropic.Anthropic(base_url=server.base, api_key=key.key, max_retries=0)
        with pytest.raises(anthropic.RateLimitError) as limited:
            other.messages.create(**CHAT, max_tokens=5)
        assert limited.value.type == "rate_limit_error"


def test_another_key_of_the_tenant_evades_nothing(make_gateway, trust):
    server = make_gateway({"limiter": {"requests_per_hour": 20}})
    with server:
        statuses = []
        for number in range(3):
            key = server.create_key(f"minted{number}")
            with httpx2.Client(
                base_url=server.base, verify=trust, headers={"authorization": f"Bearer {key.key}"}
            ) as client:
                statuses += [client.post("/v1/chat/completions", json=CHAT).status_code for _ in range(10)]
    assert collections.Counter(statuses) == {200: 20, 429: 10}


@pytest.mark.prove
def test_the_count_is_exact_under_200_at_once(make_gateway, wires):
    server = make_gateway({"limiter": {"requests_per_hour": 50}})
    with server:
        key = server.create_key("parallel")
        connections = wires(server, key.key, 200)
        with concurrent.futures.ThreadPoolExecutor(200) as pool:
            for connection in connections.all:  # Handshakes first: then all ask at once.
                connection.connect()
            answers = list(
                pool.map(lambda c: connections.ask(c, "POST", "/v1/chat/completions", CHAT)[0], connections.all)
            )
    assert collections.Counter(answers) == {200: 50, 429: 150}


def test_a_forged_address_changes_nothing(make_gateway, trust):
    server = make_gateway({"limiter": {"requests_per_hour": 5}})
    with server:
        key = server.create_key("forger")
        with httpx2.Client(
            base_url=server.base, verify=trust, headers={"authorization": f"Bearer {key.key}"}
        ) as client:
            statuses = [
                client.post(
                    "/v1/chat/completions",
                    json=CHAT,
                    headers={"x-forwarded-for": f"10.0.0.{i}", "x-real-ip": f"10.0.1.{i}"},
                ).status_code
                for i in range(10)
            ]
    assert collections.Counter(statuses) == {200: 5, 429: 5}


def test_a_refused_request_does_not_reach_the_provider(make_gateway, trust, upstream):
    server = make_gateway({"limiter": {"requests_per_hour": 3}})
    with server:
        key = server.create_key("limited")
        with httpx2.Client(
            base_url=server.base, verify=trust, headers={"authorization": f"Bearer {key.key}"}
        ) as client:
            for _ in range(6):
                client.post("/v1/chat/completions", json={**CHAT, "model": "openai-small"})
    assert len(upstream.requests) == 3


def test_the_default_is_a_thousand_an_hour(make_gateway, trust):
    server = make_gateway({"limiter": None})
    server.tables["limiter"] = {}
    with server:
        key = server.create_key("default")
        with httpx2.Client(
            base_url=server.base, verify=trust, headers={"authorization": f"Bearer {key.key}"}
        ) as client:
            statuses = [client.post("/v1/chat/completions", json=CHAT).status_code for _ in range(1001)]
    assert statuses[:1000] == [200] * 1000
    assert statuses[1000] == 429


def test_a_wrong_key_does_not_use_up_anyones_limit(make_gateway, trust):
    server = make_gateway({"limiter": {"requests_per_hour": 5}})
    with server:
        key = server.create_key("right")
        with httpx2.Client(base_url=server.base, verify=trust) as client:
            for _ in range(10):
                client.post(
                    "/v1/chat/completions", json=CHAT, headers={"authorization": "Bearer " + key.key[:-1] + "!"}
                )
            answer = client.post("/v1/chat/completions", json=CHAT, headers={"authorization": f"Bearer {key.key}"})
    assert answer.status_code == 200 and answer.headers["x-ratelimit-remaining-requests"] == "4"


def test_the_limit_survives_a_reload(make_gateway, trust):
    server = make_gateway({"limiter": {"requests_per_hour": 5}})
    with server, contextlib.ExitStack() as stack:
        key = server.create_key("reload")
        client = stack.enter_context(
            httpx2.Client(base_url=server.base, verify=trust, headers={"authorization": f"Bearer {key.key}"})
        )
        statuses = [client.post("/v1/chat/completions", json=CHAT).status_code for _ in range(4)]
        server.process.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        statuses += [client.post("/v1/chat/completions", json=CHAT).status_code for _ in range(4)]
    assert collections.Counter(statuses) == {200: 5, 429: 3}
