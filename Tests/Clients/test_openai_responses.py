# SPDX-License-Identifier: Apache-2.0
"""The responses API with the stock OpenAI SDK: a stateless translation, whatever stands behind."""

import json

import openai
import pydantic
import pytest

pytestmark = pytest.mark.usefixtures("gateway")  # The mock upstream has no such route: it must be translated.

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city.",
    "strict": False,
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
TIME = {"type": "function", "name": "get_time", "strict": False, "parameters": {"type": "object", "properties": {}}}
TWO = '/tool get_weather {"city":"Paris"}\n/tool get_time {}'


class Place(pydantic.BaseModel):
    city: str
    altitude: int


def test_answers_a_text(openai_client, kind):
    answer = openai_client.responses.create(model=kind.model, input="Hello responses.")
    assert answer.output_text == "Hello responses."
    assert (answer.object, answer.status) == ("response", "completed")
    assert answer.output[0].type == "message" and answer.output[0].role == "assistant"
    assert answer.output[0].content[0].type == "output_text"
    assert answer.id.startswith("resp_")
    assert answer.error is None and answer.incomplete_details is None


def test_answers_a_conversation(openai_client, kind):
    answer = openai_client.responses.create(
        model=kind.model,
        instructions="Be brief.",
        input=[
            {"role": "user", "content": "one"},
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "uno", "annotations": []}],
            },
            {"role": "user", "content": [{"type": "input_text", "text": "two"}]},
        ],
    )
    assert answer.output_text == "two"


def test_usage(openai_client, kind):
    usage = openai_client.responses.create(model=kind.model, input="/usage 11 7\nhello").usage
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (11, 7, 18)
    assert usage.input_tokens_details.cached_tokens == 0
    assert usage.output_tokens_details.reasoning_tokens == 0


def test_a_limit_on_tokens_makes_it_incomplete(openai_client, kind):
    answer = openai_client.responses.create(model=kind.model, input="/tokens 50", max_output_tokens=16)
    assert answer.status == "incomplete"
    assert answer.incomplete_details.reason == "max_output_tokens"
    assert len(answer.output_text.split()) <= 16


def test_a_stream(openai_client, kind):
    events = list(openai_client.responses.create(model=kind.model, input="one two three", stream=True))
    types = [event.type for event in events]
    assert types[0] == "response.created"
    assert types[-1] == "response.completed"
    for expected in (
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
    ):
        assert expected in types, types
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == "one two three"
    assert types.count("response.output_text.delta") > 1
    assert [e.sequence_number for e in events] == list(range(len(events)))
    assert events[-1].response.output_text == "one two three"
    assert events[-1].response.usage.total_tokens > 0
    assert len({e.response.id for e in events if hasattr(e, "response")}) == 1


def test_the_sdks_stream_helper_works(openai_client, kind):
    with openai_client.responses.stream(model=kind.model, input="one two three") as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert "".join(deltas) == final.output_text == "one two three"


def test_function_calls(openai_client, kind):
    answer = openai_client.responses.create(model=kind.model, input=TWO, tools=[WEATHER, TIME])
    calls = [item for item in answer.output if item.type == "function_call"]
    assert [c.name for c in calls] == ["get_weather", "get_time"]
    assert json.loads(calls[0].arguments) == {"city": "Paris"}
    assert len({c.call_id for c in calls}) == 2
    assert answer.status == "completed"


def test_function_calls_in_a_stream(openai_client, kind):
    with openai_client.responses.stream(model=kind.model, input=TWO, tools=[WEATHER, TIME]) as stream:
        events = list(stream)
        final = stream.get_final_response()
    types = [event.type for event in events]
    assert types.count("response.function_call_arguments.done") == 2
    assert "response.function_call_arguments.delta" in types
    done = [e for e in events if e.type == "response.function_call_arguments.done"]
    assert json.loads(done[0].arguments) == {"city": "Paris"}
    assert [item.name for item in final.output if item.type == "function_call"] == ["get_weather", "get_time"]


@pytest.mark.parametrize("choice", ["required", {"type": "function", "name": "get_weather"}])
def test_a_forced_function(openai_client, kind, choice):
    answer = openai_client.responses.create(model=kind.model, input="hello", tools=[WEATHER], tool_choice=choice)
    assert [item.name for item in answer.output if item.type == "function_call"] == ["get_weather"]


