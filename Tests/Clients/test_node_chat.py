# SPDX-License-Identifier: Apache-2.0
"""Chat with nodes at the real binary: what the provider hears, what a thread keeps, and what no disk ever has."""

import contextlib
import json
import secrets
import ssl
import threading
import time

import anthropic
import httpx2
import openai
import pytest

import mock_behaviours
from conftest import CANARY, ENVIRONMENT, providers
from gateway import Gateway

PROMPT = "You are the helper of a shop. PromptMarker"


class Nodes:
    """A server with nodes, and a client of it."""

    def __init__(self, server: Gateway, trust: ssl.SSLContext) -> None:
        self.server, self.trust = server, trust
        scopes = ["chat", "embeddings", "nodes.read", "nodes.write", "threads.read", "threads.write"]
        self.key = server.create_key("nodes", scopes).key
        self.http = self.client()

    def client(self, **more) -> httpx2.Client:
        headers = {"authorization": f"Bearer {self.key}"}
        return httpx2.Client(base_url=self.server.base, headers=headers, verify=self.trust, timeout=30, **more)

    def node(self, model="openai-small", prompt=PROMPT, **more) -> str:
        alias = f"n{secrets.token_hex(6)}"
        made = self.http.post("/v1/nodes", json={"alias": alias, "model": model, "system_prompt": prompt, **more})
        assert made.status_code == 201, made.text
        return alias

    def chat(self, node, content, status=200, headers=None, **more):
        answer = self.http.post(f"/v1/nodes/{node}/chat", json={"content": content, **more}, headers=headers or {})
        assert answer.status_code == status, answer.text
        return answer.json()

    def stream(self, node, content, headers=None, **more):
        """The frames of a streamed turn, and its status."""
        body = {"content": content, **more}
        fields = {"accept": "text/event-stream", **(headers or {})}
        with self.http.stream("POST", f"/v1/nodes/{node}/chat", json=body, headers=fields) as answer:
            text = "".join(answer.iter_text())
        assert answer.status_code == 200, text
        assert answer.headers["content-type"].startswith("text/event-stream")
        frames = text.split("\n\n")
        assert frames[-2:] == ["data: [DONE]", ""], text
        return [json.loads(frame.removeprefix("data: ")) for frame in frames[:-2]]

    def consent(self, grant: bool, scope="threads") -> None:
        self.server.command("consent", "grant" if grant else "withdraw", scope, "--tenant", "default")

    def texts(self, thread):
        listed = self.http.get(f"/v1/threads/{thread}/messages")
        assert listed.status_code == 200, listed.text
        return [message["content"] for message in listed.json()["data"]]

    def receipt(self, accepted, until=("done", "failed", "lost")):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            receipt = self.http.get(accepted["poll_url"]).json()
            if receipt["status"] in until:
                return receipt
            time.sleep(0.02)
        raise AssertionError(f"the run did not end: {receipt}")

    def on_disk(self, marker: str) -> list[str]:
        """The files in which the bytes of a marker stand."""
        found = []
        for file in self.server.directory.rglob("*"):
            if file.is_file() and file != self.server.file and marker.encode() in file.read_bytes():
                found.append(str(file))
        return found


@pytest.fixture(scope="module")
def nodes(tmp_path_factory, server_certificate, authority, trust, mock_server):
    directory = tmp_path_factory.mktemp("nodes")
    directory.chmod(0o700)
    tables = {**providers(mock_server, authority, None), "nodes": {}}
    with Gateway(directory, server_certificate, authority.certificate, tables, dict(ENVIRONMENT)) as server:
        yield Nodes(server, trust)
    assert CANARY not in server.logs()


@pytest.fixture
def consent(nodes):
    nodes.consent(True)
    yield
    nodes.consent(False)


# What the provider hears.


@pytest.mark.parametrize("model", ["openai-small", "anthropic-small", "echo"])
def test_a_turn(nodes, upstream, model):
    node = nodes.node(model)
    answer = nodes.chat(node, "/usage 7 5\nhello")
    assert answer["message"]["role"] == "assistant" and answer["message"]["content"] == "hello"
    assert answer["message"]["id"].startswith("msg_") and answer["thread_id"].startswith("thr_")
    assert (answer["usage"]["input_tokens"], answer["usage"]["output_tokens"]) == (7, 5)
    assert answer["stored"] is False and "refusal" not in answer
    if model == "echo":
        return
    sent = upstream.last.json
    assert b"node" not in upstream.last.head + upstream.last.body
    assert upstream.last.header("x-end-user") is None
    if model == "openai-small":
        assert sent["store"] is False
        assert sent["messages"] == [
            {"role": "system", "content": PROMPT},
            {"role": "user", "content": "/usage 7 5\nhello"},
        ]
    else:
        assert sent["system"] == PROMPT or sent["system"][0]["text"] == PROMPT


