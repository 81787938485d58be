# SPDX-License-Identifier: Apache-2.0
"""Requests made at random from the server's own description (/openapi.json): whatever is asked, the answer is one of the
description's shapes and never a 5xx (row T6 of the promises). Bodies follow the schema, or nearly; or not at all."""

from __future__ import annotations

import json
import re
import urllib.parse
import urllib.request
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

OPERATORS = [{"$gt": ""}, {"$ne": None}, {"$where": "1"}, ["x"], {"__proto__": {}}, {"toString": "x"}]

# The built-in model fails when it is told to, which is no failure of the server: no text of these tells it.
text = st.text(max_size=40).filter(lambda drawn: "/fail" not in drawn) | st.sampled_from(["", "echo", "/echo hi", "%00", "' OR 1=1 --", "../../etc/passwd", "\ud83d\ude00"])
numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
anything = st.recursive(
    st.none() | st.booleans() | numbers | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)


def of_schema(schema: Any, document: dict[str, Any], depth: int = 0) -> st.SearchStrategy[Any]:
    """Values that a schema allows, as far as its common words say; of what it does not say, anything."""
    if not isinstance(schema, dict) or depth > 8:
        return anything
    if "$ref" in schema:
        found: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return of_schema(found, document, depth + 1)
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return st.one_of([of_schema(each, document, depth + 1) for each in schema[word]])
    kind = schema.get("type")
    if isinstance(kind, list):
        return st.one_of([of_schema({**schema, "type": each}, document, depth + 1) for each in kind])
    if kind == "object":
        properties = schema.get("properties", {})
        required = schema.get("required", [])
        fixed = {n: of_schema(s, document, depth + 1) for n, s in properties.items() if n in required}
        loose = {n: of_schema(s, document, depth + 1) for n, s in properties.items() if n not in required}
        return st.fixed_dictionaries(fixed, optional=loose)
    if kind == "array":
        return st.lists(of_schema(schema.get("items"), document, depth + 1), min_size=schema.get("minItems", 0), max_size=3)
    if kind == "integer":
        return st.integers(schema.get("minimum"), schema.get("maximum"))
    if kind == "number":
        return st.floats(schema.get("minimum"), schema.get("maximum"), allow_nan=False, allow_infinity=False)
    simple = {"string": text, "boolean": st.booleans(), "null": st.none()}
    return simple.get(kind, anything)


@st.composite
def nearly(draw: st.DrawFn, value: st.SearchStrategy[Any]) -> Any:
    """A value with one place of it changed to something else."""
    made = draw(value)
    place, parent, name = made, None, None
    while isinstance(place, (dict, list)) and place and draw(st.integers(0, 3)):
        parent = place
        name = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else list(range(len(place)))))
        place = parent[name]
    other = draw(st.sampled_from(OPERATORS) | anything)
    if parent is None:
        return other
    if isinstance(parent, dict) and draw(st.booleans()):
        parent[draw(text)] = other
    else:
        parent[name] = other
    return made


@pytest.fixture(scope="module")
def described(tmp_path_factory, server_certificate, authority, trust):
    """A gateway with the built-in model, its description, and a client with a key."""
    from gateway import Gateway

    directory = tmp_path_factory.mktemp("described")
    directory.chmod(0o700)
    tables = {
        "gateway.provider": [{"name": "builtin", "kind": "builtin"}],
        "gateway.model": [{"name": "echo", "provider": "builtin"}],
    }
    with Gateway(directory, server_certificate, authority.certificate, tables) as server:
        with urllib.request.urlopen(f"{server.base}/openapi.json", context=trust) as answer:
            document = json.load(answer)
        headers = {"authorization": f"Bearer {server.create_key().key}"}
        with httpx2.Client(base_url=server.base, headers=headers, verify=trust, timeout=30) as client:
            yield client, document
        assert server.process.poll() is None


