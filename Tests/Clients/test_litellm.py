# SPDX-License-Identifier: Apache-2.0
"""LiteLLM answering by itself, behind the gateway: an upstream that this project did not write, with its own ideas of
chunks, usage and errors."""

import json

import anthropic
import openai
import pytest

import litellm_proxy
from litellm_proxy import EMBEDDING, HELLO

pytestmark = [
    pytest.mark.usefixtures("gateway"),
    pytest.mark.skipif(litellm_proxy.program() is None, reason="LiteLLM is not installed (make test installs it)"),
]

USER = [{"role": "user", "content": "hi"}]


def test_chat(openai_client):
    answer = openai_client.chat.completions.create(model="litellm-hello", messages=USER)
    assert answer.choices[0].message.content == HELLO
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (10, 20, 30)


@pytest.mark.parametrize("asked", [False, True])
def test_stream(openai_client, asked):
    options = {"stream_options": {"include_usage": True}} if asked else {}
    chunks = list(openai_client.chat.completions.create(model="litellm-hello", messages=USER, stream=True, **options))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == HELLO
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["stop"]
    shown = [c.usage for c in chunks if c.usage is not None]
    assert bool(shown) == asked


def test_messages(anthropic_client):
    answer = anthropic_client.messages.create(model="litellm-hello", messages=USER, max_tokens=50)
    assert answer.content[0].text == HELLO and answer.stop_reason == "end_turn"
    with anthropic_client.messages.stream(model="litellm-hello", messages=USER, max_tokens=50) as stream:
        assert stream.get_final_message().content[0].text == HELLO


def test_tools(openai_client, anthropic_client):
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}
    answer = openai_client.chat.completions.create(model="litellm-tool", messages=USER, tools=[tool])
    (call,) = answer.choices[0].message.tool_calls
    assert (call.id, call.function.name, json.loads(call.function.arguments)) == (
        "call_litellm",
        "get_weather",
        {"city": "Paris"},
    )
    message = anthropic_client.messages.create(
        model="litellm-tool",
        messages=USER,
        max_tokens=50,
        tools=[{"name": "get_weather", "input_schema": {"type": "object"}}],
    )
    (use,) = [block for block in message.content if block.type == "tool_use"]
    assert (use.name, use.input) == ("get_weather", {"city": "Paris"})


def test_responses(openai_client):
    assert openai_client.responses.create(model="litellm-hello", input="hi").output_text == HELLO
    with openai_client.responses.stream(model="litellm-hello", input="hi") as stream:
        assert stream.get_final_response().output_text == HELLO


def test_embeddings(openai_client):
    answer = openai_client.embeddings.create(model="litellm-embedding", input="hi")
    assert list(answer.data[0].embedding) == pytest.approx(EMBEDDING)


def test_errors(openai_client, anthropic_client):
    with pytest.raises(openai.RateLimitError) as limited:
        openai_client.chat.completions.create(model="litellm-rate-limited", messages=USER)
    assert "litellm" not in limited.value.body["message"].lower()
    with pytest.raises(openai.InternalServerError) as failed:
        openai_client.chat.completions.create(model="litellm-broken", messages=USER)
    assert failed.value.code == "upstream_error" and "litellm" not in str(failed.value.body).lower()
    with pytest.raises(openai.APIStatusError) as refused:
        openai_client.chat.completions.create(model="litellm-too-long", messages=USER)
    assert refused.value.status_code in (400, 502)
    with pytest.raises(anthropic.RateLimitError):
        anthropic_client.messages.create(model="litellm-rate-limited", messages=USER, max_tokens=50)
