# SPDX-License-Identifier: Apache-2.0
"""Function tools with the stock OpenAI SDK: asked for, forced, in parallel, in pieces, and their results."""

import json

import openai
import pydantic
import pytest

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city", "days"],
            "additionalProperties": False,
        },
    },
}
TIME = {
    "type": "function",
    "function": {"name": "get_time", "parameters": {"type": "object", "properties": {"zone": {"type": "string"}}}},
}
ONE = '/tool get_weather {"city":"Paris","days":3}'
TWO = ONE + '\n/tool get_time {"zone":"Europe/Paris \\u00e9 🗼"}'


def user(text):
    return [{"role": "user", "content": text}]


def gathered(chunks):
    """The calls of a stream, put together as the SDK's documentation says; and the last finish reason."""
    calls, finish = {}, None
    for chunk in chunks:
        for choice in chunk.choices:
            finish = choice.finish_reason or finish
            for piece in choice.delta.tool_calls or []:
                call = calls.setdefault(piece.index, {"id": "", "name": "", "arguments": "", "pieces": 0})
                call["id"] += piece.id or ""
                call["name"] += piece.function.name or ""
                call["arguments"] += piece.function.arguments or ""
                call["pieces"] += 1
    return [calls[i] for i in sorted(calls)], finish


def test_a_tool_call(openai_client, kind):
    answer = openai_client.chat.completions.create(model=kind.model, messages=user(ONE), tools=[WEATHER])
    choice = answer.choices[0]
    assert choice.finish_reason == "tool_calls"
    (call,) = choice.message.tool_calls
    assert call.type == "function" and call.id
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"city": "Paris", "days": 3}
    assert not choice.message.content


def test_parallel_tool_calls(openai_client, kind):
    answer = openai_client.chat.completions.create(model=kind.model, messages=user(TWO), tools=[WEATHER, TIME])
    calls = answer.choices[0].message.tool_calls
    assert [c.function.name for c in calls] == ["get_weather", "get_time"]
    assert json.loads(calls[1].function.arguments) == {"zone": "Europe/Paris é 🗼"}
    assert len({c.id for c in calls}) == 2


def test_tool_calls_in_a_stream(openai_client, kind):
    stream = openai_client.chat.completions.create(
        model=kind.model, messages=user(TWO), tools=[WEATHER, TIME], stream=True
    )
    calls, finish = gathered(stream)
    assert finish == "tool_calls"
    assert [c["name"] for c in calls] == ["get_weather", "get_time"]
    assert json.loads(calls[0]["arguments"]) == {"city": "Paris", "days": 3}
    assert json.loads(calls[1]["arguments"]) == {"zone": "Europe/Paris é 🗼"}
    assert len({c["id"] for c in calls}) == 2 and all(c["id"] for c in calls)
    assert calls[0]["pieces"] > 1, "the arguments came as a whole"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "choice, expected",
    [
        ({"type": "function", "function": {"name": "get_time"}}, "get_time"),
        ("required", "get_weather"),
        ("auto", None),
        ("none", None),
    ],
)
def test_the_choice_of_tool_is_obeyed(openai_client, kind, choice, expected, stream):
    answer = openai_client.chat.completions.create(
        model=kind.model, messages=user("hello"), tools=[WEATHER, TIME], tool_choice=choice, stream=stream
    )
    if stream:
        calls, finish = gathered(answer)
        names = [c["name"] for c in calls]
    else:
        finish = answer.choices[0].finish_reason
        names = [c.function.name for c in answer.choices[0].message.tool_calls or []]
    assert names == ([expected] if expected else [])
    # OpenAI itself says "stop" after a forced call.
    assert finish in (("tool_calls", "stop") if expected else ("stop",))


def test_a_forced_tool_gets_arguments_of_its_schema(openai_client, kind):
    answer = openai_client.chat.completions.create(
        model=kind.model, messages=user("hello"), tools=[WEATHER], tool_choice="required"
    )
    arguments = json.loads(answer.choices[0].message.tool_calls[0].function.arguments)
    assert isinstance(arguments["city"], str) and isinstance(arguments["days"], int)