def operations(document: dict[str, Any]) -> list[tuple[str, str, Any]]:
    found = []
    for path, methods in sorted(document["paths"].items()):
        for method, operation in sorted(methods.items()):
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            found.append((method.upper(), path, content.get("schema")))
    return found


def is_answer(answer: httpx2.Response) -> None:
    assert answer.status_code < 500, f"{answer.status_code} to {answer.request.content!r}: {answer.text}"
    if answer.status_code >= 400:
        error = answer.json()["error"]
        assert error["message"] and error["type"]
        assert "Fatal" not in answer.text and ".swift" not in answer.text


@pytest.mark.prove
@pytest.mark.once
def test_no_request_at_random_is_a_failure_of_the_server(described):
    client, document = described
    listed = operations(document)
    assert sum(schema is not None for _, _, schema in listed) >= 4
    bodies = {path: of_schema(schema, document) for _, path, schema in listed if schema is not None}

    # The number of examples is the profile's: some hundreds, and many more in `make prove`.
    @settings(suppress_health_check=list(HealthCheck), deadline=None)
    @given(st.data())
    def run(data: st.DataObject) -> None:
        method, pattern, schema = data.draw(st.sampled_from(listed))
        names = st.text(min_size=1, max_size=30).filter(lambda name: name not in (".", "..") and "/" not in name)
        path = re.sub(r"\{[^}]*\}", lambda _: urllib.parse.quote(data.draw(names), safe=""), pattern)
        query = data.draw(st.dictionaries(text, text, max_size=3))
        headers = {"content-type": data.draw(st.sampled_from(["application/json"] * 8 + ["text/plain", "x"]))}
        body = b""
        if schema is not None or data.draw(st.booleans()):
            right = bodies.get(pattern, anything)
            value = data.draw(right | nearly(right) | nearly(right) | anything)
            if isinstance(value, dict) and data.draw(st.booleans()):
                value["model"] = "echo"
            body = json.dumps(value).encode()
            if data.draw(st.integers(0, 9)) == 0:
                cut = data.draw(st.integers(0, len(body)))
                body = body[:cut] + data.draw(st.binary(max_size=8)) + body[cut:]
        answer = client.request(
            method, path + ("?" + urllib.parse.urlencode(query, errors="replace") if query else ""), content=body, headers=headers
        )
        is_answer(answer)

    run()


# What a database would take for an operator.

MESSAGES = [{"role": "user", "content": "hi"}]
PLACES = [
    ("/v1/chat/completions", {"messages": MESSAGES}, "model"),
    ("/v1/chat/completions", {"model": "echo"}, "messages"),
    ("/v1/chat/completions", {"model": "echo", "messages": MESSAGES}, "user"),
    ("/v1/completions", {"prompt": "hi"}, "model"),
    ("/v1/embeddings", {"input": "hi"}, "model"),
    ("/v1/responses", {"input": "hi"}, "model"),
    ("/v1/responses", {"model": "echo", "input": "hi"}, "previous_response_id"),
    ("/v1/messages", {"messages": MESSAGES, "max_tokens": 5}, "model"),
]


@pytest.mark.parametrize("operator", OPERATORS[:3] + [7, True], ids=json.dumps)
@pytest.mark.parametrize("path, rest, name", PLACES, ids=[f"{path} {name}" for path, _, name in PLACES])
def test_an_operator_is_no_name(described, path, rest, name, operator):
    client, _ = described
    answer = client.post(path, json={**rest, name: operator})
    assert answer.status_code == 400, answer.text
    is_answer(answer)


@pytest.mark.parametrize("name", ['{"$gt":""}', "[$ne]", "key_%00", "*", "' OR '1'='1"])
def test_an_operator_is_no_id(described, name):
    client, _ = described
    for path in ("/v1/models/",):
        answer = client.get(path + urllib.parse.quote(name, safe=""))
        assert answer.status_code in (400, 404), answer.text
        is_answer(answer)
    # In the target as it is, it is no target.
    assert client.get("/v1/models?model[$gt]=").status_code in (200, 400)
