# SPDX-License-Identifier: Apache-2.0
"""Messages with the stock Anthropic SDK, whole and streamed, through every kind of provider."""

import json
import time

import pydantic
import pytest

WEATHER = {
    "name": "get_weather",
    "description": "The weather of a city.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city", "days"],
    },
}
TIME = {"name": "get_time", "input_schema": {"type": "object", "properties": {"zone": {"type": "string"}}}}
ONE = '/tool get_weather {"city":"Paris","days":3}'
TWO = ONE + '\n/tool get_time {"zone":"Europe/Paris é 🗼"}'


@pytest.fixture(autouse=True)
def _protocol(request, kind):
    if request.config.getoption("--target") == "litellm":
        pytest.skip("LiteLLM's own /v1/messages is not what is tested")


def user(text):
    return [{"role": "user", "content": text}]


# Whole answers.


def test_answers_what_it_was_asked(anthropic_client, kind):
    answer = anthropic_client.messages.create(model=kind.model, max_tokens=100, messages=user("Hello there, gateway."))
    assert answer.type == "message" and answer.role == "assistant"
    assert [block.type for block in answer.content] == ["text"]
    assert answer.content[0].text == "Hello there, gateway."
    assert answer.stop_reason == "end_turn" and answer.stop_sequence is None
    assert answer.id and answer.model


@pytest.mark.parametrize("text", ["¿Qué tal? Ação", "日本語テキスト", "🧑‍🚀 🇪🇨", 'a\tb\nc "q" \\b </script> \u2028'])
def test_text_comes_back_letter_for_letter(anthropic_client, kind, text):
    answer = anthropic_client.messages.create(model=kind.model, max_tokens=100, messages=user(f"/echo {text}"))
    assert answer.content[0].text == text


def test_a_system_prompt_and_a_conversation(anthropic_client, kind, seen):
    answer = anthropic_client.messages.create(
        model=kind.model,
        max_tokens=100,
        system=[{"type": "text", "text": "Be brief."}],
        messages=[*user("one"), {"role": "assistant", "content": "uno"}, *user([{"type": "text", "text": "two"}])],
    )
    assert answer.content[0].text == "two"
    if kind.mock and kind.name != "anthropic" and kind.name != "mock":
        first = seen().json["messages"][0]
        assert first["role"] in ("system", "developer") and "Be brief." in json.dumps(first["content"])


def test_usage_is_the_providers(anthropic_client, kind):
    usage = anthropic_client.messages.create(
        model=kind.model, max_tokens=100, messages=user("/usage 11 7\nhello")
    ).usage
    assert (usage.input_tokens, usage.output_tokens) == (11, 7)


def test_a_limit_on_tokens_ends_the_answer(anthropic_client, kind):
    answer = anthropic_client.messages.create(model=kind.model, max_tokens=5, messages=user("/tokens 50"))
    assert answer.stop_reason == "max_tokens"
    assert len(answer.content[0].text.split()) <= 5


def test_a_stop_sequence_ends_the_answer(anthropic_client, kind):
    answer = anthropic_client.messages.create(
        model=kind.model, max_tokens=100, messages=user("/echo before STOP after"), stop_sequences=["STOP"]
    )
    assert answer.content[0].text.strip() == "before"
    assert answer.stop_reason in ("end_turn", "stop_sequence")


def test_settings_are_taken(anthropic_client, kind):
    answer = anthropic_client.messages.create(
        model=kind.model,
        max_tokens=100,
        messages=user("fine"),
        metadata={"user_id": "person-1"},
        extra_body={"temperature": 0.5},
    )
    assert answer.content[0].text == "fine"


def test_an_image_block_is_taken(anthropic_client, kind, seen):
    data = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}
    answer = anthropic_client.messages.create(
        model=kind.model, max_tokens=100, messages=user([image, {"type": "text", "text": "what is it"}])
    )
    assert answer.content[0].text == "what is it"
    if kind.is_direct:
        assert data in seen().body.decode()


@pytest.mark.kinds("builtin", "anthropic")
def test_thinking_is_told(anthropic_client, kind):
    answer = anthropic_client.messages.create(
        model=kind.model,
        max_tokens=2000,
        messages=user("/think hard\nfine"),
        thinking={"type": "enabled", "budget_tokens": 1024},
    )
    assert [block.type for block in answer.content] == ["thinking", "text"]
    assert answer.content[0].thinking.strip() == "hard"


@pytest.mark.kinds_except("litellm")  # LiteLLM drops a refusal that stands beside no content.
def test_a_refusal_is_told(anthropic_client, kind):
    answer = anthropic_client.messages.create(model=kind.model, max_tokens=100, messages=user("/refuse I must not."))
    assert answer.stop_reason == "refusal"