@pytest.mark.parametrize("stream", [False, True])
def test_the_results_of_tools_go_back(openai_client, kind, stream):
    first = openai_client.chat.completions.create(model=kind.model, messages=user(TWO), tools=[WEATHER, TIME])
    calls = first.choices[0].message.tool_calls
    messages = [
        *user(TWO),
        first.choices[0].message.model_dump(exclude_none=True, include={"role", "content", "tool_calls"}),
        {"role": "tool", "tool_call_id": calls[0].id, "content": "sunny"},
        {"role": "tool", "tool_call_id": calls[1].id, "content": [{"type": "text", "text": "noon"}]},
    ]
    answer = openai_client.chat.completions.create(
        model=kind.model, messages=messages, tools=[WEATHER, TIME], stream=stream
    )
    if stream:
        text = "".join(c.choices[0].delta.content or "" for c in answer if c.choices)
    else:
        text = answer.choices[0].message.content
    assert "get_weather returned: sunny" in text
    assert "get_time returned: noon" in text


def test_the_sdks_own_tool_types_work(openai_client, kind):
    class GetWeather(pydantic.BaseModel):
        city: str
        days: int

    answer = openai_client.chat.completions.parse(
        model=kind.model,
        messages=user('/tool GetWeather {"city":"Quito","days":2}'),
        tools=[openai.pydantic_function_tool(GetWeather)],
    )
    parsed = answer.choices[0].message.tool_calls[0].function.parsed_arguments
    assert parsed == GetWeather(city="Quito", days=2)


def test_the_sdks_stream_helper_puts_tools_together(openai_client, kind):
    with openai_client.chat.completions.stream(model=kind.model, messages=user(ONE), tools=[WEATHER]) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_completion()
    assert "tool_calls.function.arguments.delta" in kinds and "tool_calls.function.arguments.done" in kinds
    assert json.loads(final.choices[0].message.tool_calls[0].function.arguments) == {"city": "Paris", "days": 3}


def test_usage_is_shown_after_tools_when_asked_for(openai_client, kind):
    chunks = list(
        openai_client.chat.completions.create(
            model=kind.model,
            messages=user("/usage 9 4\n" + ONE),
            tools=[WEATHER],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (9, 4)


@pytest.mark.kinds("anthropic")
def test_tools_are_translated(gateway, openai_client, kind, upstream):
    openai_client.chat.completions.create(
        model=kind.model,
        messages=user("hello"),
        tools=[WEATHER],
        parallel_tool_calls=False,
        tool_choice={"type": "function", "function": {"name": "get_weather"}},
    )
    body = upstream.last.json
    assert body["tools"][0]["name"] == "get_weather"
    assert body["tools"][0]["description"] == "The weather of a city."
    assert body["tools"][0]["input_schema"] == WEATHER["function"]["parameters"]
    assert body["tool_choice"] == {"type": "tool", "name": "get_weather", "disable_parallel_tool_use": True}


@pytest.mark.kinds("openai", "anthropic", "builtin")  # LiteLLM refuses more.
@pytest.mark.parametrize(
    "tools, param",
    [
        ([{"type": "function", "function": {"parameters": {}}}], "tools[0].function.name"),
        ([{"type": "function", "function": {"name": 7}}], "tools[0].function.name"),
        ([{"type": "function"}], "tools[0].function"),
        ("all", "tools"),
    ],
)
def test_a_malformed_tool_is_refused(gateway, openai_client, kind, upstream, tools, param):
    with pytest.raises(openai.BadRequestError) as refused:
        openai_client.chat.completions.create(model=kind.model, messages=user("hello"), tools=tools)
    assert refused.value.code == "invalid_parameter"
    assert refused.value.param.replace("[0]", ".0").startswith(param.replace("[0]", ".0").split(".function")[0])
    assert not upstream.requests
