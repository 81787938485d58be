# SPDX-License-Identifier: Apache-2.0
"""The breaker of each model (row S4): the upstream's own count stops, and goes on by single probes when it has healed."""

import concurrent.futures
import json
import time

import httpx2
import mock_behaviours
import pytest

BREAKER = {"breaker_failures": 50, "breaker_calls": 6, "breaker_pause": "1s"}


@pytest.fixture
def server(make_gateway):
    with make_gateway(provider=BREAKER) as server:
        yield server


@pytest.fixture
def caller(server):
    key = server.create_key(scopes=["chat"])
    with httpx2.Client(
        base_url=server.base, verify=server.trust, timeout=30, headers={"authorization": f"Bearer {key.key}"}
    ) as client:
        yield client


def ask(caller, text, model="openai-small"):
    body = {"model": model, "messages": [{"role": "user", "content": text}]}
    return caller.post("/v1/chat/completions", json=body)


def assert_it_heals(caller, upstream):
    """After six calls that tripped it: one probe passes, two more close it, and then everything goes through."""
    deadline = time.monotonic() + 20
    while ask(caller, "hello").status_code == 503 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [ask(caller, "hello").status_code for _ in range(5)] == [200] * 5
    assert len(upstream.requests) == 6 + 1 + 5


def test_a_provider_that_fails_is_left_alone_until_it_has_healed(server, caller, upstream):
    for _ in range(6):
        assert ask(caller, "/fail 500\nno").status_code == 502
    assert len(upstream.requests) == 6
    for _ in range(20):
        answer = ask(caller, "hello")
        assert answer.status_code == 503 and answer.json()["error"]["code"] == "circuit_open"
        assert 1 <= int(answer.headers["retry-after"]) <= 2
    assert len(upstream.requests) == 6
    # Another model of the same provider goes on.
    assert ask(caller, "hello", "mock-large").status_code == 200
    states = {
        model["name"]: model["state"]
        for provider in json.loads(server.command("provider", "list", "--json").stdout)["providers"]
        for model in provider.get("models", [])
    }
    assert states["openai-small"] == "open" and states["mock-large"] == "closed"
    time.sleep(1.5)
    # It is back: three probes, and then everything.
    assert [ask(caller, "hello").status_code for _ in range(5)] == [200] * 5
    assert len(upstream.requests) == 6 + 1 + 5


def test_a_probe_that_fails_keeps_it_shut_for_longer(caller, upstream):
    for _ in range(6):
        ask(caller, "/fail 503\nno")
    time.sleep(1.5)
    assert ask(caller, "/fail 503\nno").status_code != 200
    assert len(upstream.requests) == 7
    time.sleep(1.5)
    assert ask(caller, "hello").json()["error"]["code"] == "circuit_open"
    assert len(upstream.requests) == 7


@pytest.mark.parametrize("trouble", ["hang", "late"])
def test_a_provider_that_hangs_or_is_late_is_left_alone_until_it_has_healed(make_gateway, upstream, trouble):
    rules = {**BREAKER, "first_byte_timeout": "1s"} if trouble == "hang" else {**BREAKER, "breaker_latency": "150ms"}
    words, status = {"hang": ("/hang", 504), "late": ("/delay 400ms\nhello", 200)}[trouble]
    with make_gateway(provider={**rules, "breaker_pause": "4s"}) as server:
        key = server.create_key(scopes=["chat"])
        with httpx2.Client(
            base_url=server.base, verify=server.trust, timeout=30, headers={"authorization": f"Bearer {key.key}"}
        ) as caller:
            with concurrent.futures.ThreadPoolExecutor(6) as pool:
                answers = list(pool.map(lambda _: ask(caller, words).status_code, range(6)))
            assert answers == [status] * 6 and len(upstream.requests) == 6
            for _ in range(10):
                answer = ask(caller, "hello")
                assert answer.json()["error"]["code"] == "circuit_open" and int(answer.headers["retry-after"]) >= 1
            assert len(upstream.requests) == 6
            assert_it_heals(caller, upstream)


# What began well and ends badly: words that stop coming, a connection that is cut, words that never end.
BROKEN_OFF = {
    "stall": (mock_behaviours.stall, {"idle_timeout": "1s"}),
    "cut": (mock_behaviours.cut_stream, {}),
    "drip": (mock_behaviours.drip, {"total_timeout": "2s"}),
}


@pytest.mark.parametrize("trouble", BROKEN_OFF)
def test_a_provider_that_breaks_off_in_mid_stream_is_left_alone_until_it_has_healed(make_gateway, upstream, trouble):
    behaviour, limits = BROKEN_OFF[trouble]
    with make_gateway(provider={**BREAKER, **limits, "breaker_pause": "4s"}) as server:
        key = server.create_key(scopes=["chat"])
        headers = {"authorization": f"Bearer {key.key}"}
        with httpx2.Client(base_url=server.base, verify=server.trust, timeout=60, headers=headers) as caller:
            body = {"model": "openai-small", "messages": [{"role": "user", "content": "hello"}], "stream": True}
            with upstream.behave(behaviour), concurrent.futures.ThreadPoolExecutor(6) as pool:
                answers = list(pool.map(lambda _: caller.post("/v1/chat/completions", json=body), range(6)))
            # Each client has had the beginning, is told in the stream, and is not told that it was whole.
            for answer in answers:
                assert answer.status_code == 200 and '"error"' in answer.text, answer.text[-300:]
                assert '"finish_reason":"stop"' not in answer.text.replace(" ", "")
            assert len(upstream.requests) == 6
            for _ in range(10):
                refusal = caller.post("/v1/chat/completions", json=body)
                assert refusal.status_code == 503 and refusal.json()["error"]["code"] == "circuit_open"
                assert int(refusal.headers["retry-after"]) >= 1
            assert len(upstream.requests) == 6
            assert_it_heals(caller, upstream)


def test_what_clients_do_wrong_trips_nothing(caller, upstream):
    for _ in range(20):
        assert ask(caller, "/fail 400\nno").status_code == 400
    assert ask(caller, "hello").status_code == 200
    assert len(upstream.requests) == 21


def test_without_a_breaker_the_upstream_is_asked_each_time(make_gateway, upstream):
    with make_gateway() as server:
        key = server.create_key(scopes=["chat"])
        client = httpx2.Client(
            base_url=server.base, verify=server.trust, timeout=30, headers={"authorization": f"Bearer {key.key}"}
        )
        for _ in range(20):
            ask(client, "/fail 500\nno")
    assert len(upstream.requests) == 20
