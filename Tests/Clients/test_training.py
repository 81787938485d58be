# SPDX-License-Identifier: Apache-2.0
"""Row D11: the provider is told not to store, whatever the client says or leaves unsaid."""

import pytest

pytestmark = pytest.mark.usefixtures("gateway")


@pytest.mark.kinds("openai")
@pytest.mark.parametrize("route", ["/v1/chat/completions", "/v1/messages", "/v1/responses"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("wish", [{}, {"store": False}])
def test_openai_is_told_not_to_store(http, kind, upstream, route, stream, wish):
    body = {"model": kind.model, "stream": stream}
    if route == "/v1/responses":
        body["input"] = "hi"
    else:
        body["messages"] = [{"role": "user", "content": "hi"}]
    if route == "/v1/messages":
        body["max_tokens"] = 5
    else:
        body |= wish
    assert http.post(route, json=body).status_code == 200
    sent = upstream.last.json
    assert sent["store"] is False
    assert upstream.last.body.count(b'"store"') == 1


@pytest.mark.kinds("openai")
@pytest.mark.parametrize(
    "raw", [b'"store":true', b'"sto\\u0072e":true', b'"store":null', b'"store":1', b'"store":"false"']
)
def test_a_client_cannot_have_it_stored(http, kind, upstream, raw):
    body = b'{"model":"openai-small","messages":[{"role":"user","content":"hi"}],' + raw + b"}"
    answer = http.post("/v1/chat/completions", content=body, headers={"content-type": "application/json"})
    if answer.status_code == 200:
        assert upstream.last.json["store"] is False
    else:
        assert answer.status_code in (400, 403)
        assert not upstream.requests


@pytest.mark.parametrize("header", ["x-zdr", "x-interfaze-zdr"])
def test_the_zdr_header_is_taken(http, upstream, header):
    body = {"model": "openai-small", "messages": [{"role": "user", "content": "hi"}]}
    assert http.post("/v1/chat/completions", json=body, headers={header: "true"}).status_code == 200
    assert upstream.last.json["store"] is False
    assert upstream.last.header(header) is None


def test_content_stands_nowhere_on_disk(gateway, http, upstream):
    """Row D1, as far as it goes here: stateless routes keep nothing, in errors neither."""
    marker = "Marker-7hQ2xVn9"
    for model in ("echo", "openai-small", "anthropic-small"):
        for text in (marker, f"/fail 500\n{marker}", f"/cut 2\n{marker}", f"/fail 429 retry-after 1s\n{marker}"):
            for stream in (False, True):
                messages = [{"role": "user", "content": text}]
                http.post(
                    "/v1/chat/completions",
                    json={"model": model, "messages": messages, "stream": stream, "user": marker},
                )
                http.post(
                    "/v1/messages", json={"model": model, "messages": messages, "stream": stream, "max_tokens": 50}
                )
    http.post("/v1/embeddings", json={"model": "echo", "input": marker})
    http.post("/v1/chat/completions", json={"model": marker, "messages": [{"role": "user", "content": "x"}]})
    http.post("/v1/chat/completions", content=f'{{"{marker}": '.encode(), headers={"content-type": "application/json"})
    http.get(f"/v1/models/{marker}?q={marker}", headers={"x-odd": marker})
    for file in gateway.directory.rglob("*"):
        if file.is_file() and file != gateway.file:
            assert marker.encode() not in file.read_bytes(), f"{file} holds content"
