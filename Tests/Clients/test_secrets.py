# SPDX-License-Identifier: Apache-2.0
"""Row H7: a provider's key never reaches a client, a log or an error, whatever the provider does with it.

The upstream echoes the key it was called with in every place an answer has (test_mock proves that it does). The key
is then looked for in what the client received, as it is and as a client would see it after undoing JSON escapes,
events and common encodings; and in the log. And row W1: our own keys stand nowhere on disk and in no log.
"""

import base64
import json
import re
import socket
import urllib.parse

import httpx2
import pytest

import litellm_proxy
import mock_behaviours
from conftest import CANARY

pytestmark = pytest.mark.usefixtures("gateway")

ROUTES = ["/v1/chat/completions", "/v1/messages", "/v1/responses", "/v1/completions"]


def body_for(route, model, stream):
    body = {"model": model, "stream": stream}
    if route == "/v1/responses":
        return {**body, "input": "hi"}
    if route == "/v1/completions":
        return {**body, "prompt": "hi"}
    body["messages"] = [{"role": "user", "content": "hi"}]
    return {**body, "max_tokens": 50} if route == "/v1/messages" else body


def exchange(house, trust, route, body, path_method="POST"):
    """The whole answer as bytes, head and all, over a socket of our own: nothing is tidied up on the way."""
    port = int(house.base.rsplit(":", 1)[1])
    data = json.dumps(body).encode()
    head = (
        f"{path_method} {route} HTTP/1.1\r\nhost: localhost:{port}\r\nauthorization: Bearer {house.key}\r\n"
        f"content-type: application/json\r\nconnection: close\r\ncontent-length: {len(data)}\r\n\r\n"
    )
    received = b""
    with trust.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="localhost") as tls:
        tls.settimeout(20)
        tls.sendall(head.encode() + data)
        while piece := tls.recv(65536):
            received += piece
    return received


def unchunked(received):
    head, _, rest = received.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" not in head.lower():
        return head, rest
    body = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        count = int(size.split(b";")[0] or b"0", 16)
        if count == 0:
            break
        body, rest = body + rest[:count], rest[count + 2 :]
    return head, body


