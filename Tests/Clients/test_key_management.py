# SPDX-License-Identifier: Apache-2.0
"""API keys managed over HTTP by a tenant's own keys (rows W1, W2): what a key may be narrowed to, what it may give away,
rotation with overlap, blocks, and streams that break off."""

import asyncio
import contextlib
import http.client
import json
import os
import re
import secrets
import socket
import ssl
import threading
import time

import httpx2
import openai
import pytest

from conftest import ENVIRONMENT, providers

CHAT = {"model": "echo", "messages": [{"role": "user", "content": "hi"}]}
ALL = (
    "chat embeddings files executions nodes.read nodes.write threads.read threads.write memory usage.read keys.read "
    "keys.write audit.read account"
).split()
PAGE = "https://shop.example.org"


@pytest.fixture
def server(make_gateway):
    with make_gateway({"nodes": {}}) as server:
        yield server


@pytest.fixture
def client(server, trust):
    """A client for a key's text, and one for a key with every scope."""
    with contextlib.ExitStack() as stack:

        def make(key=None, **headers):
            if key:
                headers["authorization"] = f"Bearer {key}"
            return stack.enter_context(httpx2.Client(base_url=server.base, headers=headers, verify=trust, timeout=20))

        yield make


@pytest.fixture
def manager(server, client):
    return client(server.create_key("manager", ALL).key)


def made(manager, **body):
    answer = manager.post("/v1/keys", json={"name": "made", **body})
    assert answer.status_code == 201, answer.text
    return answer.json()


def refused(answer, status, code, param=...):
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["code"] == code, error
    if param is not ...:
        assert error["param"] == param
    return error


# Making, showing, changing.


def test_a_key_is_shown_once_and_has_everything_but_its_text_afterwards(manager, client):
    key = made(
        manager,
        scopes=["chat", "usage.read"],
        models=["echo"],
        ip_ranges=["127.0.0.0/8", "::1"],
        metadata={"team": "blue", "n": [1, {"a": None}]},
        expires_in_seconds=3600,
    )
    assert re.fullmatch(r"ghk_[0-9A-Za-z]{49}", key["key"]) and key["prefix"] == key["key"][:12]
    shown = manager.get(f"/v1/keys/{key['id']}").json()
    assert "key" not in shown and key["key"] not in json.dumps(shown)
    assert {**shown, "key": key["key"]} == key
    assert shown["metadata"] == {"team": "blue", "n": [1, {"a": None}]}
    assert shown["ip_ranges"] == ["127.0.0.0/8", "::1"] and shown["kind"] == "secret"
    assert client(key["key"]).post("/v1/chat/completions", json=CHAT).status_code == 200
    assert manager.get(f"/v1/keys/{key['id']}").json()["last_used_at"]


def test_lists_have_pages_and_only_the_tenants_own(server, manager):
    for _ in range(3):
        made(manager)
    other = json.loads(server.command("key", "create", "--name", "x", "--tenant", "others", "--json").stdout)
    seen, after = [], ""
    while True:
        page = manager.get(f"/v1/keys?limit=2{after}").json()
        seen += [key["id"] for key in page["data"]]
        if not page["has_more"]:
            break
        after = f"&after={page['next_cursor']}"
    assert len(seen) == len(set(seen)) >= 3 and other["id"] not in seen
    for method, path, body in (
        ("GET", "", None),
        ("PATCH", "", {"name": "stolen"}),
        ("POST", "/rotate", {}),
        ("DELETE", "", None),
    ):
        refused(manager.request(method, f"/v1/keys/{other['id']}{path}", json=body), 404, "not_found")