# Streams.


def test_a_stream_has_the_events_in_their_order(anthropic_client, kind):
    events = list(
        anthropic_client.messages.create(model=kind.model, max_tokens=100, messages=user("one two three"), stream=True)
    )
    types = [event.type for event in events]
    assert types[0] == "message_start" and types[1] == "content_block_start"
    assert types[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert set(types[2:-3]) == {"content_block_delta"} and len(types) > 6
    assert events[0].message.content == [] and events[0].message.stop_reason is None
    assert "".join(e.delta.text for e in events if e.type == "content_block_delta") == "one two three"
    assert events[-2].delta.stop_reason == "end_turn"


def test_the_sdks_stream_helper_works(anthropic_client, kind):
    with anthropic_client.messages.stream(
        model=kind.model, max_tokens=100, messages=user("/usage 11 7\none two three")
    ) as stream:
        text = "".join(event.text for event in stream if event.type == "text")
        final = stream.get_final_message()
    assert text == "one two three" == final.content[0].text
    assert (final.usage.input_tokens, final.usage.output_tokens) == (11, 7)
    assert final.stop_reason == "end_turn"


def test_a_stream_comes_as_it_is_made(anthropic_client, kind):
    start, times = time.monotonic(), []
    stream = anthropic_client.messages.create(
        model=kind.model, max_tokens=100, messages=user("/pace 100ms\n/tokens 10"), stream=True
    )
    for event in stream:
        if event.type == "content_block_delta":
            times.append(time.monotonic() - start)
    assert times[-1] - times[0] > 0.5 and times[0] < 0.6


def test_letters_survive_a_stream(anthropic_client, kind):
    text = "naïve 日本語 🧑‍🚀 end"
    with anthropic_client.messages.stream(model=kind.model, max_tokens=100, messages=user(f"/echo {text}")) as stream:
        assert stream.get_final_message().content[0].text == text


# Tools.


def test_a_tool_use(anthropic_client, kind):
    answer = anthropic_client.messages.create(model=kind.model, max_tokens=500, messages=user(ONE), tools=[WEATHER])
    assert answer.stop_reason == "tool_use"
    (block,) = [b for b in answer.content if b.type == "tool_use"]
    assert (block.name, block.input) == ("get_weather", {"city": "Paris", "days": 3})
    assert block.id


@pytest.mark.parametrize("stream", [False, True])
def test_parallel_tool_uses(anthropic_client, kind, stream):
    request = {"model": kind.model, "max_tokens": 500, "messages": user(TWO), "tools": [WEATHER, TIME]}
    if stream:
        with anthropic_client.messages.stream(**request) as events:
            answer = events.get_final_message()
    else:
        answer = anthropic_client.messages.create(**request)
    uses = [b for b in answer.content if b.type == "tool_use"]
    assert [(b.name, b.input) for b in uses] == [
        ("get_weather", {"city": "Paris", "days": 3}),
        ("get_time", {"zone": "Europe/Paris é 🗼"}),
    ]
    assert len({b.id for b in uses}) == 2
    assert answer.stop_reason == "tool_use"


def test_tool_uses_come_in_pieces(anthropic_client, kind):
    events = list(
        anthropic_client.messages.create(
            model=kind.model, max_tokens=500, messages=user(TWO), tools=[WEATHER, TIME], stream=True
        )
    )
    starts = [e for e in events if e.type == "content_block_start" and e.content_block.type == "tool_use"]
    assert [s.content_block.input for s in starts] == [{}, {}]
    pieces = [e for e in events if e.type == "content_block_delta" and e.delta.type == "input_json_delta"]
    assert len(pieces) > 2
    first = "".join(e.delta.partial_json for e in pieces if e.index == starts[0].index)
    assert json.loads(first) == {"city": "Paris", "days": 3}
    opened = []
    for event in events:  # One block at a time, each closed before the next is opened.
        if event.type == "content_block_start":
            assert not opened
            opened.append(event.index)
        elif event.type == "content_block_stop":
            assert opened.pop() == event.index


@pytest.mark.parametrize(
    "choice, expected",
    [
        ({"type": "tool", "name": "get_time"}, "get_time"),
        ({"type": "any"}, "get_weather"),
        ({"type": "auto"}, None),
        ({"type": "none"}, None),
    ],
)
def test_the_choice_of_tool_is_obeyed(anthropic_client, kind, choice, expected):
    answer = anthropic_client.messages.create(
        model=kind.model, max_tokens=500, messages=user("hello"), tools=[WEATHER, TIME], tool_choice=choice
    )
    assert [b.name for b in answer.content if b.type == "tool_use"] == ([expected] if expected else [])


def test_the_results_of_tools_go_back(anthropic_client, kind):
    first = anthropic_client.messages.create(
        model=kind.model, max_tokens=500, messages=user(TWO), tools=[WEATHER, TIME]
    )
    uses = [b for b in first.content if b.type == "tool_use"]
    results = [
        {"type": "tool_result", "tool_use_id": uses[0].id, "content": "sunny"},
        {
            "type": "tool_result",
            "tool_use_id": uses[1].id,
            "content": [{"type": "text", "text": "noon"}],
            "is_error": False,
        },
    ]
    # As the SDK's documentation does it: the content of the answer goes back as it came.
    messages = [*user(TWO), {"role": "assistant", "content": first.content}, {"role": "user", "content": results}]
    answer = anthropic_client.messages.create(
        model=kind.model, max_tokens=500, messages=messages, tools=[WEATHER, TIME]
    )
    assert "get_weather returned: sunny" in answer.content[0].text
    assert "get_time returned: noon" in answer.content[0].text


@pytest.mark.kinds("openai")
def test_tools_are_translated(gateway, anthropic_client, kind, upstream):
    anthropic_client.messages.create(
        model=kind.model,
        max_tokens=500,
        messages=user("hello"),
        tools=[WEATHER],
        tool_choice={"type": "tool", "name": "get_weather", "disable_parallel_tool_use": True},
    )
    body = upstream.last.json
    function = body["tools"][0]["function"]
    assert (function["name"], function["parameters"]) == ("get_weather", WEATHER["input_schema"])
    assert body["tool_choice"] == {"type": "function", "function": {"name": "get_weather"}}
    assert body["parallel_tool_calls"] is False


# Structured output.


def test_parse_gives_an_object(anthropic_client, kind):
    class Place(pydantic.BaseModel):
        city: str
        altitude: int

    answer = anthropic_client.messages.parse(
        model=kind.model, max_tokens=500, messages=user("a place"), output_format=Place
    )
    assert isinstance(answer.parsed_output, Place)


# Counting.


@pytest.mark.kinds_except("litellm")
def test_counts_tokens(anthropic_client, kind):
    short = anthropic_client.messages.count_tokens(model=kind.model, messages=user("hello"))
    long = anthropic_client.messages.count_tokens(
        model=kind.model, messages=user("hello " * 50), system="Be brief.", tools=[WEATHER]
    )
    assert 0 < short.input_tokens < long.input_tokens


@pytest.mark.kinds("openai", "litellm", "builtin")
def test_a_count_of_ours_says_that_it_is_an_estimate(gateway, http, kind, upstream):
    answer = http.post("/v1/messages/count_tokens", json={"model": kind.model, "messages": user("hello")})
    assert answer.status_code == 200
    if kind.name != "builtin":  # The builtin may know its own tokens.
        assert answer.headers["x-gatehouse-estimated"] == "true"
        assert answer.json()["input_tokens"] >= len("hello")
    assert not upstream.requests


@pytest.mark.kinds("anthropic")
def test_a_count_is_the_providers_where_it_has_one(gateway, http, kind, upstream):
    answer = http.post("/v1/messages/count_tokens", json={"model": kind.model, "messages": user("hello")})
    assert answer.status_code == 200 and upstream.last.path == "/v1/messages/count_tokens"
    assert "x-gatehouse-estimated" not in answer.headers


# The road of the same protocol.


@pytest.mark.kinds("anthropic")
def test_the_clients_bytes_reach_a_provider_of_the_same_protocol(gateway, http, kind, upstream):
    body = (
        b'{"max_tokens":  64,\n\t"messages":[{"role":"user","content":[{"text":"h\\u00e9llo","type":"text",'
        b'"cache_control":{"type":"ephemeral"}}]}],"model":"anthropic-small"}'
    )
    answer = http.post(
        "/v1/messages", content=body, headers={"content-type": "application/json", "anthropic-version": "2023-06-01"}
    )
    assert answer.status_code == 200, answer.text
    assert upstream.last.body == body.replace(b"anthropic-small", b"mock-small")


@pytest.mark.kinds("anthropic")
def test_the_beta_header_is_handed_on_or_refused(gateway, http, kind, upstream):
    answer = http.post(
        "/v1/messages",
        json={"model": kind.model, "max_tokens": 5, "messages": user("hi")},
        headers={"anthropic-version": "2023-06-01", "anthropic-beta": "some-beta-2025-01-01"},
    )
    if answer.status_code == 200:
        assert upstream.last.header("anthropic-beta") in ("some-beta-2025-01-01", None)
    else:
        assert answer.status_code == 400