def test_a_streamed_turn(nodes, upstream):
    frames = nodes.stream(nodes.node(), "/usage 7 5\none two three")
    assert "".join(frame["delta"]["content"] for frame in frames[:-1]) == "one two three"
    assert len(frames) > 2
    assert frames[-1]["message"]["content"] == "one two three"
    assert frames[-1]["usage"]["output_tokens"] == 5


def test_a_stream_by_its_member(nodes, upstream):
    frames = nodes.stream(nodes.node(), "hi", headers={"accept": "*/*"}, stream=True)
    assert frames[-1]["object"] == "turn"
    assert nodes.chat(nodes.node(), "hi", headers={"accept": "text/event-stream"}, stream=False)["object"] == "turn"


def test_a_refusal(nodes, upstream):
    answer = nodes.chat(nodes.node("echo"), "/refuse I will not")
    assert answer["refusal"] == "I will not"
    assert nodes.stream(nodes.node("echo"), "/refuse I will not")[-1]["refusal"] == "I will not"


def test_a_bound_on_the_answer(nodes, upstream):
    node = nodes.node(limits={"max_output_tokens": 3, "max_input_bytes": 20})
    nodes.chat(node, "hello")
    sent = upstream.last.json
    assert sent.get("max_completion_tokens", sent.get("max_tokens")) == 3
    assert nodes.chat(node, "x" * 21, status=413)["error"]["param"] == "content"
    body = {"model": f"node/{node}", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 500}
    assert nodes.http.post("/v1/chat/completions", json=body).status_code == 200
    assert upstream.last.json["max_tokens"] == 3


def test_the_context_is_bounded(nodes, upstream):
    node = nodes.node(limits={"max_context_messages": 2})
    thread = nodes.chat(node, "one")["thread_id"]
    for word in ["two", "three"]:
        nodes.chat(node, word, thread_id=thread)
    said = [message["content"] for message in upstream.last.json["messages"]]
    assert said == [PROMPT, "two", "two", "three"]


@pytest.mark.parametrize(
    "body, param",
    [
        ({}, "content"),
        ({"content": ""}, "content"),
        ({"content": 7}, "content"),
        ({"content": "x", "at": "2030-01-01T00:00:00Z"}, "at"),
        ({"content": "x", "mode": "later"}, "mode"),
        ({"content": "x", "mode": "async", "stream": True}, "stream"),
        ({"content": "x", "thread_id": "t", "correlation_id": "c"}, "correlation_id"),
        ({"content": "x", "store": "no"}, "store"),
        ({"content": "x", "messages": []}, "messages"),
    ],
)
def test_a_wrong_request_is_refused_before_anything_happens(nodes, upstream, body, param):
    answer = nodes.http.post(f"/v1/nodes/{nodes.node()}/chat", json=body)
    assert answer.status_code == 400 and answer.json()["error"]["param"] == param, answer.text
    assert not upstream.requests


def test_two_names_for_one_person_are_refused(nodes, upstream):
    node = nodes.node()
    nodes.chat(node, "x", user="ana", headers={"x-end-user": "ana"})
    assert nodes.chat(node, "x", status=400, user="ana", headers={"x-end-user": "bob"})["error"]["param"] == "user"


def test_what_is_not_there_is_not_found(nodes, upstream):
    node = nodes.node()
    assert nodes.chat("no-such-node", "x", status=404)["error"]["code"] == "not_found"
    assert nodes.chat(node, "x", status=404, thread_id="thr_01JD0000000000000000000000")["error"]["param"] == "thread_id"
    assert nodes.http.get("/v1/invocations/inv_01JD0000000000000000000000").status_code == 404
    assert not upstream.requests


def test_a_node_needs_a_model_that_is_there(nodes):
    refused = nodes.http.post("/v1/nodes", json={"alias": "lost", "model": "no-such-model"})
    assert refused.status_code == 404 and refused.json()["error"]["code"] == "model_not_found"