@pytest.mark.parametrize(
    "body, param",
    [
        ({"name": ""}, "name"),
        ({"scopes": ["everything"]}, "scopes"),
        ({"scopes": []}, None),
        ({"models": []}, None),
        ({"ip_ranges": ["10.0.0.1/8"]}, "ip_ranges"),
        ({"ip_ranges": ["example.org"]}, "ip_ranges"),
        ({"origins": ["https://shop.example.org"]}, None),
        ({"kind": "publishable"}, None),
        ({"kind": "publishable", "nodes": ["desk"], "origins": ["https://shop.example.org/"]}, "origins"),
        ({"kind": "publishable", "nodes": ["desk"], "origins": ["null"]}, "origins"),
        ({"kind": "publishable", "nodes": ["desk"], "origins": ["https://*.example.org"]}, "origins"),
        ({"kind": "publishable", "nodes": ["desk"], "origins": ["https://Shop.example.org"]}, "origins"),
        ({"kind": "publishable", "nodes": ["desk"], "origins": ["https://shop.example.org:443"]}, "origins"),
        ({"kind": "publishable", "nodes": ["desk"], "origins": [PAGE], "scopes": ["chat", "files"]}, None),
        ({"kind": "root"}, "kind"),
        ({"nodes": ["desk"], "scopes": ["chat", "keys.write"]}, None),
        ({"nodes": ["desk"], "scopes": ["threads.read"]}, None),
        ({"metadata": {"x": "y" * 5000}}, None),
        ({"metadata": "text"}, "metadata"),
        ({"expires_in_seconds": 0}, "expires_in_seconds"),
        ({"expires_at": "yesterday"}, "expires_at"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"limits": ["many requests"]}, "limits"),
        ({"tenant": "others"}, "tenant"),
        ({"key": "ghk_mine"}, "key"),
    ],
)
def test_what_cannot_be_is_refused_by_name(manager, body, param):
    answer = manager.post("/v1/keys", json={"name": "x", **body})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["param"] == param


def test_a_change_is_in_force_with_the_next_request(manager, client):
    key = made(manager, models=["openai-small"])
    caller = client(key["key"])
    refused(caller.post("/v1/chat/completions", json=CHAT), 404, "model_not_found")
    changed = manager.patch(f"/v1/keys/{key['id']}", json={"models": None, "name": "renamed", "metadata": {"a": 1}})
    assert changed.status_code == 200 and changed.json()["models"] is None and changed.json()["name"] == "renamed"
    assert caller.post("/v1/chat/completions", json=CHAT).status_code == 200
    manager.patch(f"/v1/keys/{key['id']}", json={"scopes": ["embeddings"]})
    refused(caller.post("/v1/chat/completions", json=CHAT), 403, "insufficient_scope")
    manager.patch(f"/v1/keys/{key['id']}", json={"blocked": True})
    refused(caller.get("/v1/models"), 403, "blocked")
    manager.patch(f"/v1/keys/{key['id']}", json={"blocked": False})
    assert caller.get("/v1/models").status_code == 200
    manager.delete(f"/v1/keys/{key['id']}")
    refused(caller.get("/v1/models"), 401, "revoked")
    refused(manager.patch(f"/v1/keys/{key['id']}", json={"blocked": False}), 409, "conflict")
    refused(manager.post(f"/v1/keys/{key['id']}/rotate", json={}), 409, "conflict")


def test_changes_survive_a_restart(make_gateway, trust):
    server = make_gateway().start()
    manager = server.create_key("manager", ALL)
    with httpx2.Client(base_url=server.base, verify=trust, headers={"authorization": f"Bearer {manager.key}"}) as http:
        blocked, kept = made(http, ip_ranges=["10.0.0.0/8"]), made(http, metadata={"a": 1})
        rotated = http.post(f"/v1/keys/{kept['id']}/rotate", json={"grace_seconds": 600}).json()
        http.patch(f"/v1/keys/{blocked['id']}", json={"blocked": True})
        before = {key["id"]: key for key in http.get("/v1/keys?limit=100").json()["data"]}
    assert server.stop() == 0
    with server, httpx2.Client(base_url=server.base, verify=trust) as http:
        ask = lambda key: http.get("/v1/models", headers={"authorization": f"Bearer {key}"}).status_code
        assert ask(kept["key"]) == ask(rotated["key"]) == 200
        assert ask(blocked["key"]) == 403
        listed = http.get("/v1/keys?limit=100", headers={"authorization": f"Bearer {manager.key}"}).json()["data"]
        for key in listed:
            assert {**key, "last_used_at": None} == {**before[key["id"]], "last_used_at": None}
        # Written down at the stop, though nobody waited for it.
        assert {key["id"]: key for key in listed}[manager.id]["last_used_at"]


