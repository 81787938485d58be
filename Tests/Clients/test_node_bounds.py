# SPDX-License-Identifier: Apache-2.0
"""What a key must not get out of a node or past it, at the real binary: its prompt, its owner's bounds, another node by its
name; and what stops while something is under way."""

import json
import secrets
import threading
import time

import httpx2
import pytest

import test_node_chat
from test_node_chat import Nodes

# Its fixtures, for this module's server.
nodes, consent = test_node_chat.nodes, test_node_chat.consent

MODELS = ["openai-small", "anthropic-small", "echo"]


def keyed(nodes: Nodes, scopes: list[str], models: list[str] | None = None) -> httpx2.Client:
    key = nodes.server.create_key("bound", scopes, models).key
    return httpx2.Client(
        base_url=nodes.server.base, headers={"authorization": f"Bearer {key}"}, verify=nodes.trust, timeout=30
    )


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("stream", [False, True])
def test_no_answer_repeats_a_nodes_prompt(nodes, model, stream):
    node = nodes.node(model)
    name, turns = f"node/{node}", [{"role": "user", "content": "hi"}]
    calls = [
        ("/v1/chat/completions", {"messages": turns}),
        ("/v1/responses", {"input": "hi"}),
        ("/v1/responses", {"input": "hi", "instructions": "In Spanish."}),
        ("/v1/messages", {"messages": turns, "max_tokens": 20}),
    ]
    with keyed(nodes, ["chat"]) as client:
        for route, body in calls:
            answer = client.post(route, json={"model": name, "stream": stream, **body})
            assert answer.status_code == 200, answer.text
            assert "PromptMarker" not in answer.text + str(answer.headers), (route, answer.text)
            if "instructions" in body:
                assert "In Spanish." in answer.text
        answer = client.post(f"/v1/nodes/{node}/chat", json={"content": "hi", "stream": stream})
        assert answer.status_code == 200 and "PromptMarker" not in answer.text


@pytest.mark.parametrize("model", MODELS)
def test_a_nodes_bound_on_what_is_said_holds_on_every_route(nodes, upstream, model):
    node = nodes.node(model, limits={"max_input_bytes": 50})
    name, turns = f"node/{node}", [{"role": "user", "content": "x" * 51}]
    for route, body in [
        ("/v1/chat/completions", {"messages": turns}),
        ("/v1/responses", {"input": "x" * 51}),
        ("/v1/messages", {"messages": turns, "max_tokens": 20}),
    ]:
        answer = nodes.http.post(route, json={"model": name, **body})
        assert answer.status_code == 413, answer.text
    assert upstream.requests == []
    short = {"model": name, "messages": [{"role": "user", "content": "x" * 50}]}
    assert nodes.http.post("/v1/chat/completions", json=short).status_code == 200


def test_a_key_cannot_give_another_node_the_name_it_is_bound_to(nodes, upstream):
    own, other = nodes.node("openai-small"), nodes.node("mock-large")
    with keyed(nodes, ["chat", "nodes.write"], [f"node/{own}", "openai-small"]) as client:
        assert client.patch(f"/v1/nodes/{own}", json={"alias": f"was-{own}"}).status_code == 200
        renamed = client.patch(f"/v1/nodes/{other}", json={"alias": own})
        assert renamed.status_code == 404 and renamed.json()["error"]["code"] == "model_not_found"
        body = {"model": f"node/{own}", "messages": [{"role": "user", "content": "hi"}]}
        assert client.post("/v1/chat/completions", json=body).status_code == 404
    assert upstream.requests == []
    assert nodes.http.patch(f"/v1/nodes/{other}", json={"alias": own}).status_code == 200


@pytest.mark.parametrize("has_consent", [True, False])
def test_one_message_is_one_by_whatever_names_it_is_sent(nodes, upstream, has_consent):
    nodes.consent(has_consent)
    try:
        alias = nodes.node()
        node = nodes.http.get(f"/v1/nodes/{alias}").json()["id"]
        thread = nodes.chat(alias, "first", correlation_id="c")["thread_id"]
        for names in [{}, {"correlation_id": "c"}]:
            before = len(upstream.requests)
            body = {"content": "/delay 1500ms\none", "client_message_id": secrets.token_hex(4)}
            slow = threading.Thread(target=nodes.client().post, args=(f"/v1/nodes/{alias}/chat",), kwargs={"json": {**body, **names}})
            slow.start()
            while len(upstream.requests) == before:
                time.sleep(0.01)
            other = {"thread_id": thread} if names else {}
            again = nodes.http.post(f"/v1/nodes/{node}/chat", json={**body, **other})
            slow.join()
            assert again.status_code == 409, again.text
            assert len(upstream.requests) == before + 1
    finally:
        nodes.consent(False)


