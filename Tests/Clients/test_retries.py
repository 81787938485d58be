# SPDX-License-Identifier: Apache-2.0
"""Retries (row S4): the upstream's own count of what was asked once more, where that is safe, and of what was not."""

import httpx2
import mock_behaviours as behaviours
import pytest


def caller(server):
    key = server.create_key(scopes=["chat"])
    return httpx2.Client(
        base_url=server.base, verify=server.trust, timeout=60, headers={"authorization": f"Bearer {key.key}"}
    )


def ask(client, **more):
    body = {"model": "openai-small", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}], **more}
    return client.post("/v1/chat/completions", json=body)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("code", [429, 500, 503])
def test_what_the_provider_did_not_do_is_asked_once_more(make_gateway, upstream, code, stream):
    with make_gateway({"limiter": {"tenant_budget": ["1000000 tokens total"]}}, provider={"retries": 2}) as server:
        client = caller(server)
        with upstream.behave(behaviours.status(code, times=2)):
            answer = ask(client, stream=stream)
        assert answer.status_code == 200 and len(upstream.requests) == 3
        # What failed has cost nothing.
        left = client.get("/v1/limits").json()["data"]
        budget = next(limit for limit in left if limit["name"] == "budget_tokens_total" and limit["scope"] == "tenant")
        if not stream:
            assert 1_000_000 - budget["remaining"] == answer.json()["usage"]["total_tokens"]
        # As often as there is budget for, and then it is the client's turn.
        with upstream.behave(behaviours.status(code)):
            assert ask(client).status_code in (429, 502, 503)
        assert len(upstream.requests) == 5


@pytest.mark.parametrize("code", [400, 401, 504])
def test_what_another_moment_does_not_help_is_not(make_gateway, upstream, code):
    with make_gateway(provider={"retries": 2}) as server, upstream.behave(behaviours.status(code)):
        assert ask(caller(server)).status_code != 200
    assert len(upstream.requests) == 1


def test_what_the_provider_may_be_at_work_on_is_not_sent_again(make_gateway, upstream):
    with make_gateway(provider={"retries": 2, "first_byte_timeout": "300ms"}) as server:
        client = caller(server)
        with upstream.behave(behaviours.hang):
            assert ask(client).status_code == 504
        with upstream.behave(behaviours.reset):
            assert ask(client).status_code == 502
    assert len(upstream.requests) == 2


def test_a_provider_that_fails_gets_a_tenth_more_and_not_three_times_as_much(make_gateway, upstream):
    with make_gateway(provider={"retries": 5}) as server, upstream.behave(behaviours.status(503)):
        client = caller(server)
        for _ in range(20):
            ask(client)
    # Three to begin with, and a tenth of the calls.
    assert len(upstream.requests) == 20 + 3 + 2


def test_a_provider_that_is_slow_trips_its_breaker_where_that_is_asked_for(make_gateway, upstream):
    rules = {"breaker_failures": 50, "breaker_calls": 4, "breaker_pause": "60s", "breaker_latency": "200ms"}
    with make_gateway(provider=rules) as server:
        client = caller(server)
        slow = {"messages": [{"role": "user", "content": "/delay 400ms\nhello"}]}
        assert [ask(client, **slow).status_code for _ in range(4)] == [200] * 4
        assert ask(client).status_code == 503
    assert len(upstream.requests) == 4
