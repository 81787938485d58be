# SPDX-License-Identifier: Apache-2.0
"""A provider that fails behind a program (row S4): it is asked once more where that is safe, the program is never run again, and what
was held back is settled once."""

import asyncio
import json

import httpx2
import mock_behaviours
import pytest

from sandbox_house import SandboxHouse

TOOL = {"type": "code_interpreter", "container": {"type": "auto"}}
BUDGET = 1_000_000_000


@pytest.fixture(scope="module")
def house(mock_server, authority):
    usual = {
        "kind": "openai", "base_url": f"{mock_server.url}/v1", "ca": str(authority.certificate),
        "breaker_failures": 0, "first_byte_timeout": "3s",
    }  # fmt: skip
    tables = {
        "gateway": {},
        "gateway.provider": [{"name": "patient", "retries": 1, **usual}, {"name": "strict", "retries": 0, **usual}],
        "gateway.model": [
            {"name": "patient", "provider": "patient", "upstream": "mock-small"},
            {"name": "chained", "provider": "strict", "upstream": "mock-small", "fallback": ["other"]},
            {"name": "other", "provider": "strict", "upstream": "mock-large"},
        ],
        "limiter": {"tenant_budget": [f"{BUDGET} tokens total"]},
    }
    with SandboxHouse(more=tables) as made:
        yield made


@pytest.fixture
def caller(house):
    key = house.create_key(["executions", "chat", "usage.read"])
    with httpx2.Client(
        base_url=house.server.base, verify=house.trust, timeout=60, headers={"authorization": f"Bearer {key}"}
    ) as client:
        yield client


def ask(caller, model, stream):
    content = f"/tool code_interpreter {json.dumps({'code': 'print(6*7)'})}"
    body = {"model": model, "messages": [{"role": "user", "content": content}], "tools": [TOOL], "max_tokens": 50, "stream": stream}
    if stream:
        body["stream_options"] = {"include_usage": True}
    return caller.post("/v1/chat/completions", json=body)


def runs(house):
    return sum(int(line.split()[-1]) for line in house.metrics().splitlines() if line.startswith("gatehouse_sandbox_runs_total"))


def spent(caller):
    """Of the budget, and in the books."""
    limits = caller.get("/v1/limits").json()["data"]
    left = next(limit["remaining"] for limit in limits if (limit["name"], limit["scope"]) == ("budget_tokens_total", "tenant"))
    total = caller.get("/v1/usage").json()["total"]
    return BUDGET - left, total["input_tokens"] + total["output_tokens"]


def behind_the_program(behaviour, times=None):
    """Answers as usual what has no result of a program in it, and so what has one, always or for the first `times`."""
    left = times

    async def chosen(exchange):
        nonlocal left
        if left == 0 or all(message["role"] != "tool" for message in exchange.record.json["messages"]):
            return await mock_behaviours.default(exchange)
        left = None if left is None else left - 1
        await behaviour(exchange)

    return chosen


def text(answer, stream):
    if not stream:
        return answer.json()["choices"][0]["message"]["content"]
    chunks = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])


def used(answer, stream):
    if not stream:
        return answer.json()["usage"]["total_tokens"]
    chunks = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    return next(chunk["usage"]["total_tokens"] for chunk in chunks if chunk.get("usage"))


@pytest.mark.parametrize("stream", [False, True])
def test_a_second_round_that_was_not_begun_is_asked_once_more_and_the_program_is_not(house, caller, upstream, stream):
    before, ran = spent(caller), runs(house)
    with upstream.behave(behind_the_program(mock_behaviours.status(503), times=1)):
        answer = ask(caller, "patient", stream)
    assert answer.status_code == 200 and "42" in text(answer, stream), answer.text
    assert len(upstream.requests) == 3 and runs(house) == ran + 1
    # The same was asked, with what came of the one run.
    assert upstream.requests[1].json == upstream.requests[2].json
    # Both rounds that were answered, once each.
    assert tuple(now - then for now, then in zip(spent(caller), before)) == (used(answer, stream),) * 2


async def late_reset(exchange):
    """Not at once: where a kept connection is closed within a second, the provider is taken not to have read it (ClientExchange)."""
    await asyncio.sleep(1.3)
    exchange.reset()


TROUBLES = [mock_behaviours.hang, mock_behaviours.cut_stream, late_reset]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.__name__)
def test_one_that_the_provider_may_be_at_work_on_is_not(house, caller, upstream, trouble, stream):
    before, ran = spent(caller), runs(house)
    with upstream.behave(behind_the_program(trouble)):
        answer = ask(caller, "patient", stream)
    # Whoever has had the beginning is told in the stream.
    assert answer.status_code == 200 if stream else answer.status_code in (502, 504), answer.text
    assert '"error"' in answer.text and '"finish_reason":"stop"' not in answer.text
    assert len(upstream.requests) == 2 and runs(house) == ran + 1
    # Nobody knows what it counted: it stands at the worst case, once, in the budget as in the books.
    budget, books = (now - then for now, then in zip(spent(caller), before))
    assert budget == books > 50 * 2


@pytest.mark.parametrize("stream", [False, True])
def test_no_other_model_has_the_program_run_again(house, caller, upstream, stream):
    ran = runs(house)
    with upstream.behave(behind_the_program(mock_behaviours.status(503))):
        answer = ask(caller, "chained", stream)
    assert answer.status_code == 200 if stream else answer.status_code == 503, answer.text
    assert '"error"' in answer.text
    assert [record.json["model"] for record in upstream.requests] == ["mock-small"] * 2 and runs(house) == ran + 1
    budget, books = spent(caller)
    assert budget == books
    # Where nothing was run yet another may answer, and has it run.
    with upstream.behave(mock_behaviours.status(503, times=1)):
        answer = ask(caller, "chained", stream)
    assert answer.status_code == 200 and "42" in text(answer, stream)
    assert [record.json["model"] for record in upstream.requests[2:]] == ["mock-small", "mock-large", "mock-large"]
    assert runs(house) == ran + 2