def test_a_fallback_answers(nodes, make_gateway, trust, upstream):
    models = [
        {"name": "first", "provider": "openai", "upstream": "mock-small", "fallback": ["second"]},
        {"name": "second", "provider": "builtin", "upstream": "echo"},
    ]
    with make_gateway({"nodes": {}, "gateway.model": models}) as server:
        house = Nodes(server, trust)
        with upstream.behave(mock_behaviours.status(500)):
            assert house.chat(house.node("first"), "hello")["message"]["content"] == "hello"
        assert upstream.requests


# Threads.


@pytest.mark.parametrize("has_consent", [False, True])
def test_a_thread_goes_on(nodes, upstream, has_consent):
    nodes.consent(has_consent)
    try:
        node = nodes.node()
        first = nodes.chat(node, "one")
        assert first["stored"] is has_consent
        nodes.chat(node, "two", thread_id=first["thread_id"])
        frames = nodes.stream(node, "three", thread_id=first["thread_id"])
        assert frames[-1]["thread_id"] == first["thread_id"]
        said = [(message["role"], message["content"]) for message in upstream.last.json["messages"]]
        assert said == [
            ("system", PROMPT),
            *[(role, word) for word in ("one", "two") for role in ("user", "assistant")],
            ("user", "three"),
        ]
        if has_consent:
            assert nodes.texts(first["thread_id"]) == ["one", "one", "two", "two", "three", "three"]
        else:
            assert nodes.http.get(f"/v1/threads/{first['thread_id']}").status_code == 404
        # By what the caller calls it.
        again = [nodes.chat(node, word, correlation_id="order 7")["thread_id"] for word in ("a", "b")]
        assert again[0] == again[1] != first["thread_id"]
    finally:
        nodes.consent(False)


def test_a_thread_in_memory_can_be_deleted(nodes, upstream):
    node = nodes.node()
    thread = nodes.chat(node, "one")["thread_id"]
    assert nodes.http.delete(f"/v1/threads/{thread}").json()["deleted"] is True
    nodes.chat(node, "two", status=404, thread_id=thread)
    nodes.chat(node, "one", correlation_id="c")
    assert nodes.http.delete("/v1/threads", params={"node": node, "correlation_id": "c"}).json()["count"] == 1
    nodes.chat(node, "two", correlation_id="c")
    assert len(upstream.last.json["messages"]) == 2


def test_a_message_sent_again_is_answered_once(nodes, consent, upstream):
    node = nodes.node()
    first = nodes.chat(node, "one", client_message_id="m1")
    again = nodes.chat(node, "one", client_message_id="m1")
    assert (again["thread_id"], again["message"]) == (first["thread_id"], first["message"])
    assert again["usage"] == {"input_tokens": 0, "output_tokens": 0, "cost": "0"}
    frames = nodes.stream(node, "one", client_message_id="m1")
    assert frames[-1]["message"] == first["message"]
    assert len(upstream.requests) == 1
    assert nodes.chat(node, "two", status=409, client_message_id="m1")["error"]["code"] == "conflict"
    assert nodes.texts(first["thread_id"]) == ["one", "one"]


def test_a_message_sent_again_while_it_is_answered_is_a_conflict(nodes, consent, upstream):
    node = nodes.node()
    slow = threading.Thread(target=nodes.chat, args=(node, "/delay 1500ms\none"), kwargs={"client_message_id": "m"})
    slow.start()
    upstream.wait()
    answer = nodes.http.post(
        f"/v1/nodes/{node}/chat", json={"content": "/delay 1500ms\none", "client_message_id": "m"}
    )
    assert answer.status_code == 409 and "retry-after" in answer.headers
    slow.join()
    assert len(upstream.requests) == 1


def test_a_thread_deleted_in_the_middle_of_its_stream(nodes, consent, upstream):
    node = nodes.node()
    thread = nodes.chat(node, "one")["thread_id"]
    deleted = []

    def watch(frames):
        for _ in range(3):
            next(frames)
        deleted.append(nodes.client().delete(f"/v1/threads/{thread}").status_code)

    body = {"content": "/tokens 20\n/pace 50ms", "thread_id": thread, "stream": True}
    with nodes.http.stream("POST", f"/v1/nodes/{node}/chat", json=body) as answer:
        lines = answer.iter_lines()
        watch(lines)
        rest = list(lines)
    assert deleted == [200]
    assert rest[-2] == "data: [DONE]" or rest[-1] == "data: [DONE]", rest[-4:]
    end = json.loads([line for line in rest if '"turn"' in line][-1].removeprefix("data: "))
    assert end["stored"] is False
    assert nodes.http.get(f"/v1/threads/{thread}").status_code == 404
    assert nodes.http.get("/v1/threads", params={"node": node}).json()["data"] == []


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_away_takes_its_turn_with_it(nodes, consent, upstream, stream):
    node = nodes.node()
    thread = nodes.chat(node, "one")["thread_id"]
    upstream.clear()
    body = {"content": "/tokens 500\n/pace 50ms", "thread_id": thread, "stream": stream}
    with contextlib.suppress(httpx2.TimeoutException):
        with nodes.client().stream("POST", f"/v1/nodes/{node}/chat", json=body, timeout=1) as answer:
            for _ in answer.iter_lines():
                break
    record = upstream.wait()
    upstream.until(lambda: record.gone is not None, timeout=10)
    assert record.gone is not None, "the provider went on"
    assert nodes.texts(thread) == ["one", "one"]


