# SPDX-License-Identifier: Apache-2.0
"""The code interpreter: a model's program is run here, and what came of it stands in the answer. With the stock SDKs."""

import base64
import json
import subprocess
import time

import anthropic
import httpx2
import openai
import pytest

from sandbox_house import SandboxHouse

MODELS = {
    "gateway": {},
    "gateway.provider": [{"name": "builtin", "kind": "builtin"}],
    "gateway.model": [{"name": "echo", "provider": "builtin", "upstream": "echo"}],
}
TOOL = {"type": "code_interpreter", "container": {"type": "auto"}}
EXECUTION = {"type": "code_execution_20250825", "name": "code_execution"}


def prompt(code, name="code_interpreter"):
    """What has the built-in model call a tool."""
    return f"/tool {name} {json.dumps({'code': code})}"


@pytest.fixture(scope="module")
def house():
    with SandboxHouse(more={**MODELS, "nodes": {}}) as made:
        yield made


@pytest.fixture(autouse=True)
def nothing_left(house):
    yield
    house.wait_quiet()


@pytest.fixture(scope="module")
def client(house):
    with httpx2.Client(verify=house.trust) as transport:
        yield openai.OpenAI(base_url=house.server.base + "/v1", api_key=house.key, http_client=transport, max_retries=0)


@pytest.fixture(scope="module")
def claude(house):
    with httpx2.Client(verify=house.trust) as transport:
        yield anthropic.Anthropic(base_url=house.server.base, api_key=house.key, http_client=transport, max_retries=0)


def ask(client, code, **more):
    return client.chat.completions.create(
        model="echo", messages=[{"role": "user", "content": prompt(code)}], tools=[TOOL], **more
    )


def test_a_program_is_run_and_its_result_is_in_the_answer(client):
    answer = ask(client, "print(6*7)")
    choice = answer.choices[0]
    assert choice.finish_reason == "stop" and not choice.message.tool_calls
    assert "code_interpreter returned: status: ok" in choice.message.content and "42" in choice.message.content
    entry = answer.model_extra["precontext"][0]
    assert entry["name"] == "code_sandbox" and entry["result"]["stdout"] == "42\n" and entry["result"]["status"] == "ok"
    assert answer.usage.prompt_tokens > 0 and answer.usage.completion_tokens > 0


def test_a_plot_comes_back_as_a_file(client):
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
    answer = ask(client, f"import base64;open('plot.png','wb').write(base64.b64decode('{pixel}'))")
    file = answer.model_extra["precontext"][0]["result"]["files"][0]
    assert file["name"] == "plot.png" and file["media_type"] == "image/png"
    assert file["content_base64"] == pixel and file["bytes"] == len(base64.b64decode(pixel))


def test_a_program_that_fails_is_told_to_the_model(client):
    answer = ask(client, "raise ValueError('so')")
    assert "exit code 1" in answer.choices[0].message.content and "ValueError: so" in answer.choices[0].message.content


