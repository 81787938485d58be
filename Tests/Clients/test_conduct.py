# SPDX-License-Identifier: Apache-2.0
"""How the gateway behaves around an answer: headers, credentials, time limits, and clients that leave."""

import asyncio
import re
import socket
import threading
import time

import anthropic
import httpx2
import openai
import pytest

import mock_behaviours

pytestmark = pytest.mark.usefixtures("gateway")


def user(text):
    return [{"role": "user", "content": text}]


def body(kind, text="hi", **more):
    return {"model": kind.model, "messages": user(text), **more}


# Headers.

SECURITY = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "strict-transport-security": r"max-age=\d+.*",
    "permissions-policy": ".+",
    "content-security-policy": ".+",
    "cross-origin-opener-policy": ".+",
    "cross-origin-resource-policy": ".+",
    "x-request-id": "req_[0-9A-HJKMNP-TV-Z]{26}",
}
CALLS = {
    "models": ("GET", "/v1/models", None),
    "model": ("GET", "/v1/models/echo", None),
    "no model": ("GET", "/v1/models/none", None),
    "chat": ("POST", "/v1/chat/completions", {"model": "echo", "messages": user("hi")}),
    "stream": ("POST", "/v1/chat/completions", {"model": "echo", "messages": user("hi"), "stream": True}),
    "bad": ("POST", "/v1/chat/completions", {"model": "echo"}),
    "failing": ("POST", "/v1/chat/completions", {"model": "echo", "messages": user("/fail 500")}),
    "messages": ("POST", "/v1/messages", {"model": "echo", "messages": user("hi"), "max_tokens": 5}),
    "embeddings": ("POST", "/v1/embeddings", {"model": "echo", "input": "hi"}),
    "missing": ("GET", "/nothing", None),
    "wrong method": ("DELETE", "/v1/chat/completions", None),
    "live": ("GET", "/livez", None),
    "ready": ("GET", "/readyz", None),
    "openapi": ("GET", "/openapi.json", None),
    "head": ("HEAD", "/readyz", None),
    "options": ("OPTIONS", "/v1/chat/completions", None),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("credential", [True, False])
def test_every_answer_has_the_security_headers(http, name, credential):
    method, path, content = CALLS[name]
    headers = {} if credential else {"authorization": ""}
    if not credential:
        del http.headers["authorization"]
        headers = {}
    answer = http.request(method, path, json=content, headers=headers)
    for header, pattern in SECURITY.items():
        assert re.fullmatch(pattern, answer.headers.get(header, "")), f"{header}: {answer.headers.get(header)!r}"
    assert "server" not in answer.headers or not re.search(r"\d", answer.headers["server"])
    assert "x-powered-by" not in answer.headers
    assert "access-control-allow-origin" not in answer.headers
    if path.startswith("/v1"):
        assert "no-store" in answer.headers["cache-control"]


def test_request_ids_are_unique_and_our_own(http):
    ids = {http.get("/v1/models", headers={"x-request-id": "req_mine"}).headers["x-request-id"] for _ in range(20)}
    assert len(ids) == 20 and "req_mine" not in ids


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("route", ["chat", "messages"])
def test_model_routes_tell_their_headers(http, kind, route, stream):
    content = body(kind, stream=stream)
    if route == "chat":
        answer = http.post("/v1/chat/completions", json=content)
    else:
        answer = http.post("/v1/messages", json={**content, "max_tokens": 5})
    assert answer.status_code == 200
    assert answer.headers["x-gatehouse-model"] == kind.model
    assert answer.headers["x-gatehouse-provider"] == kind.name
    assert 0 <= float(answer.headers["x-gatehouse-overhead-ms"]) < 1000
    assert int(answer.headers["x-ratelimit-limit-requests"]) == 1_000_000
    assert 0 < int(answer.headers["x-ratelimit-remaining-requests"]) < 1_000_000
    assert re.fullmatch(r"(\d+h)?(\d+m)?(\d+(\.\d+)?m?s)?", answer.headers["x-ratelimit-reset-requests"])
    assert "x-gatehouse-cost" not in answer.headers  # No price was configured: unknown, not zero.
    if route == "messages":
        assert answer.headers["request-id"] == answer.headers["x-request-id"]
        assert int(answer.headers["anthropic-ratelimit-requests-limit"]) == 1_000_000
        assert re.fullmatch(
            r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", answer.headers["anthropic-ratelimit-requests-reset"]
        )
    assert answer.headers["content-type"].startswith("text/event-stream" if stream else "application/json")


def test_the_sdks_find_the_request_id(openai_client, anthropic_client, kind):
    answer = openai_client.chat.completions.create(model=kind.model, messages=user("hi"))
    assert answer._request_id.startswith("req_")
    answer = anthropic_client.messages.create(model=kind.model, max_tokens=5, messages=user("hi"))
    assert answer._request_id.startswith("req_")


def test_only_configured_origins_get_cors(http):
    for origin in ("https://evil.example", "null", "https://localhost.evil.example", "http://localhost"):
        answer = http.get("/v1/models", headers={"origin": origin})
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        answer = http.options("/v1/models", headers={"origin": origin, "access-control-request-method": "GET"})
        assert not [name for name in answer.headers if name.startswith("access-control-")]


# Credentials.


@pytest.mark.parametrize(
    "headers, status",
    [
        ({"authorization": "Bearer {key}"}, 200),
        ({"authorization": "bearer {key}"}, 200),
        ({"x-api-key": "{key}"}, 200),
        ({"api-key": "{key}"}, 200),
        ({}, 401),
        ({"authorization": "{key}"}, 401),
        ({"authorization": "Basic {key}"}, 401),
        ({"authorization": "Bearer"}, 401),
        ({"authorization": "Bearer undefined"}, 401),
        ({"authorization": "Bearer {key}x"}, 401),
        ({"authorization": "Bearer {key} x"}, 401),
        ({"x-api-key": ""}, 401),
        ({"x-api-key": "{short}"}, 401),
        ({"cookie": "key={key}"}, 401),
        ({"authorization": "Bearer {key}", "x-api-key": "{other}"}, 401),
    ],
)
def test_where_a_credential_may_stand(house, trust, headers, status):
    other = house.key[:-1] + ("A" if house.key[-1] != "A" else "B")
    sent = {n: v.format(key=house.key, short=house.key[:-1], other=other) for n, v in headers.items()}
    with httpx2.Client(base_url=house.base, verify=trust) as client:
        answer = client.get("/v1/models", headers=sent)
    assert answer.status_code == status, answer.text
    if status == 401:
        assert answer.json()["error"]["code"] in ("missing_credential", "invalid_api_key")
        assert house.key not in answer.text


def test_a_key_in_the_query_is_no_credential(house, trust):
    with httpx2.Client(base_url=house.base, verify=trust) as client:
        assert client.get(f"/v1/models?key={house.key}&api_key={house.key}").status_code == 401


@pytest.mark.kinds("openai", "anthropic")
@pytest.mark.parametrize("header", ["authorization", "x-api-key", "api-key"])
def test_the_callers_credential_never_leaves(house, trust, kind, upstream, header):
    sent = {
        header: f"Bearer {house.key}" if header == "authorization" else house.key,
        "cookie": "session=abc",
        "x-end-user": "p",
    }
    with httpx2.Client(base_url=house.base, verify=trust, headers=sent) as client:
        assert client.post("/v1/chat/completions", json=body(kind)).status_code == 200
        assert client.post("/v1/messages", json={**body(kind), "max_tokens": 5}).status_code == 200
    assert len(upstream.requests) == 2
    for record in upstream.requests:
        assert house.key.encode() not in record.head + record.body
        assert record.header("cookie") is None
        assert "x-forwarded-for" not in record.head.decode().lower()


@pytest.mark.kinds("openai", "anthropic")
def test_the_providers_credential_stands_where_it_belongs(http, kind, upstream):
    from conftest import CANARY

    http.post("/v1/chat/completions", json=body(kind))
    if kind.name == "openai":
        assert upstream.last.header("authorization") == f"Bearer {CANARY}"
    else:
        assert upstream.last.header("x-api-key") == CANARY
    assert upstream.last.head.count(CANARY.encode()) == 1
    assert upstream.last.secure.startswith("TLSv1.3")
    assert upstream.last.header("host") == f"localhost:{upstream.port}"


# HTTP is for redirects only.


def test_plain_http_redirects_and_does_nothing(gateway, upstream):
    with httpx2.Client() as client:
        answer = client.get(f"http://localhost:{gateway.redirect_port}/v1/models?x=1")
        assert answer.status_code == 308
        assert answer.headers["location"] == f"https://localhost:{gateway.port}/v1/models?x=1"
        answer = client.get(f"http://localhost:{gateway.redirect_port}/", headers={"host": "evil.example"})
        assert answer.status_code == 421 and "location" not in answer.headers
    assert not upstream.requests


@pytest.mark.parametrize("header", ["authorization", "x-api-key", "api-key"])
def test_a_credential_over_plain_http_is_exposed(gateway, house, upstream, header):
    value = f"Bearer {house.key}" if header == "authorization" else house.key
    with httpx2.Client() as client:
        answer = client.post(
            f"http://localhost:{gateway.redirect_port}/v1/chat/completions",
            headers={header: value},
            json={"model": "openai-small", "messages": user("hi")},
        )
    assert answer.status_code == 403 and answer.json()["error"]["code"] == "credential_exposed"
    assert "location" not in answer.headers
    assert not upstream.requests


def test_a_foreign_host_is_misdirected(http):
    answer = http.get("/v1/models", headers={"host": "evil.example"})
    assert answer.status_code == 421 and answer.json()["error"]["code"] == "misdirected_request"


# Clients that leave.


@pytest.mark.prove
@pytest.mark.kinds("openai", "anthropic")
@pytest.mark.parametrize("route", ["chat", "messages", "responses"])
def test_leaving_a_stream_cancels_the_provider_within_100_ms(sdk, kind, upstream, route):
    with upstream.behave(mock_behaviours.drip):
        if route == "chat":
            stream = sdk.openai().chat.completions.create(**body(kind), stream=True)
        elif route == "messages":
            stream = sdk.anthropic().messages.create(**body(kind), max_tokens=100, stream=True)
        else:
            stream = sdk.openai().responses.create(model=kind.model, input="hi", stream=True)
        for number, _ in enumerate(stream):
            if number == 5:
                break
        left = time.monotonic()
        stream.close()
        upstream.until(lambda: upstream.last.gone)
    took = upstream.last.gone - left
    assert took < 0.1, f"the provider saw it after {took * 1000:.0f} ms"


@pytest.mark.kinds("litellm")
def test_leaving_a_stream_reaches_through_litellm(openai_client, kind, upstream):
    """LiteLLM takes its own time; that it comes at all is the point."""
    with upstream.behave(mock_behaviours.drip):
        stream = openai_client.chat.completions.create(**body(kind), stream=True)
        next(iter(stream))
        stream.close()
        upstream.until(lambda: upstream.last.gone, timeout=20)


@pytest.mark.prove
@pytest.mark.kinds("openai", "anthropic")
@pytest.mark.parametrize("behaviour", [mock_behaviours.hang, mock_behaviours.headers_only, mock_behaviours.stall])
@pytest.mark.parametrize("stream", [False, True])
def test_leaving_while_the_provider_is_silent_cancels_it_within_100_ms(house, trust, kind, upstream, behaviour, stream):
    if behaviour is not mock_behaviours.hang and not stream:
        pytest.skip("a whole answer has no such moment")
    with upstream.behave(behaviour):
        left = _leave(house, trust, body(kind, stream=stream), upstream)
        upstream.until(lambda: upstream.last.gone)
    took = upstream.last.gone - left
    assert took < 0.1, f"the provider saw it after {took * 1000:.0f} ms"


@pytest.mark.prove
@pytest.mark.kinds("openai", "anthropic")
def test_a_reset_counts_as_leaving(house, trust, kind, upstream):
    with upstream.behave(mock_behaviours.drip):
        left = _leave(house, trust, body(kind, stream=True), upstream, reset=True)
        upstream.until(lambda: upstream.last.gone)
    assert upstream.last.gone - left < 0.1


def _leave(house, trust, content, upstream, reset=False):
    """Sends a request over a socket of our own, waits until the provider has it, and hangs up. Says when."""
    import json
    import struct

    port = int(house.base.rsplit(":", 1)[1])
    tls = trust.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="localhost")
    data = json.dumps(content).encode()
    tls.sendall(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost:%d\r\nauthorization: Bearer %b\r\n"
        b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (port, house.key.encode(), len(data), data)
    )
    upstream.wait()
    time.sleep(0.15)
    if reset:
        tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    left = time.monotonic()
    tls.close()
    return left