# What a key may give away.


def test_a_key_gives_away_no_more_than_it_has(server, manager, client):
    small = client(server.create_key("small", ["chat", "keys.read", "keys.write"]).key)
    assert made(small, scopes=["chat"])["scopes"] == ["chat"]
    refused(small.post("/v1/keys", json={"name": "x", "scopes": ["chat", "account"]}), 403, "insufficient_scope")
    great = made(manager, scopes=["account"])
    refused(small.patch(f"/v1/keys/{great['id']}", json={"name": "mine"}), 403, "insufficient_scope")
    # Its text would be in the answer.
    refused(small.post(f"/v1/keys/{great['id']}/rotate", json={}), 403, "insufficient_scope")
    own = made(small, scopes=["chat"])
    refused(small.patch(f"/v1/keys/{own['id']}", json={"scopes": ["account"]}), 403, "insufficient_scope")
    # To take away is allowed.
    assert small.delete(f"/v1/keys/{great['id']}").status_code == 200


@pytest.mark.parametrize(
    "bound", [{"models": ["echo"]}, {"ip_ranges": ["127.0.0.0/8"]}], ids=["models", "addresses"]
)
def test_a_narrowed_key_makes_none(manager, client, bound):
    key = client(made(manager, scopes=["chat", "keys.read", "keys.write"], **bound)["key"])
    refused(key.post("/v1/keys", json={"name": "x", "scopes": ["chat"]}), 403, "insufficient_scope")


def test_a_key_makes_none_that_outlives_it(manager, client):
    own = made(manager, scopes=["chat", "keys.write"], expires_in_seconds=600)
    key = client(own["key"])
    refused(
        key.post("/v1/keys", json={"name": "x", "scopes": ["chat"], "expires_in_seconds": 6000}),
        403,
        "insufficient_scope",
    )
    refused(
        key.post("/v1/keys", json={"name": "x", "scopes": ["chat"], "expires_at": None}), 403, "insufficient_scope"
    )
    made(key, scopes=["chat"], expires_in_seconds=60)
    assert made(key, scopes=["chat"])["expires_at"] == own["expires_at"]


# Places.


def test_a_key_is_used_from_its_addresses_only(manager, client):
    here, elsewhere = made(manager, ip_ranges=["127.0.0.0/8"]), made(manager, ip_ranges=["10.0.0.0/8", "2001:db8::/32"])
    assert client(here["key"]).get("/v1/models").status_code == 200
    error = refused(client(elsewhere["key"]).get("/v1/models"), 403, "ip_not_allowed")
    assert error["type"] == "permission_error"
    forged = {"x-forwarded-for": "10.0.0.1", "x-real-ip": "10.0.0.1", "forwarded": "for=10.0.0.1"}
    refused(client(elsewhere["key"], **forged).get("/v1/models"), 403, "ip_not_allowed")


@pytest.fixture
def desk(manager):
    aliases = [f"n{secrets.token_hex(5)}" for _ in range(2)]
    ids = [manager.post("/v1/nodes", json={"alias": alias, "model": "echo"}).json()["id"] for alias in aliases]
    return list(zip(aliases, ids))


def test_a_key_bound_to_nodes_uses_those_and_nothing_beside(manager, client, desk):
    (mine, mine_id), (other, other_id) = desk
    for name in (mine, mine_id):
        key = client(made(manager, nodes=[name], scopes=["chat", "nodes.read"])["key"])
        for path in (mine, mine_id):
            assert key.post(f"/v1/nodes/{path}/chat", json={"content": "hi"}).status_code == 200
            assert key.get(f"/v1/nodes/{path}").status_code == 200
            assert key.get(f"/v1/nodes/{path}/chit").status_code == 200
        for path in (other, other_id):
            refused(key.post(f"/v1/nodes/{path}/chat", json={"content": "hi"}), 403, "node_not_allowed")
            refused(key.get(f"/v1/nodes/{path}"), 403, "node_not_allowed")
            refused(key.get(f"/v1/nodes/{path}/chit"), 403, "node_not_allowed")
            refused(key.get(f"/v1/nodes/{path}/versions"), 403, "node_not_allowed")
        assert [node["id"] for node in key.get("/v1/nodes?limit=100").json()["data"]] == [mine_id]
        assert [model["id"] for model in key.get("/v1/models").json()["data"]] == [f"node/{mine}"]
        assert key.post("/v1/chat/completions", json={**CHAT, "model": f"node/{mine}"}).status_code == 200
        for model in (f"node/{other}", "echo"):
            refused(key.post("/v1/chat/completions", json={**CHAT, "model": model}), 404, "model_not_found")
    both = client(made(manager, nodes=[mine], models=["echo"])["key"])
    assert both.post("/v1/chat/completions", json=CHAT).status_code == 200
    assert both.post("/v1/chat/completions", json={**CHAT, "model": f"node/{mine}"}).status_code == 200
    refused(both.post("/v1/chat/completions", json={**CHAT, "model": "openai-small"}), 404, "model_not_found")