def test_the_results_of_functions_go_back(openai_client, kind):
    first = openai_client.responses.create(model=kind.model, input=TWO, tools=[WEATHER, TIME])
    calls = [item for item in first.output if item.type == "function_call"]
    history = [{"role": "user", "content": TWO}]
    history += [
        {"type": "function_call", "call_id": c.call_id, "name": c.name, "arguments": c.arguments} for c in calls
    ]
    history += [
        {"type": "function_call_output", "call_id": c.call_id, "output": result}
        for c, result in zip(calls, ["sunny", "noon"])
    ]
    answer = openai_client.responses.create(model=kind.model, input=history, tools=[WEATHER, TIME])
    assert "get_weather returned: sunny" in answer.output_text
    assert "get_time returned: noon" in answer.output_text


def test_the_output_of_one_turn_is_the_input_of_the_next(openai_client, kind):
    """As the SDK's documentation does it: `history += response.output`."""
    first = openai_client.responses.create(model=kind.model, input=TWO, tools=[WEATHER, TIME])
    history = [{"role": "user", "content": TWO}, *[item.model_dump(exclude_none=True) for item in first.output]]
    calls = [item for item in first.output if item.type == "function_call"]
    history += [{"type": "function_call_output", "call_id": c.call_id, "output": "done"} for c in calls]
    answer = openai_client.responses.create(model=kind.model, input=history, tools=[WEATHER, TIME])
    assert "get_weather returned: done" in answer.output_text


def test_structured_output(openai_client, kind):
    answer = openai_client.responses.parse(model=kind.model, input="a place", text_format=Place)
    assert isinstance(answer.output_parsed, Place)


def test_structured_output_that_breaks_the_schema_is_an_error(openai_client, kind):
    with pytest.raises(openai.InternalServerError) as failed:
        openai_client.responses.parse(model=kind.model, input='/raw {"city": 7}', text_format=Place)
    assert failed.value.code == "upstream_error"


def test_an_image_is_taken(openai_client, kind):
    picture = {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo=", "detail": "auto"}
    answer = openai_client.responses.create(
        model=kind.model, input=[{"role": "user", "content": [{"type": "input_text", "text": "see"}, picture]}]
    )
    assert answer.output_text == "see"


@pytest.mark.parametrize("store", [None, False])
def test_nothing_is_stored(openai_client, kind, store, seen):
    answer = openai_client.responses.create(model=kind.model, input="hi", **({} if store is None else {"store": store}))
    assert answer.model_dump().get("store") in (None, False)
    if kind.is_direct and kind.name == "openai":
        assert seen().json["store"] is False


@pytest.mark.parametrize("wish", [{"store": True}, {"previous_response_id": "resp_01ARZ3NDEKTSV4RRFFQ69G5FAV"}])
def test_what_needs_consent_is_refused(openai_client, kind, upstream, wish):
    with pytest.raises(openai.PermissionDeniedError) as refused:
        openai_client.responses.create(model=kind.model, input="hi", **wish)
    assert refused.value.code == "consent_required"
    assert not upstream.requests


def test_a_failure_in_the_middle_of_a_stream_is_told(openai_client, kind):
    text = "/cut 3\n/tokens 10" if kind.name != "builtin" else "/cut 3"
    with pytest.raises(openai.APIError) as failed:
        for event in openai_client.responses.create(model=kind.model, input=text, stream=True):
            assert event.type != "response.completed"
            if event.type in ("response.failed", "error"):
                raise openai.APIError(
                    "told", request=None, body={"code": getattr(event, "code", None) or event.response.error.code}
                )
    assert failed.value.code in ("upstream_interrupted", "server_error", "upstream_error")


@pytest.mark.parametrize(
    "body, param",
    [
        ({"input": 7}, "input"),
        ({"input": "hi", "no_such_thing": 1}, "no_such_thing"),
        ({"input": [{"type": "no_such_item"}]}, "input"),
        ({"input": "hi", "background": True}, "background"),
        ({"input": "hi", "tools": [{"type": "function"}]}, "tools"),
    ],
)
def test_what_cannot_be_done_is_refused(http, kind, upstream, body, param):
    answer = http.post("/v1/responses", json={"model": kind.model, **body})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["param"].startswith(param)
    assert not upstream.requests