@pytest.mark.kinds("openai")
def test_a_cancelled_task_cancels_the_provider(house, kind, upstream):
    """`asyncio.timeout` around an awaited call, as applications do it."""

    async def give_up():
        async with openai.AsyncOpenAI(base_url=f"{house.base}/v1", api_key=house.key, max_retries=0) as client:
            task = asyncio.create_task(client.chat.completions.create(**body(kind)))
            while not upstream.requests:
                await asyncio.sleep(0.01)
            left = time.monotonic()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return left

    with upstream.behave(mock_behaviours.hang):
        left = asyncio.run(give_up())
        upstream.until(lambda: upstream.last.gone)
    assert upstream.last.gone - left < 0.1


@pytest.mark.kinds("openai", "anthropic")
def test_the_sdks_own_time_limit_cancels_the_provider(sdk, kind, upstream):
    with upstream.behave(mock_behaviours.hang):
        start = time.monotonic()
        with pytest.raises(openai.APITimeoutError):
            sdk.openai(timeout=0.5).chat.completions.create(**body(kind))
        upstream.until(lambda: upstream.last.gone)
    assert 0.4 < time.monotonic() - start < 2
    with upstream.behave(mock_behaviours.hang), pytest.raises(anthropic.APITimeoutError):
        sdk.anthropic(timeout=0.5).messages.create(**body(kind), max_tokens=5)