HOSTILE = [
    None,
    "null",
    "http://shop.example.org",
    "https://shop.example.org.evil.example",
    "https://evilshop.example.org",
    "https://shop.example.org:8443",
    "https://SHOP.example.org",
    "https://sub.shop.example.org",
    "https://shop.example.org/",
    "https://evil.example",
]


def test_a_publishable_key_works_from_its_page_and_no_other(manager, client, desk):
    (mine, _), (other, _) = desk
    key = made(manager, kind="publishable", nodes=[mine], origins=[PAGE])
    caller = client(key["key"])
    ask = lambda origin, path=f"/v1/nodes/{mine}/chat": caller.post(
        path, json={"content": "hi"}, headers={"origin": origin} if origin else {}
    )
    answer = ask(PAGE)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == PAGE and "origin" in answer.headers["vary"]
    # What the page is refused it may read, too.
    answer = ask(PAGE, f"/v1/nodes/{other}/chat")
    refused(answer, 403, "node_not_allowed")
    assert answer.headers["access-control-allow-origin"] == PAGE
    for origin in HOSTILE:
        answer = ask(origin)
        refused(answer, 403, "origin_not_allowed")
        assert "access-control-allow-origin" not in answer.headers, origin
    for path, method, body in (
        ("/v1/keys", "GET", None),
        ("/v1/nodes", "GET", None),
        ("/v1/files", "GET", None),
        ("/v1/usage", "GET", None),
    ):
        refused(caller.request(method, path, json=body, headers={"origin": PAGE}), 403, "insufficient_scope")
    refused(caller.post("/v1/chat/completions", json=CHAT, headers={"origin": PAGE}), 404, "model_not_found")
    # Another key gets the page nothing: no credential of somebody else's can be read with.
    assert "access-control-allow-origin" not in manager.get("/v1/models", headers={"origin": PAGE}).headers
    assert manager.get("/v1/models", headers={"origin": PAGE}).status_code == 200


def test_a_preflight_is_answered_to_the_pages_of_keys_that_live(manager, client, desk):
    page = "https://preflight.example.org"
    anonymous = client()
    ask = lambda origin: anonymous.options(
        "/v1/chat/completions",
        headers={"origin": origin, "access-control-request-method": "POST"},
    )
    assert "access-control-allow-origin" not in ask(page).headers
    key = made(manager, kind="publishable", nodes=[desk[0][0]], origins=[page])
    answer = ask(page)
    assert answer.status_code == 204 and answer.headers["access-control-allow-origin"] == page
    for origin in HOSTILE[1:]:
        assert "access-control-allow-origin" not in ask(origin.replace("shop", "preflight")).headers, origin
    # A plain request without the key is not the page's to read.
    assert "access-control-allow-origin" not in anonymous.get("/v1/models", headers={"origin": page}).headers
    manager.patch(f"/v1/keys/{key['id']}", json={"origins": ["https://moved.example.org"]})
    assert "access-control-allow-origin" not in ask(page).headers
    assert ask("https://moved.example.org").status_code == 204
    manager.delete(f"/v1/keys/{key['id']}")
    assert "access-control-allow-origin" not in ask("https://moved.example.org").headers


# Rotation.


