# SPDX-License-Identifier: Apache-2.0
"""Limits and budgets (rows S1 and S2): how many calls reach the upstream is counted there, through races, streams that do not
end, restarts and kill -9."""

import concurrent.futures
import decimal
import json
import threading
import time

import httpx2
import pytest

# A token costs a dollar.
PRICES = {"input_price": "1000000", "output_price": "1000000"}
# And what makes every sum odd: nano-dollars for a million tokens.
ODD_INPUT, ODD_OUTPUT = 151_003_007, 613_000_019
ODD = {"input_price": "0.151003007", "output_price": "0.613000019"}


def bill(usage):
    """What the provider bills, in nano-dollars, rounded up for each call."""
    return -(-(usage["prompt_tokens"] * ODD_INPUT + usage["completion_tokens"] * ODD_OUTPUT) // 1_000_000)


def nano(text):
    """Nano-dollars of a decimal text."""
    return int(decimal.Decimal(text) * 1_000_000_000)


def house(make_gateway, limiter, prices=PRICES, **more):
    server = make_gateway({"limiter": limiter, **more})
    models = server.tables["gateway.model"]
    for name in ("drip", "hang", "slow-first-byte"):
        models.append({"name": name, "provider": "openai", "upstream": f"do-{name}"})
    for model in models:
        if model["provider"] == "openai":
            model.update(prices)
    return server


def client(server, key=None):
    key = key or server.create_key(scopes=["chat", "embeddings", "usage.read"])
    return httpx2.Client(
        base_url=server.base, verify=server.trust, timeout=60, headers={"authorization": f"Bearer {key.key}"}
    )


def chat(text, model="openai-small", **more):
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def left(caller, name, scope="tenant"):
    limits = caller.get("/v1/limits").json()["data"]
    return next(limit["remaining"] for limit in limits if (limit["name"], limit["scope"]) == (name, scope))


def settles(caller, name, remaining):
    """Whether so much is left soon: an exchange settles behind the last byte of its answer."""
    for _ in range(100):
        if decimal.Decimal(left(caller, name)) == remaining:
            return True
        time.sleep(0.05)
    return False


JSON = {"content-type": "application/json"}


@pytest.mark.parametrize("shape", ["chat", "stream", "embeddings"])
def test_of_many_at_once_on_a_budget_for_one_the_upstream_sees_one(make_gateway, upstream, shape):
    path, body = {
        "chat": ("/v1/chat/completions", chat("/delay 300ms\nhello", max_tokens=4)),
        "stream": ("/v1/chat/completions", chat("/delay 300ms\nhello", max_tokens=4, stream=True)),
        "embeddings": ("/v1/embeddings", {"model": "openai-embedding", "input": "hello"}),
    }[shape]
    content = json.dumps(body)
    # What is held back for one, to the token: whatever the first uses, there is no room for a second then.
    worst = len(content) + (0 if shape == "embeddings" else 4)
    with house(make_gateway, {"tenant_budget": [f"${worst} total"]}, http={"loops": 4}) as server:
        caller = client(server)
        caller.headers["content-type"] = "application/json"
        with concurrent.futures.ThreadPoolExecutor(50) as pool:
            statuses = list(pool.map(lambda _: caller.post(path, content=content).status_code, range(200)))
    assert sorted(statuses) == [200] + [429] * 199
    assert len(upstream.requests) == 1


def test_of_many_runs_at_once_on_a_budget_for_one_the_upstream_sees_one(make_gateway, upstream):
    # The worst case is 4096 tokens and a few words; the first run is under way while the others ask.
    with house(make_gateway, {"tenant_budget": ["$5000 total"]}, http={"loops": 4}, nodes={}) as server:
        key = server.create_key(scopes=["chat", "nodes.read", "nodes.write", "usage.read"])
        caller = client(server, key)
        assert caller.post("/v1/nodes", json={"alias": "n", "model": "openai-small"}).status_code == 201
        body = {"content": "/hang", "mode": "async"}
        with concurrent.futures.ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(lambda _: caller.post("/v1/nodes/n/chat", json=body), range(200)))
        upstream.wait()
        assert sorted({answer.status_code for answer in answers} - {503}) == [202, 429]
        assert [answer.status_code for answer in answers].count(202) == 1
        assert {answer.json()["error"]["code"] for answer in answers if answer.status_code == 429} <= {
            "insufficient_quota", "concurrency_exceeded"
        }
        assert len(upstream.requests) == 1
        assert float(left(caller, "budget_dollars_total")) < 5000 - 4096
        # It ends with its node, so that the server need not wait for it.
        assert caller.delete("/v1/nodes/n").status_code == 200