@pytest.mark.kinds("openai")
def test_a_client_that_does_not_read_holds_the_provider_back(house, trust, kind, upstream):
    """Back-pressure both ways: 20 MB wait at the provider, not in our memory."""
    with upstream.behave(mock_behaviours.flood), httpx2.Client(base_url=house.base, verify=trust, timeout=30) as client:
        headers = {"authorization": f"Bearer {house.key}"}
        with client.stream("POST", "/v1/chat/completions", json=body(kind, stream=True), headers=headers) as answer:
            pieces = answer.iter_raw()
            next(pieces)
            time.sleep(1)
            at_rest = upstream.last.chunks
            assert at_rest < 15_000, "the gateway swallowed the whole stream"
            count = sum(len(piece) for piece in pieces)
    assert count > 20_000_000
    assert upstream.last.answered is not None


# Time limits of the gateway. The keys of a provider's limits are in etc/gatehouse.toml.


@pytest.fixture
def hasty(make_gateway):
    server = make_gateway(
        provider={
            "connect_timeout": "500ms",
            "first_byte_timeout": "700ms",
            "idle_timeout": "600ms",
            "total_timeout": "2s",
        }
    )
    with server:
        yield server


@pytest.fixture
def hasty_client(hasty, trust):
    headers = {"authorization": f"Bearer {hasty.create_key().key}"}
    with httpx2.Client(base_url=hasty.base, headers=headers, verify=trust, timeout=20) as client:
        yield client