def test_both_texts_work_until_the_grace_is_over(manager, client):
    key = made(manager, metadata={"kept": True})
    rotated = manager.post(f"/v1/keys/{key['id']}/rotate", json={"grace_seconds": 2}).json()
    assert rotated["id"] == key["id"] and rotated["key"] != key["key"] and rotated["metadata"] == {"kept": True}
    assert rotated["former_prefix"] == key["prefix"] and rotated["rotated_at"]
    old, new = client(key["key"]), client(rotated["key"])
    assert old.get("/v1/models").status_code == new.get("/v1/models").status_code == 200
    time.sleep(2.2)
    refused(old.get("/v1/models"), 401, "revoked")
    assert new.get("/v1/models").status_code == 200
    at_once = manager.post(f"/v1/keys/{key['id']}/rotate", json={"grace_seconds": 0}).json()
    # Nothing of it is kept, so nobody knows it any more.
    refused(new.get("/v1/models"), 401, "invalid_api_key")
    assert client(at_once["key"]).get("/v1/models").status_code == 200
    for grace in (-1, 604_801, "1h", 1.5):
        refused(
            manager.post(f"/v1/keys/{key['id']}/rotate", json={"grace_seconds": grace}),
            400,
            "invalid_parameter",
            "grace_seconds",
        )


def test_the_limit_counts_both_texts_as_one_key(make_gateway, trust):
    with make_gateway({"limiter": {"requests_per_hour": 6}}) as server:
        key = server.create_key("rotated")
        rotated = json.loads(server.command("key", "rotate", key.id, "--grace", "1h", "--json").stdout)
        with httpx2.Client(base_url=server.base, verify=trust) as http:
            statuses = [
                http.get("/v1/models", headers={"authorization": f"Bearer {text}"}).status_code
                for text in (key.key, rotated["key"]) * 4
            ]
    assert statuses == [200] * 6 + [429] * 2


def test_no_request_fails_while_a_key_is_rotated_again_and_again_under_load(server, manager):
    key = made(manager)
    texts, statuses, stop = [key["key"]], [], threading.Event()

    def ask():
        # The stock client, told of a new key as programs are: some time later.
        while not stop.is_set():
            with openai.OpenAI(base_url=f"{server.base}/v1", api_key=texts[-1], max_retries=0) as http:
                for _ in range(10):
                    try:
                        http.chat.completions.create(**CHAT)
                        statuses.append(200)
                    except openai.APIStatusError as error:
                        statuses.append(error.status_code)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for _ in range(8):
        time.sleep(0.4)
        before = len(statuses)
        texts.append(manager.post(f"/v1/keys/{key['id']}/rotate", json={"grace_seconds": 60}).json()["key"])
        deadline = time.monotonic() + 20
        # Everybody has been told before the text before that one goes.
        while len(statuses) < before + 120 and time.monotonic() < deadline:
            time.sleep(0.02)
    stop.set()
    for thread in threads:
        thread.join()
    assert len(statuses) > 500 and set(statuses) == {200}


# Revocation, in the middle of an answer too.


@pytest.fixture
def slow(make_gateway, mock_server, authority):
    """A server whose provider begins a stream and then says nothing."""
    server = make_gateway(providers(mock_server, authority, None), ENVIRONMENT)
    with server:
        yield server


FIRST = (
    b'data: {"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,'
    b'"delta":{"role":"assistant","content":"first"},"finish_reason":null}]}\n\n'
)


async def silence(exchange):
    """A first piece, and then nothing."""
    await exchange.begin(200, {"content-type": "text/event-stream"})
    await exchange.chunk(FIRST)
    await exchange.hang()