@pytest.mark.parametrize("ending", ["node", "tenant"])
def test_a_run_ends_with_its_node_and_its_tenant(nodes, upstream, ending):
    tenant = f"t-{secrets.token_hex(4)}"
    made = json.loads(
        nodes.server.command(
            "key", "create", "--name", "k", "--tenant", tenant, "--scope", "chat", "--scope", "nodes.write", "--json"
        ).stdout
    )
    headers = {"authorization": f"Bearer {made['key']}"}
    with httpx2.Client(base_url=nodes.server.base, headers=headers, verify=nodes.trust, timeout=30) as client:
        assert client.post("/v1/nodes", json={"alias": "n", "model": "openai-small"}).status_code == 201
        run = client.post("/v1/nodes/n/chat", json={"content": "/hang", "mode": "async"})
        assert run.status_code == 202, run.text
        upstream.wait()
        record = upstream.requests[-1]
        if ending == "node":
            assert client.delete("/v1/nodes/n").status_code == 200
        else:
            nodes.server.command("tenant", "delete", tenant, "--confirm", tenant)
        deadline = time.monotonic() + 10
        while record.gone is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert record.gone is not None, "the provider is still being asked"


@pytest.mark.parametrize("ending", ["withdrawal", "suspension"])
def test_an_upload_under_way_writes_nothing_more(nodes, ending):
    """Four megabytes come in, the consent or the tenant goes, and of the rest nothing may reach the disk."""
    tenant = f"t-{secrets.token_hex(4)}"
    command = nodes.server.command
    made = json.loads(
        command("key", "create", "--name", "k", "--tenant", tenant, "--scope", "files", "--json").stdout
    )
    command("consent", "grant", "files", "--tenant", tenant)
    shown = {}

    def size() -> int:
        return json.loads(command("tenant", "show", tenant, "--json").stdout)["bytes"]

    def form():
        yield b'--b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n'
        yield b'--b\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\n'
        yield b"x" * (4 << 20)
        deadline = time.monotonic() + 10
        while size() < 2 << 20 and time.monotonic() < deadline:
            time.sleep(0.05)
        if ending == "withdrawal":
            command("consent", "withdraw", "files", "--tenant", tenant)
        else:
            command("tenant", "suspend", tenant)
        shown["before"] = size()
        for _ in range(8):
            yield b"x" * (1 << 20)
        time.sleep(0.5)
        shown["after"] = size()
        yield b"\r\n--b--\r\n"

    headers = {"authorization": f"Bearer {made['key']}", "content-type": "multipart/form-data; boundary=b"}
    with httpx2.Client(base_url=nodes.server.base, headers=headers, verify=nodes.trust, timeout=30) as client:
        try:
            status = client.post("/v1/files", content=form()).status_code
        except httpx2.HTTPError:
            status = 403  # refused, and the connection closed under the rest
        assert status == 403
        if "after" in shown:
            assert shown["after"] <= shown["before"] + (2 << 20), shown
        if ending == "suspension":
            command("tenant", "resume", tenant)
        assert client.get("/v1/files").json()["data"] == []


def test_a_download_ends_with_a_suspension(nodes):
    tenant = f"t-{secrets.token_hex(4)}"
    command = nodes.server.command
    made = json.loads(
        command("key", "create", "--name", "k", "--tenant", tenant, "--scope", "files", "--json").stdout
    )
    command("consent", "grant", "files", "--tenant", tenant)
    headers = {"authorization": f"Bearer {made['key']}"}
    # More than the kernel's buffers on the way take.
    size, taken = 30 << 20, 0
    with httpx2.Client(base_url=nodes.server.base, headers=headers, verify=nodes.trust, timeout=60) as client:
        form = {"file": ("f", b"x" * size)}
        file = client.post("/v1/files", files=form, data={"purpose": "user_data"}).json()["id"]
        with pytest.raises(httpx2.RemoteProtocolError), client.stream("GET", f"/v1/files/{file}/content") as answer:
            for piece in answer.iter_raw(1 << 16):
                if taken == 0:
                    command("tenant", "suspend", tenant)
                taken += len(piece)
    assert taken < size // 2


@pytest.mark.parametrize("value", ["", "no", "off"])
def test_the_field_for_zero_retention_without_a_word_means_it(nodes, consent, value):  # noqa: F811
    """Only an outspoken false or 0 takes it back: nobody who sends it finds stored what was not to be."""
    answer = nodes.chat(nodes.node(), "hi", headers={"x-zdr": value})
    assert answer["stored"] is False
    assert nodes.chat(nodes.node(), "hi", headers={"x-zdr": "false"})["stored"] is True
