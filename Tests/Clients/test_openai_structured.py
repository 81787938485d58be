# SPDX-License-Identifier: Apache-2.0
"""Structured output with the stock OpenAI SDK; what breaks a strict schema never reaches the client as a success."""

import json
from typing import Literal, Optional

import openai
import pydantic
import pytest


class Place(pydantic.BaseModel):
    city: str
    altitude: int
    kind: Literal["town", "village"]
    tags: list[str]
    nickname: Optional[str]


class Tree(pydantic.BaseModel):
    """A schema that refers to itself."""

    name: str
    children: list["Tree"]


SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "altitude": {"type": "integer"}},
    "required": ["city", "altitude"],
    "additionalProperties": False,
}


def form(strict=True):
    return {"type": "json_schema", "json_schema": {"name": "place", "strict": strict, "schema": SCHEMA}}


def user(text):
    return [{"role": "user", "content": text}]


def test_parse_gives_an_object(openai_client, kind):
    answer = openai_client.chat.completions.parse(model=kind.model, messages=user("a place"), response_format=Place)
    assert isinstance(answer.choices[0].message.parsed, Place)


def test_parse_gives_an_object_from_a_stream(openai_client, kind):
    with openai_client.chat.completions.stream(
        model=kind.model, messages=user("a place"), response_format=Place
    ) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion()
    assert isinstance(final.choices[0].message.parsed, Place)


def test_a_recursive_schema_is_taken(openai_client, kind):
    answer = openai_client.chat.completions.parse(
        model=kind.model,
        messages=user('/raw {"name": "a", "children": [{"name": "b", "children": []}]}'),
        response_format=Tree,
    )
    assert answer.choices[0].message.parsed.children[0].name == "b"


def test_a_schema_can_travel_as_a_forced_tool(openai_client, kind):
    if kind.name != "anthropic":
        pytest.skip("only Anthropic's protocol is asked this way")
    answer = openai_client.chat.completions.parse(
        model="anthropic-tool", messages=user("Where?"), response_format=Place
    )
    assert isinstance(answer.choices[0].message.parsed, Place)
    assert answer.choices[0].finish_reason == "stop"
    assert not answer.choices[0].message.tool_calls


def test_an_answer_of_the_schema_passes(openai_client, kind):
    answer = openai_client.chat.completions.create(
        model=kind.model, messages=user('/raw {"city": "Quito", "altitude": 2850}'), response_format=form()
    )
    assert json.loads(answer.choices[0].message.content) == {"city": "Quito", "altitude": 2850}


@pytest.mark.parametrize(
    "text",
    [
        '{"city": "Quito"}',
        '{"city": "Quito", "altitude": "high"}',
        '{"city": "Quito", "altitude": 1, "surplus": true}',
        '["Quito"]',
        '{"city": "Qui',
        "Quito is high.",
        '{"city": "Quito", "altitude": 1} and more',
    ],
)
def test_an_answer_that_breaks_a_strict_schema_is_an_error(gateway, openai_client, kind, text):
    with pytest.raises(openai.InternalServerError) as failed:
        openai_client.chat.completions.create(model=kind.model, messages=user(f"/raw {text}"), response_format=form())
    assert failed.value.code == "upstream_error"
    assert failed.value.status_code == 502
    assert "Quito" not in str(failed.value)


def test_an_answer_that_breaks_a_strict_schema_is_an_error_in_a_stream(gateway, openai_client, kind):
    # Where the provider sends all of it at once, the error comes before the stream, as a status.
    with pytest.raises(openai.APIError) as failed:
        stream = openai_client.chat.completions.create(
            model=kind.model, messages=user('/raw {"city": 7, "altitude": 1}'), response_format=form(), stream=True
        )
        for chunk in stream:
            assert not chunk.choices or chunk.choices[0].finish_reason != "stop", "it was called a success"
    assert failed.value.code == "upstream_error"


def test_without_strict_the_answer_passes_as_it_is(gateway, openai_client, kind):
    answer = openai_client.chat.completions.create(
        model=kind.model, messages=user('/raw {"city": 7}'), response_format=form(strict=False)
    )
    assert json.loads(answer.choices[0].message.content) == {"city": 7}


def test_a_refusal_is_no_breach_of_the_schema(openai_client, kind):
    if kind.name == "litellm":
        pytest.skip("LiteLLM drops refusals")
    answer = openai_client.chat.completions.create(
        model=kind.model, messages=user("/refuse I must not."), response_format=form()
    )
    message = answer.choices[0].message
    assert (message.refusal or message.content) == "I must not."


def test_an_answer_cut_at_its_limit_is_no_breach_of_the_schema(openai_client, kind):
    """OpenAI hands out what there is, with finish_reason length; so must we."""
    answer = openai_client.chat.completions.create(
        model=kind.model, messages=user('/finish length\n/raw {"city": "Qui'), response_format=form()
    )
    assert answer.choices[0].finish_reason == "length"


def test_json_object(openai_client, kind):
    answer = openai_client.chat.completions.create(
        model=kind.model, messages=user("JSON please"), response_format={"type": "json_object"}
    )
    assert isinstance(json.loads(answer.choices[0].message.content), dict)


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "json_schema"},
        {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": {"type": "nonsense"}}},
        {"type": "json_schema", "json_schema": {"strict": True, "schema": SCHEMA}},
        {"type": "yaml"},
        "json",
    ],
)
def test_a_malformed_format_is_refused(gateway, openai_client, kind, upstream, wrong):
    with pytest.raises(openai.BadRequestError) as refused:
        openai_client.chat.completions.create(model=kind.model, messages=user("hi"), response_format=wrong)
    assert refused.value.code == "invalid_parameter"
    assert refused.value.param.startswith("response_format")
    assert not upstream.requests


@pytest.mark.kinds("anthropic")
def test_the_schema_reaches_a_provider_of_the_other_protocol(gateway, openai_client, kind, upstream):
    openai_client.chat.completions.create(model=kind.model, messages=user("a place"), response_format=form())
    assert b'"altitude"' in upstream.last.body
