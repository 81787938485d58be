# SPDX-License-Identifier: Apache-2.0
"""Embeddings and models with the stock OpenAI SDK."""

import base64
import struct

import openai
import pytest

EMBEDDING = {"builtin": "echo", "openai": "openai-embedding", "litellm": "litellm-through", "mock": "mock-embedding"}


@pytest.fixture
def model(kind, request):
    if request.config.getoption("--target") == "litellm":
        return "through"
    return EMBEDDING[kind.name]


# Embeddings. Anthropic has none.


@pytest.mark.kinds_except("anthropic")
def test_embeddings_of_one_and_of_many(openai_client, kind, model):
    one = openai_client.embeddings.create(model=model, input="hello")
    many = openai_client.embeddings.create(model=model, input=["hello", "world", "hello"])
    assert [item.index for item in many.data] == [0, 1, 2]
    assert many.data[0].embedding == many.data[2].embedding == one.data[0].embedding != many.data[1].embedding
    assert all(isinstance(v, float) for v in one.data[0].embedding)
    assert many.usage.total_tokens >= one.usage.total_tokens > 0


@pytest.mark.kinds_except("anthropic")
def test_both_encodings_say_the_same(http, kind, model, house):
    body = {"model": model, "input": "hello"}
    floats = http.post("/v1/embeddings", json={**body, "encoding_format": "float"}).json()["data"][0]["embedding"]
    text = http.post("/v1/embeddings", json={**body, "encoding_format": "base64"}).json()["data"][0]["embedding"]
    unpacked = struct.unpack(f"<{len(floats)}f", base64.b64decode(text))
    assert unpacked == pytest.approx(floats, rel=1e-6)


@pytest.mark.kinds_except("anthropic", "litellm")  # LiteLLM refuses `dimensions` for models it does not know.
@pytest.mark.parametrize("dimensions", [2, 16])
def test_dimensions_are_obeyed(openai_client, kind, model, dimensions):
    answer = openai_client.embeddings.create(model=model, input="hello", dimensions=dimensions)
    assert len(answer.data[0].embedding) == dimensions


@pytest.mark.kinds_except("anthropic", "litellm")
def test_token_arrays_are_taken(openai_client, kind, model):
    answer = openai_client.embeddings.create(model=model, input=[[1, 2, 3], [4, 5]])
    assert len(answer.data) == 2


@pytest.mark.kinds("anthropic")
def test_embeddings_are_refused_where_the_provider_has_none(gateway, openai_client, kind, upstream):
    with pytest.raises((openai.BadRequestError, openai.NotFoundError)):
        openai_client.embeddings.create(model=kind.model, input="hello")
    assert not upstream.requests


@pytest.mark.kinds("openai")
@pytest.mark.parametrize(
    "wrong",
    [
        {"input": ""},
        {"input": []},
        {"input": 7},
        {"input": [["a"]]},
        {"input": "x", "encoding_format": "hex"},
        {"input": "x", "dimensions": 0},
        {},
    ],
)
def test_a_malformed_embedding_is_refused(gateway, http, kind, upstream, wrong):
    answer = http.post("/v1/embeddings", json={"model": "openai-embedding", **wrong})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["param"]
    assert not upstream.requests


# Models.


def test_lists_the_models(openai_client, house):
    listed = {model.id: model for model in openai_client.models.list()}
    expected = {"echo", "openai-small", "anthropic-small"} if house.is_gateway else {"mock-small"}
    assert expected <= set(listed) or "through" in listed
    assert all(model.object == "model" and model.owned_by for model in listed.values())


def test_retrieves_a_model(openai_client, gateway):
    assert openai_client.models.retrieve("openai-small").id == "openai-small"
    with pytest.raises(openai.NotFoundError) as missing:
        openai_client.models.retrieve("no-such-model")
    assert missing.value.code == "model_not_found"


def test_the_list_does_not_tell_what_stands_behind(http, gateway):
    text = http.get("/v1/models").text
    assert "localhost" not in text and "mock-small" not in text and "127.0.0.1" not in text