@pytest.mark.parametrize("model", ["openai-small", "anthropic-small"])
def test_a_silent_provider_is_given_up(hasty_client, upstream, model):
    for behaviour, stream, at_least in ((mock_behaviours.hang, False, 0.6), (mock_behaviours.hang, True, 0.6)):
        with upstream.behave(behaviour):
            start = time.monotonic()
            answer = hasty_client.post(
                "/v1/chat/completions", json={"model": model, "messages": user("hi"), "stream": stream}
            )
            took = time.monotonic() - start
        assert answer.status_code == 504 and answer.json()["error"]["code"] == "upstream_timeout", answer.text
        assert at_least < took < 1.8
        upstream.until(lambda: upstream.last.gone)


@pytest.mark.parametrize("model", ["openai-small", "anthropic-small"])
def test_a_stream_that_stalls_or_never_ends_is_given_up(hasty_client, upstream, model):
    for behaviour, at_least, at_most in ((mock_behaviours.stall, 0.5, 1.9), (mock_behaviours.drip, 1.8, 3.5)):
        with upstream.behave(behaviour):
            start = time.monotonic()
            answer = hasty_client.post(
                "/v1/chat/completions", json={"model": model, "messages": user("hi"), "stream": True}
            )
            took = time.monotonic() - start
        assert answer.status_code == 200
        assert b'"upstream_timeout"' in answer.content and answer.content.endswith(b"data: [DONE]\n\n")
        assert at_least < took < at_most, f"after {took:.2f} s"
        upstream.until(lambda: upstream.last.gone)


def test_a_timeout_is_the_sdks_internal_server_error(hasty, upstream):
    client = openai.OpenAI(base_url=f"{hasty.base}/v1", api_key=hasty.create_key().key, max_retries=0)
    with upstream.behave(mock_behaviours.hang), pytest.raises(openai.InternalServerError) as failed:
        client.chat.completions.create(model="openai-small", messages=user("hi"))
    assert failed.value.code == "upstream_timeout" and failed.value.status_code == 504


