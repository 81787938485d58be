# SPDX-License-Identifier: Apache-2.0
"""Pools of models of equal standing (row S4): which of them is asked is counted at the upstream."""

import collections

import httpx2
import mock_behaviours as behaviours


def laid(make_gateway, weight=3, **more):
    server = make_gateway(**more)
    models = server.tables["gateway.model"]
    first = next(model for model in models if model["name"] == "openai-small")
    first["pool"] = ["second"]
    models.append({"name": "second", "provider": "openai", "upstream": "second-up", "weight": weight})
    return server, first["upstream"]


def ask(server, count, **key):
    made = server.create_key(scopes=["chat"], **key)
    body = {"model": "openai-small", "messages": [{"role": "user", "content": "hello"}]}
    with httpx2.Client(
        base_url=server.base, verify=server.trust, timeout=60, headers={"authorization": f"Bearer {made.key}"}
    ) as client:
        return [client.post("/v1/chat/completions", json=body) for _ in range(count)]


def asked(upstream):
    return collections.Counter(record.json["model"] for record in upstream.requests)


def test_calls_are_spread_over_a_pool_and_each_answer_says_who_gave_it(make_gateway, upstream):
    server, upstream_name = laid(make_gateway)
    with server:
        answers = ask(server, 120)
    assert [answer.status_code for answer in answers] == [200] * 120
    told = collections.Counter(answer.headers["x-gatehouse-model"] for answer in answers)
    seen = asked(upstream)
    assert (told["openai-small"], told["second"]) == (seen[upstream_name], seen["second-up"])
    # By weight one in four; how quick each was plays a part.
    assert seen[upstream_name] >= 5 and seen["second-up"] >= 30


def test_who_fails_is_left_out_once_its_breaker_is_open_and_the_other_answers_all_along(make_gateway, upstream):
    rules = {"breaker_failures": 50, "breaker_calls": 3, "breaker_pause": "60s"}

    async def broken(exchange):
        broken_one = exchange.record.json["model"] == "second-up"
        await (behaviours.status(500) if broken_one else behaviours.default)(exchange)

    server, upstream_name = laid(make_gateway, weight=1000, provider=rules)
    with server, upstream.behave(broken):
        assert [answer.status_code for answer in ask(server, 20)] == [200] * 20
    assert asked(upstream) == {upstream_name: 20, "second-up": 3}


def test_a_key_that_is_bound_to_one_model_is_not_taken_to_the_others(make_gateway, upstream):
    server, upstream_name = laid(make_gateway, weight=1000)
    with server:
        assert {answer.status_code for answer in ask(server, 10, models=["openai-small"])} == {200}
    assert asked(upstream) == {upstream_name: 10}