@pytest.mark.parametrize("text", ["/fail 500", "/fail-after 3", "/cut 3"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_failing_provider_leaves_nothing(nodes, consent, upstream, text, stream):
    node = nodes.node()
    thread = nodes.chat(node, "one")["thread_id"]
    body = {"content": text, "thread_id": thread, "stream": stream, "client_message_id": "m"}
    answer = nodes.http.post(f"/v1/nodes/{node}/chat", json=body)
    if stream and text != "/fail 500":
        assert answer.status_code == 200
        frames = answer.text.split("\n\n")
        assert json.loads(frames[-3].removeprefix("data: "))["error"]["code"].startswith("upstream_")
        assert frames[-2] == "data: [DONE]"
    else:
        assert answer.status_code in (502, 504), answer.text
    assert nodes.texts(thread) == ["one", "one"]
    # The retry is a turn of its own.
    calls = len(upstream.requests)
    nodes.http.post(f"/v1/nodes/{node}/chat", json=body)
    assert len(upstream.requests) > calls


@pytest.mark.parametrize("echo", ["stream", "stream_deltas", "stream_halves", "stream_bytes", "stream_error"])
@pytest.mark.parametrize("model", ["openai-small", "anthropic-small"])
def test_a_providers_key_reaches_no_thread(nodes, consent, upstream, echo, model):
    node = nodes.node(model)
    with upstream.behave(mock_behaviours.STREAM_ECHOES[echo]):
        answer = nodes.http.post(f"/v1/nodes/{node}/chat", json={"content": "hi", "correlation_id": "c"})
        assert CANARY.encode() in upstream.last.head
        assert CANARY not in answer.text
        frames = nodes.stream(node, "hi", correlation_id="c")
        pieces = "".join(frame["delta"]["content"] for frame in frames if "delta" in frame)
        assert CANARY not in pieces + json.dumps(frames)
    for thread in nodes.http.get("/v1/threads", params={"node": node}).json()["data"]:
        assert CANARY not in "".join(nodes.texts(thread["id"]))


# What no disk has (rows D1, D2, D3).


@pytest.mark.parametrize("way", ["x-zdr", "x-interfaze-zdr", "store"])
def test_zero_retention_wins_over_consent(nodes, consent, upstream, way):
    node = nodes.node()
    thread = nodes.chat(node, "one")["thread_id"]
    marker = f"Zero{secrets.token_hex(8)}"
    headers = {} if way == "store" else {way: "true"}
    more = {"store": False} if way == "store" else {}
    assert nodes.chat(node, marker, thread_id=thread, headers=headers, **more)["stored"] is False
    assert nodes.texts(thread) == ["one", "one"]
    new = nodes.chat(node, marker, headers=headers, correlation_id=marker, client_message_id=marker, **more)
    assert new["stored"] is False
    assert nodes.http.get(f"/v1/threads/{new['thread_id']}").status_code == 404
    assert nodes.http.get("/v1/threads", params={"node": node, "correlation_id": marker}).json()["data"] == []
    assert not nodes.on_disk(marker)


def test_without_consent_nothing_reaches_the_disk(make_gateway, trust, upstream):
    with make_gateway({"nodes": {}}) as server:
        house = Nodes(server, trust)
        marker = f"Held{secrets.token_hex(8)}"
        node = house.node()
        thread = house.chat(node, marker, client_message_id=marker)["thread_id"]
        house.chat(node, f"again {marker}", thread_id=thread, headers={"x-end-user": marker})
        house.chat(node, marker, correlation_id=marker)
        house.stream(node, marker, thread_id=thread)
        house.http.post(f"/v1/nodes/{node}/chat", json={"content": f"/fail 500\n{marker}"})
        house.http.post(f"/v1/nodes/{node}/chat", json={"content": f"/cut 2\n{marker}", "stream": True})
        accepted = house.chat(node, marker, status=202, mode="async")
        assert house.receipt(accepted)["result"]["message"]["content"] == marker
        house.consent(True)
        assert house.chat(node, "after", thread_id=thread)["stored"] is False
        stored = house.chat(node, "after")
        assert stored["stored"] is True
        listed = [thread["id"] for thread in house.http.get("/v1/threads").json()["data"]]
        assert listed == [stored["thread_id"]]
        assert not house.on_disk(marker)
        server.kill()
        assert not house.on_disk(marker)
        server.start()
        house.chat(node, "hello", status=404, thread_id=thread)
        assert house.http.get(accepted["poll_url"]).json()["status"] == "lost"
        assert house.texts(stored["thread_id"]) == ["after", "after"]


# Later.


def test_a_run_without_consent(nodes, upstream):
    node = nodes.node()
    accepted = nodes.chat(node, "/delay 500ms\nhello", status=202, mode="async")
    assert accepted["status"] == "queued" and accepted["invocation_id"].startswith("inv_")
    assert nodes.http.get(accepted["poll_url"]).json()["status"] in ("queued", "running")
    receipt = nodes.receipt(accepted)
    assert receipt["status"] == "done" and receipt["result"]["message"]["content"] == "hello"
    assert receipt["finished_at"] and receipt["error"] is None
    nodes.chat(node, "two", thread_id=receipt["result"]["thread_id"])
    assert len(upstream.last.json["messages"]) == 4


def test_a_run_with_consent_survives_a_restart_and_one_in_the_middle_is_lost(make_gateway, trust, upstream):
    with make_gateway({"nodes": {}}) as server:
        house = Nodes(server, trust)
        house.consent(True)
        node = house.node()
        done = house.chat(node, "hello", status=202, mode="async")
        thread = house.receipt(done)["result"]["thread_id"]
        upstream.clear()
        lost = house.chat(node, "/delay 20s\nnever", status=202, mode="async")
        upstream.wait()
        server.kill()
        server.start()
        assert house.http.get(lost["poll_url"]).json()["status"] == "lost"
        receipt = house.http.get(done["poll_url"]).json()
        assert receipt["status"] == "done" and receipt["result"]["message"]["content"] == "hello"
        assert receipt["result"]["usage"]["output_tokens"] > 0 and receipt["result"]["stored"] is True
        assert house.texts(thread) == ["hello", "hello"]
        # With its thread goes its receipt.
        assert house.http.delete(f"/v1/threads/{thread}").status_code == 200
        assert house.http.get(done["poll_url"]).status_code == 404


def test_a_run_outlives_its_client_and_its_connection(nodes, upstream):
    client = nodes.client()
    node = nodes.node()
    accepted = client.post(
        f"/v1/nodes/{node}/chat", json={"content": "/delay 700ms\nhello", "mode": "async"}
    ).json()
    client.close()
    assert nodes.receipt(accepted)["result"]["message"]["content"] == "hello"


def test_a_failed_run_says_why(nodes, upstream):
    receipt = nodes.receipt(nodes.chat(nodes.node(), "/fail 500", status=202, mode="async"))
    assert receipt["status"] == "failed" and receipt["error"]["code"] == "upstream_error"
    assert receipt["result"] is None


def test_a_run_asked_for_twice_runs_once(nodes, consent, upstream):
    node = nodes.node()
    body = {"content": "/delay 700ms\nhello", "mode": "async", "client_message_id": "m"}
    first, second = (nodes.chat(node, status=202, **body) for _ in range(2))
    assert first["invocation_id"] == second["invocation_id"]
    receipt = nodes.receipt(first)
    third = nodes.receipt(nodes.chat(node, status=202, **body))
    assert third["result"]["message"] == receipt["result"]["message"]
    assert len(upstream.requests) == 1


def test_so_many_runs_at_once(nodes, upstream):
    node = nodes.node()
    answers = [
        nodes.http.post(f"/v1/nodes/{node}/chat", json={"content": "/delay 3s\nx", "mode": "async"}) for _ in range(18)
    ]
    refused = [answer for answer in answers if answer.status_code != 202]
    assert len(refused) == 2 and all(answer.json()["error"]["code"] == "overloaded" for answer in refused)
    assert "retry-after" in refused[0].headers
    for answer in answers[:16]:
        nodes.receipt(answer.json())
    nodes.receipt(nodes.chat(node, "x", status=202, mode="async"))


def test_an_orderly_stop_waits_for_runs(make_gateway, trust, upstream):
    with make_gateway({"nodes": {}}) as server:
        house = Nodes(server, trust)
        house.consent(True)
        accepted = house.chat(house.node(), "/delay 1s\nhello", status=202, mode="async")
        upstream.wait()
        assert server.stop() == 0
        server.start()
        assert house.http.get(accepted["poll_url"]).json()["status"] == "done"


# The node's sheet.


def test_the_chit(nodes, upstream):
    node = nodes.node(tools=[{"type": "function", "function": {"name": "lookup"}}])
    sheet = nodes.http.get(f"/v1/nodes/{node}/chit", headers={"accept": "application/json"})
    assert sheet.json()["alias"] == node and sheet.json()["tools"] == ["lookup"]
    assert sheet.json()["threads"]["stored"] is False and sheet.json()["openai_model"] == f"node/{node}"
    for kind, start in [("text/plain", "Node: "), ("text/markdown", f"# {node}\n")]:
        text = nodes.http.get(f"/v1/nodes/{node}/chit", headers={"accept": f"{kind}, */*;q=0.1"})
        assert text.headers["content-type"].startswith(kind) and text.text.startswith(start)
        assert "PromptMarker" not in text.text
    assert "PromptMarker" not in sheet.text
    assert nodes.http.get("/v1/nodes/no-such-node/chit").status_code == 404
    assert not upstream.requests


# The stock SDKs.


def test_openai_names_a_node_as_a_model(nodes, upstream):
    node = nodes.node("anthropic-small")
    client = openai.OpenAI(api_key=nodes.key, base_url=f"{nodes.server.base}/v1", max_retries=0)
    assert f"node/{node}" in [model.id for model in client.models.list().data]
    # Not by the SDK's own `retrieve`: it encodes the slash, which no path of this server may have.
    assert nodes.http.get(f"/v1/models/node/{node}").json()["id"] == f"node/{node}"
    messages = [{"role": "user", "content": "hello there"}]
    answer = client.chat.completions.create(model=f"node/{node}", messages=messages)
    assert answer.choices[0].message.content == "hello there"
    assert b"node/" not in upstream.last.body
    pieces = client.chat.completions.create(model=f"node/{node}", messages=messages, stream=True)
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices) == "hello there"
    assert client.responses.create(model=f"node/{node}", input="hello there").output_text == "hello there"
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="node/no-such-node", messages=messages)
    with pytest.raises(openai.BadRequestError):
        client.embeddings.create(model=f"node/{node}", input="x")