@pytest.mark.parametrize("end", ["revoke", "block", "suspend", "delete"])
@pytest.mark.parametrize("model", ["openai-small", "echo"])
def test_open_streams_end_when_their_key_does(slow, upstream, trust, end, model):
    key = json.loads(slow.command("key", "create", "--name", "x", "--tenant", "streaming", "--json").stdout)
    bystander = json.loads(slow.command("key", "create", "--name", "y", "--json").stdout)
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": "/slow 60000 hi"}]}
    if model == "echo":
        body["messages"][0]["content"] = "/pace 200ms\n/tokens 400"
    results = {}
    wires = {}
    begun = threading.Semaphore(0)

    def watch(name, text):
        context = ssl.create_default_context()
        context.load_verify_locations(cafile=trust_file)
        wire = wires[name] = http.client.HTTPSConnection("localhost", slow.port, context=context, timeout=100)
        wire.request(
            "POST", "/v1/chat/completions", json.dumps(body), {"authorization": f"Bearer {text}", "content-type": "application/json"}
        )
        answer = wire.getresponse()
        content = answer.read1(4096)
        begun.release()
        try:
            while True:
                piece = answer.read1(4096)
                if not piece:
                    break
                content += piece
        except (http.client.IncompleteRead, OSError):
            content += b"CUT"
        results[name] = (time.monotonic(), content)
        wire.close()

    trust_file = os.environ["SSL_CERT_FILE"]
    with upstream.behave(silence):
        threads = [threading.Thread(target=watch, args=(f"stream{i}", key["key"])) for i in range(6)]
        threads.append(threading.Thread(target=watch, args=("bystander", bystander["key"])))
        for thread in threads:
            thread.start()
        for _ in threads:
            assert begun.acquire(timeout=60)
        assert not results
        start = time.monotonic()
        if end == "revoke":
            slow.command("key", "revoke", key["id"])
        elif end == "block":
            slow.command("key", "block", key["id"])
        elif end == "suspend":
            slow.command("tenant", "suspend", "streaming")
        else:
            slow.command("tenant", "delete", "streaming", "--confirm", "streaming")
        for thread in threads[:-1]:
            thread.join(60)
            assert not thread.is_alive(), "a stream went on"
        assert "bystander" not in results, "a stream of another tenant ended too"
        wires["bystander"].sock.shutdown(socket.SHUT_RDWR)
    threads[-1].join()
    for name, (when, content) in results.items():
        if name != "bystander":
            assert when - start < 60
            assert b"revoked" in content and content.rstrip().endswith(b"data: [DONE]"), content[-300:]


def test_a_stream_in_full_flow_ends_with_its_key_and_says_so(server, manager, trust):
    """A client that reads slowly holds the answer up; the key is revoked meanwhile, between two of its words."""
    key = made(manager, scopes=["chat"])
    body = {**CHAT, "stream": True, "messages": [{"role": "user", "content": "/tokens 100000"}]}
    wire = http.client.HTTPSConnection("localhost", server.port, context=trust, timeout=60)
    headers = {"authorization": f"Bearer {key['key']}", "content-type": "application/json"}
    wire.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    answer = wire.getresponse()
    content = answer.read(4096)
    time.sleep(0.5)
    assert manager.delete(f"/v1/keys/{key['id']}").status_code == 200
    content += answer.read()
    wire.close()
    assert b"revoked" in content[-1000:] and content.endswith(b"data: [DONE]\n\n"), content[-300:]


@pytest.mark.parametrize("model", ["openai-small", "echo"])
def test_a_stream_that_has_not_begun_is_refused_where_its_key_is_revoked(slow, upstream, trust, model):
    key = json.loads(slow.command("key", "create", "--name", "x", "--json").stdout)
    body = {**CHAT, "model": model, "stream": True}
    if model == "echo":
        body["messages"] = [{"role": "user", "content": "/delay 8s\nhi"}]
    revoked = threading.Event()

    async def late(exchange):
        await exchange.begin(200, {"content-type": "text/event-stream"})
        while not revoked.is_set():
            await asyncio.sleep(0.01)
        await exchange.chunk(FIRST)
        await exchange.hang()

    answers = []

    def ask():
        headers = {"authorization": f"Bearer {key['key']}"}
        with httpx2.Client(base_url=slow.base, headers=headers, verify=trust, timeout=60) as caller:
            answers.append(caller.post("/v1/chat/completions", json=body))

    with upstream.behave(late):
        thread = threading.Thread(target=ask)
        thread.start()
        time.sleep(0.5)
        slow.command("key", "revoke", key["id"])
        revoked.set()
        thread.join(60)
    refused(answers[0], 401, "revoked")