def test_a_provider_that_does_not_take_connections_is_given_up(make_gateway, trust):
    """A listener whose queue is full: the connection neither comes nor is refused."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(deaf.getsockname())
        server = make_gateway(
            {
                "gateway.provider": [
                    {
                        "name": "deaf",
                        "kind": "openai",
                        "base_url": f"https://127.0.0.1:{deaf.getsockname()[1]}/v1",
                        "key": "env:CANARY_OPENAI",
                        "connect_timeout": "500ms",
                    }
                ],
                "gateway.model": [{"name": "deaf", "provider": "deaf", "upstream": "x"}],
            }
        )
        with server:
            headers = {"authorization": f"Bearer {server.create_key().key}"}
            with httpx2.Client(base_url=server.base, headers=headers, verify=trust, timeout=20) as client:
                start = time.monotonic()
                answer = client.post("/v1/chat/completions", json={"model": "deaf", "messages": user("hi")})
        took = time.monotonic() - start
        for each in waiting:
            each.close()
    assert answer.status_code in (502, 504) and answer.json()["error"]["code"] in ("upstream_timeout", "upstream_error")
    assert took < 8


@pytest.mark.parametrize("fault", ["expired", "wrong name", "unknown authority", "self-signed", "nobody there"])
def test_a_provider_that_cannot_prove_itself_is_not_talked_to(make_gateway, authority, trust, tmp_path, fault):
    from certificates import Authority
    from gateway import free_port
    from mock_upstream import MockUpstream

    certificate = {
        "expired": lambda: authority.leaf("expired", days=-3),
        "wrong name": lambda: authority.leaf("wrong", ["other.example"]),
        "unknown authority": lambda: Authority(tmp_path).leaf("unknown"),
        "self-signed": lambda: authority.leaf("itself", vouches_for_itself=True),
        "nobody there": lambda: authority.leaf("nobody"),
    }[fault]()
    with MockUpstream(*certificate) as impostor:
        port = free_port() if fault == "nobody there" else impostor.port
        server = make_gateway(
            {
                "gateway.provider": [
                    {
                        "name": "impostor",
                        "kind": "openai",
                        "base_url": f"https://localhost:{port}/v1",
                        "key": "env:CANARY_OPENAI",
                        "ca": str(authority.certificate),
                    }
                ],
                "gateway.model": [{"name": "impostor", "provider": "impostor", "upstream": "x"}],
            }
        )
        with server:
            headers = {"authorization": f"Bearer {server.create_key().key}"}
            with httpx2.Client(base_url=server.base, headers=headers, verify=trust, timeout=20) as client:
                answer = client.post("/v1/chat/completions", json={"model": "impostor", "messages": user("hi")})
        assert answer.status_code == 502 and answer.json()["error"]["code"] == "upstream_error", answer.text
        assert not impostor.requests


# Reload and drain.


def test_a_request_in_flighs_survives_a_drain(make_gateway, trust):
    server = make_gateway().start()
    headers = {"authorization": f"Bearer {server.create_key().key}"}
    pieces = []

    def read():
        with httpx2.Client(base_url=server.base, headers=headers, verify=trust, timeout=20) as client:
            content = {"model": "echo", "messages": user("/pace 100ms\n/tokens 10"), "stream": True}
            with client.stream("POST", "/v1/chat/completions", json=content) as answer:
                pieces.extend(answer.iter_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    while not pieces:
        time.sleep(0.01)
    assert server.stop() == 0
    reader.join(10)
    assert b"".join(pieces).endswith(b"data: [DONE]\n\n")
    assert b'"error"' not in b"".join(pieces)


def test_a_reload_takes_new_models_and_keeps_connections(make_gateway, trust):
    import signal

    server = make_gateway().start()
    headers = {"authorization": f"Bearer {server.create_key().key}"}
    with httpx2.Client(base_url=server.base, headers=headers, verify=trust, timeout=20) as client:
        assert client.get("/v1/models/late").status_code == 404
        server.tables["gateway.model"].append({"name": "late", "provider": "builtin", "upstream": "echo"})
        server.write()
        server.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 5
        while client.get("/v1/models/late").status_code != 200 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert client.get("/v1/models/late").status_code == 200
        server.file.write_text("mode = ")  # Broken: said, and not obeyed.
        server.process.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        assert client.get("/v1/models/late").status_code == 200
        assert "gatehouse.toml:1:" in server.logs()
    assert server.stop() == 0