def test_anthropic_names_a_node_as_a_model(nodes, upstream):
    node = nodes.node("openai-small")
    client = anthropic.Anthropic(api_key=nodes.key, base_url=nodes.server.base, max_retries=0)
    assert f"node/{node}" in [model.id for model in client.models.list().data]
    messages = [{"role": "user", "content": "hello there"}]
    answer = client.messages.create(model=f"node/{node}", max_tokens=50, messages=messages)
    assert answer.content[0].text == "hello there"
    sent = upstream.last.json
    assert sent["store"] is False and b"node/" not in upstream.last.body
    assert sent["messages"][0] == {"role": "system", "content": PROMPT}
    with client.messages.stream(model=f"node/{node}", max_tokens=50, messages=messages) as stream:
        assert "".join(stream.text_stream) == "hello there"


def test_without_nodes_or_without_a_gateway(make_gateway, trust, upstream):
    with make_gateway() as server:
        headers = {"authorization": f"Bearer {server.create_key().key}"}
        with httpx2.Client(base_url=server.base, headers=headers, verify=trust) as client:
            body = {"model": "node/x", "messages": [{"role": "user", "content": "x"}]}
            answer = client.post("/v1/chat/completions", json=body)
            assert answer.status_code == 404 and answer.json()["error"]["code"] == "model_not_found"
            assert client.post("/v1/nodes/x/chat", json={"content": "x"}).status_code == 404
    with make_gateway({"nodes": {}, "gateway": None, "gateway.provider": None, "gateway.model": None}) as server:
        house = Nodes(server, trust)
        node = house.node("anything")
        assert house.chat(node, "x", status=503)["error"]["code"] == "disabled"
        assert house.http.get(f"/v1/nodes/{node}/chit").status_code == 200