def test_a_stream_past_its_cap_is_cut_with_an_error_and_a_clean_end(make_gateway, upstream):
    with house(make_gateway, {"tenant_budget": ["$100000 total"]}) as server:
        caller = client(server)
        lines = []
        with caller.stream("POST", "/v1/chat/completions", json=chat("go", "drip", max_tokens=5, stream=True)) as answer:
            assert answer.status_code == 200
            lines = [line for line in answer.iter_lines() if line.startswith("data: ")]
        assert lines[-1] == "data: [DONE]"
        assert json.loads(lines[-2][6:])["error"]["code"] == "insufficient_quota"
        choices = [choice for line in lines[:-2] for choice in json.loads(line[6:]).get("choices", [])]
        assert 1 <= sum(bool(choice["delta"].get("content")) for choice in choices) <= 5
        upstream.until(lambda: upstream.requests[0].gone is not None, 10)
        # It stands at what the provider may have counted.
        spent = 100000 - float(left(caller, "budget_dollars_total"))
        assert spent >= upstream.requests[0].chunks - 1


def test_the_provider_is_told_the_bound_where_the_client_told_none(make_gateway, upstream):
    with house(make_gateway, {"tenant_budget": ["$100000 total"]}) as server:
        caller = client(server)
        assert caller.post("/v1/chat/completions", json=chat("hello")).status_code == 200
        assert caller.post("/v1/chat/completions", json=chat("hello", max_tokens=9)).status_code == 200
    assert [record.json.get("max_tokens") for record in upstream.requests] == [4096, 9]


def test_a_limit_of_tokens_tells_the_provider_the_bound_too(make_gateway, upstream):
    with house(make_gateway, {"tenant": ["100000 tokens/hour"]}) as server:
        assert client(server).post("/v1/chat/completions", json=chat("hello")).status_code == 200
    assert upstream.requests[0].json.get("max_tokens") == 4096
    with house(make_gateway, {}) as server:
        assert client(server).post("/v1/chat/completions", json=chat("hello")).status_code == 200
    assert upstream.requests[1].json.get("max_tokens") is None


def test_a_chain_of_models_is_held_back_whole_and_what_was_lost_on_the_way_is_paid(make_gateway, upstream):
    # The first accepts and never answers, so that nobody knows what it counted; the second answers.
    def lay(budget, **of_second):
        server = house(make_gateway, {"tenant_budget": [budget]})
        for provider in server.tables["gateway.provider"]:
            if provider["name"] == "openai":
                provider["first_byte_timeout"] = "1s"
        first = next(model for model in server.tables["gateway.model"] if model["name"] == "hang")
        first["fallback"] = ["second"]
        server.tables["gateway.model"].append({"name": "second", "provider": "openai", **of_second})
        return server

    body = chat("hello", "hang", max_tokens=7)
    one = len(json.dumps(body)) + 7
    with lay(f"${2 * one - 1} total", **PRICES) as server:
        refused = client(server).post("/v1/chat/completions", content=json.dumps(body), headers=JSON)
        assert refused.json()["error"]["code"] == "insufficient_quota" and not upstream.requests
    with lay(f"${2 * one} total", **PRICES) as server:
        caller = client(server)
        answer = caller.post("/v1/chat/completions", content=json.dumps(body), headers=JSON)
        assert answer.status_code == 200 and len(upstream.requests) == 2
        spent = one + answer.json()["usage"]["total_tokens"]
        assert settles(caller, "budget_dollars_total", 2 * one - spent)
    # A chain is without a price if one of its models is.
    with lay("$9000000 total") as server:
        refused = client(server).post("/v1/chat/completions", json=body)
        assert refused.json()["error"]["code"] == "model_not_priced" and len(upstream.requests) == 2