def test_streamed(client):
    chunks = list(ask(client, "print(6*7)", stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert "42" in text
    runs = [entry for chunk in chunks for entry in (chunk.model_extra or {}).get("precontext", [])]
    assert [run["result"]["stdout"] for run in runs] == ["42\n"]
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["stop"]
    assert chunks[-1].usage.completion_tokens > 0
    assert not any(c.choices[0].delta.tool_calls for c in chunks if c.choices)


def test_a_stream_whose_key_is_revoked_while_a_program_runs_says_so(house):
    key = house.server.create_key("short", house.scopes)
    body = {"model": "echo", "stream": True, "tools": [TOOL], "messages": [{"role": "user", "content": prompt("import time; time.sleep(15)")}]}
    with (
        httpx2.Client(verify=house.trust, headers={"authorization": f"Bearer {key.key}"}, timeout=60) as caller,
        caller.stream("POST", house.server.base + "/v1/chat/completions", json=body) as answer,
    ):
        pieces = answer.iter_bytes()
        content = next(pieces)
        begun = time.monotonic()
        house.server.command("key", "revoke", key.id)
        content += b"".join(pieces)
    assert time.monotonic() - begun < 12, "the program was waited for"
    assert b"revoked" in content and content.endswith(b"data: [DONE]\n\n"), content
    assert b'"finish_reason":"stop"' not in content


def test_with_tools_of_the_clients_own(client):
    weather = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
    answer = client.chat.completions.create(
        model="echo", messages=[{"role": "user", "content": "/tool weather {}"}], tools=[TOOL, weather]
    )
    assert answer.choices[0].finish_reason == "tool_calls"
    assert [call.function.name for call in answer.choices[0].message.tool_calls] == ["weather"]


def test_whoever_asks_for_nothing_gets_a_plain_answer(client):
    answer = client.chat.completions.create(model="echo", messages=[{"role": "user", "content": "hello"}], tools=[TOOL])
    assert answer.choices[0].message.content == "hello" and "precontext" not in (answer.model_extra or {})


def test_a_demanded_run(client):
    answer = client.chat.completions.create(
        model="echo", messages=[{"role": "user", "content": "hello"}], tools=[TOOL], tool_choice={"type": "code_interpreter"}
    )
    assert len(answer.model_extra["precontext"]) == 1


@pytest.mark.parametrize(
    "change, param",
    [
        ({"tools": [TOOL, TOOL]}, "tools[1]"),
        ({"tools": [{**TOOL, "container": "cntr_1"}]}, "tools[0].container"),
        ({"tools": [{**TOOL, "memory": 1}]}, "tools[0].memory"),
        ({"n": 2}, "n"),
        ({"tools": [TOOL, {"type": "function", "function": {"name": "code_interpreter"}}]}, "tools[1]"),
    ],
)
def test_what_is_refused(house, change, param):
    body = {"model": "echo", "messages": [{"role": "user", "content": "x"}], "tools": [TOOL], **change}
    status, answer = house.request("POST", "/v1/chat/completions", body)
    assert status == 400 and answer["error"]["param"] == param, answer


def test_a_key_needs_the_scope(house):
    key = house.create_key(["chat"])
    body = {"model": "echo", "messages": [{"role": "user", "content": prompt("print(1)")}], "tools": [TOOL]}
    status, answer = house.request("POST", "/v1/chat/completions", body, key)
    assert status == 403 and answer["error"]["code"] == "insufficient_scope"
    assert house.request("POST", "/v1/chat/completions", {**body, "tools": []}, key)[0] == 200


def test_a_server_without_a_sandbox_refuses_it_clearly(gateway, house):
    key = gateway.create_key("interpreter", ["chat", "executions"]).key
    body = {"model": "echo", "messages": [{"role": "user", "content": "x"}], "tools": [TOOL]}
    with httpx2.Client(base_url=gateway.base, verify=gateway.trust, headers={"authorization": f"Bearer {key}"}) as client:
        answer = client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 400 and "no code" in answer.json()["error"]["message"], answer.text


def test_anthropics_shape(claude):
    message = claude.messages.create(
        model="echo", max_tokens=1000, messages=[{"role": "user", "content": prompt("print(6*7)", "code_execution")}],
        tools=[EXECUTION],
    )
    assert [block.type for block in message.content] == ["server_tool_use", "code_execution_tool_result", "text"]
    use, result, text = message.content
    assert use.name == "code_execution" and use.input == {"code": "print(6*7)"} and use.id.startswith("srvtoolu_")
    assert result.tool_use_id == use.id and result.content.stdout == "42\n" and result.content.return_code == 0
    assert "42" in text.text and message.stop_reason == "end_turn"
    assert message.model_extra["precontext"][0]["result"]["stdout"] == "42\n"
    # The next turn has the blocks of this one.
    history = [
        {"role": "user", "content": "go"}, {"role": "assistant", "content": message.model_dump()["content"]},
        {"role": "user", "content": "thanks"},
    ]
    again = claude.messages.create(model="echo", max_tokens=1000, messages=history, tools=[EXECUTION])
    assert again.content[-1].text == "thanks"


def test_anthropics_shape_streamed(claude):
    with claude.messages.stream(
        model="echo", max_tokens=1000, messages=[{"role": "user", "content": prompt("print(6*7)", "code_execution")}],
        tools=[EXECUTION],
    ) as stream:
        message = stream.get_final_message()
    assert [block.type for block in message.content] == ["server_tool_use", "code_execution_tool_result", "text"]
    assert message.content[0].input == {"code": "print(6*7)"} and message.content[1].content.stdout == "42\n"


def test_openais_responses(client):
    asked = {"model": "echo", "input": prompt("print(6*7)"), "tools": [TOOL]}
    answer = client.responses.create(**asked)
    assert [item.type for item in answer.output] == ["code_interpreter_call", "message"], answer
    call = answer.output[0]
    assert call.code == "print(6*7)" and call.status == "completed" and call.outputs[0].logs == "42\n"
    assert "42" in answer.output_text and answer.tools[0].type == "code_interpreter"
    assert answer.model_extra["precontext"][0]["result"]["stdout"] == "42\n"
    history = [{"role": "user", "content": "go"}, *[item.model_dump(exclude_none=True) for item in answer.output]]
    again = client.responses.create(model="echo", input=[*history, {"role": "user", "content": "thanks"}], tools=[TOOL])
    assert again.output_text == "thanks"


def test_openais_responses_streamed(client):
    with client.responses.stream(model="echo", input=prompt("print(6*7)"), tools=[TOOL]) as stream:
        types = [event.type for event in stream]
        answer = stream.get_final_response()
    runs = [name for name in types if "code_interpreter" in name]
    prefix = "response.code_interpreter_call"
    assert runs == [prefix + end for end in (".in_progress", "_code.delta", "_code.done", ".interpreting", ".completed")]
    assert [item.type for item in answer.output] == ["code_interpreter_call", "message"] and "42" in answer.output_text


def test_a_node_with_the_tool(house, client):
    status, node = house.request(
        "POST", "/v1/nodes", {"alias": "coder", "model": "echo", "tools": [{"type": "code_interpreter"}]},
        house.create_key(["nodes.write"]),
    )
    if status == 404:
        pytest.skip("this server has no nodes")
    answer = client.chat.completions.create(
        model="node/coder", messages=[{"role": "user", "content": prompt("print(6*7)")}]
    )
    assert answer.model_extra["precontext"][0]["result"]["stdout"] == "42\n"


def test_the_audit_log_has_no_code(house, client):
    marker = "heron_5127_is_here"
    ask(client, f"print('{marker}')")
    data = subprocess.run(["grep", "-rl", marker, str(house.server.data)], capture_output=True, text=True).stdout
    assert data == "" and marker not in house.server.logs()


def test_node_chat(house):
    key = house.create_key(["nodes.write", "chat"])
    node = {"alias": "talker", "model": "echo", "tools": [{"type": "code_interpreter"}]}
    assert house.request("POST", "/v1/nodes", node, key)[0] in (200, 201)
    status, turn = house.request("POST", "/v1/nodes/talker/chat", {"content": prompt("print(6*7)")}, key)
    assert status == 200 and "42" in turn["message"]["content"], turn
    assert turn["precontext"][0]["result"]["stdout"] == "42\n"
    status, turn = house.request("POST", "/v1/nodes/talker/chat", {"content": "hello"}, key)
    assert turn["message"]["content"] == "hello" and "precontext" not in turn