def strings(value):
    """Every string and every name in a JSON value, in order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from strings(item)


def deltas(value, found):
    """The pieces a client puts together: texts, refusals, thoughts and arguments, apart by where they stand."""
    if isinstance(value, dict):
        for name, item in value.items():
            if isinstance(item, str) and name in (
                "content",
                "text",
                "partial_json",
                "arguments",
                "thinking",
                "refusal",
                "delta",
                "reasoning_content",
                "name",
                "id",
            ):
                found.setdefault(name, []).append(item)
            deltas(item, found)
    elif isinstance(value, list):
        for item in value:
            deltas(item, found)


def views(received):
    """What a client may make of the bytes: name of the view, and text."""
    head, body = unchunked(received)
    yield "head", head.decode("latin-1")
    text = body.decode("utf-8", "replace")
    yield "body", text
    documents = []
    for candidate in [text, *re.findall(r"^data: ?(.*)$", text, re.MULTILINE)]:
        try:
            documents.append(json.loads(candidate))
        except ValueError:
            continue
    together = {}
    for document in documents:
        yield "strings", "\x00".join(strings(document))
        if len(documents) > 1:
            deltas(document, together)
    for name, pieces in together.items():
        yield f"joined {name}", "".join(pieces)


def leaks(received, secret=CANARY):
    """Where the secret, or six letters in a row of its random part in a disguise, can be found."""
    needles = {needle for needle in mock_behaviours.disguises(secret)}
    found = []
    for name, text in views(received):
        for needle in needles:
            if needle in text or needle.lower() in text.lower():
                found.append((name, needle))
        for word in re.findall(r"[A-Za-z0-9+/_=-]{16,}", text):
            try:
                if secret in base64.b64decode(
                    word + "=" * (-len(word) % 4), altchars=b"-_" if "-" in word or "_" in word else None
                ).decode("latin-1"):
                    found.append((name, word))
            except ValueError:
                pass
        if secret in urllib.parse.unquote(text):
            found.append((name, "percent"))
    return found


@pytest.mark.parametrize(
    "text",
    [
        CANARY,
        json.dumps({"a": CANARY}),
        "".join(f"\\u{ord(c):04x}" for c in CANARY),
        base64.b64encode(CANARY.encode()).decode(),
        CANARY.encode().hex().upper(),
        "%73" + CANARY[1:],
    ],
)
def test_the_search_finds_what_it_should(text):
    assert leaks(b'HTTP/1.1 200 OK\r\n\r\n{"x": "' + text.replace('"', '\\"').encode() + b'"}')
    assert leaks(b"HTTP/1.1 200 OK\r\nx-echo: " + text.encode() + b"\r\n\r\n{}") or text.startswith("\\u")


def test_the_search_finds_what_is_split():
    events = b"".join(b'data: {"choices": [{"delta": {"content": "%b"}}]}\n\n' % c.encode() for c in CANARY)
    assert leaks(b"HTTP/1.1 200 OK\r\n\r\n" + events)
    assert not leaks(b"HTTP/1.1 200 OK\r\n\r\n" + events.replace(b"Z", b"*"))


def check(house, trust, upstream, kind, route, stream, behaviour):
    with upstream.behave(behaviour):
        received = exchange(house, trust, route, body_for(route, kind.model, stream))
    assert upstream.requests, f"the upstream was not called: {received[:300]!r}"
    assert CANARY.encode() in upstream.last.head, "the provider did not get its key: the test proves nothing"
    assert received.startswith(b"HTTP/1.1 "), received[:100]
    assert not leaks(received), f"{leaks(received)} in {received[:3000]!r}"
    return received


@pytest.mark.kinds("openai", "anthropic")
@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("echo", mock_behaviours.ECHOES)
def test_the_providers_key_stays_out_of_answers(house, trust, upstream, kind, route, echo):
    check(house, trust, upstream, kind, route, False, mock_behaviours.ECHOES[echo])


@pytest.mark.kinds("openai", "anthropic")
@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("echo", mock_behaviours.STREAM_ECHOES)
def test_the_providers_key_stays_out_of_streams(house, trust, upstream, kind, route, echo):
    check(house, trust, upstream, kind, route, True, mock_behaviours.STREAM_ECHOES[echo])


@pytest.mark.kinds("openai", "anthropic")
@pytest.mark.parametrize("echo", ["error_401", "redirect", "body"])
def test_the_providers_key_stays_out_of_other_answers(house, trust, upstream, kind, echo):
    with upstream.behave(mock_behaviours.ECHOES[echo]):
        if kind.name == "openai":
            received = exchange(house, trust, "/v1/embeddings", {"model": "openai-embedding", "input": "hi"})
        else:
            body = body_for("/v1/messages", kind.model, False)
            received = exchange(house, trust, "/v1/messages/count_tokens", {k: body[k] for k in ("model", "messages")})
    assert upstream.requests and not leaks(received), leaks(received)


@pytest.mark.kinds("openai", "anthropic")
def test_what_is_around_a_scrubbed_key_still_arrives(house, trust, upstream, kind):
    """Scrubbing takes the key and leaves the answer."""
    with upstream.behave(mock_behaviours.echo_stream_halves):
        received = exchange(house, trust, "/v1/chat/completions", body_for("/v1/chat/completions", kind.model, True))
    joined = dict(view for view in views(received) if view[0].startswith("joined"))["joined content"]
    assert joined.startswith("before ") and joined.endswith(" after"), joined


@pytest.mark.kinds("litellm")
def test_the_key_of_litellm_stays_out_of_its_errors(house, trust, kind):
    for route in ROUTES:
        for model in ("litellm-rate-limited", "litellm-broken", "litellm-too-long"):
            received = exchange(house, trust, route, body_for(route, model, False))
            assert not leaks(received, litellm_proxy.KEY)


def test_the_log_has_neither_the_providers_keys_nor_ours(gateway, house, http, upstream):
    """After everything above (files run in order); and once more for a key that is wrong by one letter."""
    near = house.key[:-1] + ("A" if house.key[-1] != "A" else "B")
    http.get("/v1/models", headers={"authorization": f"Bearer {near}"})
    with upstream.behave(mock_behaviours.echo_error(500)):
        http.post("/v1/chat/completions", json=body_for("/v1/chat/completions", "openai-small", False))
    log = gateway.logs()
    assert log, "there is no log"
    for secret in (CANARY, litellm_proxy.KEY, house.key, near):
        for needle in mock_behaviours.disguises(secret):
            assert needle not in log, f"{needle} stands in the log"
    assert house.key[12:] not in log


def test_our_keys_stand_nowhere_on_disk(gateway, house):
    """Row W1: prefix and digest only. In plain and in the encodings one would think of."""
    secret = house.key[12:]
    seen = 0
    for file in gateway.directory.rglob("*"):
        if not file.is_file():
            continue
        seen += 1
        content = file.read_bytes()
        for needle in mock_behaviours.disguises(house.key) + [secret]:
            assert needle.encode() not in content, f"{file} holds a key"
        assert CANARY.encode() not in content, f"{file} holds a provider's key"
    assert seen >= 3
    listed = gateway.command("key", "list").stdout + gateway.command("key", "list", "--json").stdout
    assert secret not in listed and house.key[:12] in listed


@pytest.mark.parametrize("written", ["sk-live-0123456789abcdef", "env", "vault:secret/x", ""])
def test_a_key_written_into_the_configuration_is_refused_and_not_repeated(make_gateway, upstream, written):
    server = make_gateway(
        {
            "gateway.provider": [
                {"name": "openai", "kind": "openai", "base_url": f"{upstream.url}/v1", "key": written}
            ],
            "gateway.model": [{"name": "m", "provider": "openai", "upstream": "x"}],
        }
    )
    done = server.command("check", check=False)
    assert done.returncode == 1
    assert "gatehouse.toml:" in done.stderr and "key" in done.stderr
    assert not written.startswith("sk-") or written not in done.stdout + done.stderr


def test_a_provider_key_from_a_file(make_gateway, authority, trust, upstream, tmp_path):
    secret = tmp_path / "provider.key"
    secret.touch(mode=0o600)
    secret.write_text("sk-from-a-file\n")
    server = make_gateway(
        {
            "gateway.provider": [
                {
                    "name": "openai",
                    "kind": "openai",
                    "base_url": f"{upstream.url}/v1",
                    "key": f"file:{secret}",
                    "ca": str(authority.certificate),
                }
            ],
            "gateway.model": [{"name": "m", "provider": "openai", "upstream": "x"}],
        }
    )
    with server:
        headers = {"authorization": f"Bearer {server.create_key().key}"}
        with httpx2.Client(base_url=server.base, headers=headers, verify=trust) as client:
            assert (
                client.post("/v1/chat/completions", json=body_for("/v1/chat/completions", "m", False)).status_code
                == 200
            )
    assert upstream.last.header("authorization") == "Bearer sk-from-a-file"


@pytest.mark.parametrize("source", ["env:NO_SUCH_VARIABLE", "file:/no/such/file", "credential:no-such"])
def test_a_provider_key_that_is_missing_is_named(make_gateway, upstream, source):
    server = make_gateway(
        {
            "gateway.provider": [{"name": "openai", "kind": "openai", "base_url": f"{upstream.url}/v1", "key": source}],
            "gateway.model": [{"name": "m", "provider": "openai", "upstream": "x"}],
        }
    )
    server.write()
    done = server.command("serve", check=False)
    assert done.returncode == 1
    assert source.split(":", 1)[1] in done.stderr or source in done.stderr


@pytest.mark.parametrize("text", ["sk-7", "k" * 8193], ids=["short", "long"])
def test_a_provider_key_that_cannot_be_guarded_is_named_and_not_shown(make_gateway, upstream, tmp_path, text):
    source = tmp_path / "key"
    source.write_text(text + "\n")
    source.chmod(0o600)
    provider = {"name": "frugal", "kind": "openai", "base_url": f"{upstream.url}/v1", "key": f"file:{source}"}
    server = make_gateway(
        {"gateway.provider": [provider], "gateway.model": [{"name": "m", "provider": "frugal", "upstream": "x"}]}
    )
    server.write()
    done = server.command("serve", check=False)
    assert done.returncode == 1 and 'provider "frugal"' in done.stderr, done.stderr
    assert str(source) in done.stderr and text not in done.stderr