def test_a_crash_in_flight_leaves_the_reservation_and_loses_no_nano_dollar(make_gateway, upstream):
    server = house(make_gateway, {"tenant_budget": ["$1000 total"]}, prices=ODD)
    server.start()
    caller = client(server)
    whole = 1000 * 1_000_000_000
    exact = 0
    for number in range(8):
        answer = caller.post("/v1/chat/completions", json=chat("word " * (number + 1), max_tokens=50))
        exact += bill(answer.json()["usage"])
    assert settles(caller, "budget_dollars_total", decimal.Decimal(whole - exact) / 1_000_000_000)
    hanging = json.dumps(chat("hello", "hang", max_tokens=70))

    def hang():
        with pytest.raises(httpx2.TransportError):
            caller.post("/v1/chat/completions", content=hanging, headers=JSON)

    threads = [threading.Thread(target=hang) for _ in range(3)]
    for thread in threads:
        thread.start()
    upstream.wait(8 + 3)
    # A token has at least a byte.
    held = 3 * bill({"prompt_tokens": len(hanging), "completion_tokens": 70})
    assert nano(left(caller, "budget_dollars_total")) == whole - exact - held
    server.kill()
    for thread in threads:
        thread.join()
    server.start()
    # Each of them stands at what was held for it, from the first moment on, and the others at what the provider counted.
    assert nano(left(caller, "budget_dollars_total")) == whole - exact - held
    total = caller.get("/v1/usage").json()["total"]
    assert nano(total["cost"]) == exact + held and total["estimated_requests"] == 3
    assert nano(left(caller, "budget_dollars_total")) == whole - exact - held
    assert server.stop() == 0
    server.start()
    assert nano(left(caller, "budget_dollars_total")) == whole - exact - held
    assert server.stop() == 0


def test_a_restart_forgets_nothing_of_the_rolling_hour(make_gateway):
    server = make_gateway({"limiter": {"requests_per_hour": 10}})
    server.start()
    caller = client(server)
    assert [caller.get("/v1/models").status_code for _ in range(6)] == [200] * 6
    assert server.stop() == 0
    server.start()
    assert [caller.get("/v1/models").status_code for _ in range(6)] == [200] * 4 + [429] * 2
    # Written every five seconds: a kill loses nothing that is older.
    time.sleep(6)
    server.kill()
    server.start()
    assert caller.get("/v1/models").status_code == 429
    assert server.stop() == 0


def test_an_operator_sets_limits_and_budgets_that_hold_at_once_and_over_a_restart(make_gateway):
    server = house(make_gateway, {})
    server.start()
    caller = client(server)
    body = chat("hello", max_tokens=4)
    assert caller.post("/v1/chat/completions", json=body).status_code == 200
    server.command("budget", "set", "--tenant", "default", "--budget", "$1 total")
    assert caller.post("/v1/chat/completions", json=body).json()["error"]["code"] == "insufficient_quota"
    assert server.stop() == 0
    server.start()
    assert caller.post("/v1/chat/completions", json=body).json()["error"]["code"] == "insufficient_quota"
    shown = json.loads(server.command("limit", "show", "--tenant", "default", "--json").stdout)
    assert shown["budgets"] == ["$1 total"]
    assert "$1 total" in server.command("limit", "show").stdout
    server.command("budget", "reset", "--tenant", "default")
    assert caller.post("/v1/chat/completions", json=body).status_code == 200
    server.command("limit", "set", "--tenant", "default", "--limit", "1 requests/day")
    # A limit over a time that none was over before begins to count now.
    assert [caller.post("/v1/chat/completions", json=body).status_code for _ in range(2)] == [200, 429]
    refused = server.command("limit", "set", "--tenant", "default", "--limit", "often", check=False)
    assert refused.returncode == 1 and "1000 requests/hour" in refused.stderr
    assert server.stop() == 0
