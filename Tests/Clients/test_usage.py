# SPDX-License-Identifier: Apache-2.0
"""What was used (row S8): the sums of /v1/usage are the provider's own figures, whole and streamed, through errors, refusals,
clients that go away, restarts and kill -9; and the same in `gateway usage`, /v1/usage/live and /metrics."""

import concurrent.futures
import json
import random
import threading
import time

import httpx2
import pytest


SEED = random.SystemRandom().randrange(1 << 32)
PRICES = {"input_price": "2.5", "output_price": "10.000000001"}


def cost(usage):
    """In nano-dollars, rounded up for each request: exact, in integers."""
    total = usage["prompt_tokens"] * 2_500_000_000 + usage["completion_tokens"] * 10_000_000_001
    return -(-total // 1_000_000)


def nanos(text):
    whole, _, rest = text.partition(".")
    return int(whole) * 10**9 + int((rest + "0" * 9)[:9])


@pytest.fixture
def house(make_gateway):
    server = make_gateway({"audit": {}, "nodes": {}})
    for model in server.tables["gateway.model"]:
        if model["name"] == "openai-small":
            model.update(PRICES)
    return server


class Caller:
    def __init__(self, server, *scopes):
        self.key = server.create_key(scopes=[*scopes, "chat", "embeddings", "usage.read"])
        self.client = httpx2.Client(
            base_url=server.base, verify=server.trust, timeout=30, headers={"authorization": f"Bearer {self.key.key}"}
        )

    def usage(self, **query):
        answer = self.client.get("/v1/usage", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()


def chat(text, model="openai-small", **more):
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def streamed_usage(client, body):
    """The usage that a stream tells at its end."""
    found = None
    with client.stream("POST", "/v1/chat/completions", json=body) as answer:
        assert answer.status_code == 200
        for line in answer.iter_lines():
            if line.startswith("data: {"):
                found = json.loads(line[6:]).get("usage") or found
    return found


def one(caller, number, rng):
    """One request of a kind: what it was, and the figures that the provider told the client."""
    words = " ".join(["word"] * rng.randrange(1, 30))
    # Few refusals: beyond ten of a second they are counted together, a second later.
    kind = "refusal" if number % 6 == 0 else rng.choice(["whole", "stream", "embedding", "error"])
    if kind == "whole":
        answer = caller.client.post("/v1/chat/completions", json=chat(words, user=f"person-{number % 3}"))
        assert answer.status_code == 200
        return kind, answer.json()["usage"]
    if kind == "stream":
        body = chat(words, stream=True, stream_options={"include_usage": True}, user=f"person-{number % 3}")
        return kind, streamed_usage(caller.client, body)
    if kind == "embedding":
        answer = caller.client.post("/v1/embeddings", json={"model": "openai-embedding", "input": words})
        assert answer.status_code == 200
        return kind, {**answer.json()["usage"], "completion_tokens": 0}
    if kind == "error":
        answer = caller.client.post("/v1/chat/completions", json=chat("/fail 400\nno"))
        assert answer.status_code == 400
        return kind, None
    answer = caller.client.post("/v1/chat/completions", json=chat(words, model="there-is-no-such-model"))
    assert answer.status_code == 404
    return kind, None


def told(results):
    """What all of it comes to, counted by the client."""
    figures = [usage for _, usage in results if usage]
    return {
        "requests": len(results),
        "input_tokens": sum(usage["prompt_tokens"] for usage in figures),
        "output_tokens": sum(usage["completion_tokens"] for usage in figures),
        "cost": sum(cost(usage) for kind, usage in results if usage and kind != "embedding"),
        "errors": sum(kind == "error" for kind, _ in results),
        "refusals": sum(kind == "refusal" for kind, _ in results),
    }


def assert_equal(total, results):
    expected = told(results)
    found = {name: total[name] for name in expected}
    found["cost"] = nanos(found["cost"])
    assert found == expected, f"seed {SEED}"


def test_usage_is_the_providers_own_count_through_restarts_and_kills(house, upstream):
    rng = random.Random(SEED)
    results = []
    with house:
        caller = Caller(house)
        for end in ("stop", "kill", "stop", "kill", None):
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                results += pool.map(lambda number: one(caller, number, random.Random(rng.random())), range(30))
            # Requests for /v1/usage are no exchanges of that kind: nothing of them is counted.
            assert_equal(caller.usage()["total"], results)
            if end == "stop":
                assert house.stop() == 0
                house.start()
            elif end == "kill":
                house.kill()
                house.start()
        assert_equal(caller.usage()["total"], results)
        by_model = {row["model"]: row for row in caller.usage(group_by="model")["data"]}
        embeddings = [usage for kind, usage in results if kind == "embedding"]
        assert by_model["openai-embedding"]["requests"] == len(embeddings)
        assert by_model["openai-embedding"]["unpriced_requests"] == len(embeddings)
        people = caller.usage(group_by="user", model="openai-small")["data"]
        assert len([row for row in people if row["user"]]) == 3
        assert all("person" not in json.dumps(row) for row in people)
        person = caller.usage(group_by="user", user="person-1")["data"]
        assert len(person) == 1 and person[0]["requests"] > 0
        (row,) = caller.usage(group_by="key")["data"]
        assert row["key"] == caller.key.id
        for grouping in ("day", "hour", "provider", "node"):
            rows = caller.usage(group_by=grouping)["data"]
            assert sum(row["requests"] for row in rows) == len(results), grouping
        # What people read is the same.
        shown = json.loads(house.command("usage", "--json").stdout)
        assert_equal(shown["total"], results)
        table = house.command("usage", "--by", "model").stdout
        assert "openai-embedding" in table and "REQUESTS" in table


def test_a_client_that_goes_away_is_settled_at_the_reservation(house, upstream):
    with house:
        caller = Caller(house)
        body = chat("/pace 200ms\n" + "word " * 200, stream=True, max_tokens=777)
        with caller.client.stream("POST", "/v1/chat/completions", json=body) as answer:
            for _ in answer.iter_lines():
                break
        total = {}
        for _ in range(100):
            total = caller.usage()["total"]
            if total["requests"]:
                break
            threading.Event().wait(0.05)
        assert total["abandoned"] == 1 and total["estimated_requests"] == 1, total
        # Never below what the provider may have counted: a token has a byte at least.
        assert total["input_tokens"] >= 200 and total["output_tokens"] == 777


def test_another_tenant_sees_nothing_of_it(house, upstream):
    with house:
        caller = Caller(house)
        caller.client.post("/v1/chat/completions", json=chat("hello"))
        assert caller.usage()["total"]["requests"] == 1
        made = json.loads(
            house.command(
                "key", "create", "--name", "other", "--tenant", "other", "--scope", "usage.read", "--json"
            ).stdout
        )
        other = httpx2.Client(
            base_url=house.base, verify=house.trust, headers={"authorization": f"Bearer {made['key']}"}
        )
        assert other.get("/v1/usage").json()["total"]["requests"] == 0
        assert other.get("/v1/usage", params={"key": caller.key.id}).json()["total"]["requests"] == 0


def test_a_key_without_the_scope_is_refused(house):
    with house:
        key = house.create_key(scopes=["chat"])
        client = httpx2.Client(base_url=house.base, verify=house.trust, headers={"authorization": f"Bearer {key.key}"})
        for path in ("/v1/usage", "/v1/usage/live"):
            assert client.get(path).status_code == 403


def test_it_can_be_watched_while_it_happens(house, upstream):
    with house:
        caller = Caller(house)
        seen, ready = [], threading.Event()

        def watch():
            with caller.client.stream("GET", "/v1/usage/live") as answer:
                assert answer.headers["content-type"].startswith("text/event-stream")
                for line in answer.iter_lines():
                    ready.set()
                    if line.startswith("data: "):
                        seen.append(json.loads(line[6:]))
                        return

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        assert ready.wait(10)
        usage = caller.client.post("/v1/chat/completions", json=chat("hello there")).json()["usage"]
        watcher.join(10)
        assert not watcher.is_alive(), "nothing was told within ten seconds"
        assert seen[0]["requests"] == 1 and seen[0]["input_tokens"] == usage["prompt_tokens"]
        assert seen[0]["models"][0]["model"] == "openai-small"


def test_metrics_are_for_the_operator_and_name_no_tenant(house, upstream):
    with house:
        caller = Caller(house)
        usage = caller.client.post("/v1/chat/completions", json=chat("hello there")).json()["usage"]
        assert caller.client.get("/metrics").status_code == 403
        assert httpx2.get(f"{house.base}/metrics", verify=house.trust).status_code == 401
        transport = httpx2.HTTPTransport(uds=str(house.data / "admin.sock"))
        operator = httpx2.Client(transport=transport)
        labels = '{gen_ai_provider_name="openai",gen_ai_request_model="openai-small",gen_ai_token_type="input"}'
        # Counted is what is on the disk: at most [audit] sync_interval later.
        for _ in range(100):
            text = operator.get("http://localhost/metrics").text
            if f"gen_ai_client_token_usage_total{labels}" in text:
                break
            time.sleep(0.05)
        assert f"gen_ai_client_token_usage_total{labels} {usage['prompt_tokens']}" in text
        assert "process_resident_memory_bytes " in text
        assert caller.key.id not in text and "ten_" not in text
        # One value for each name and labels, as the format asks.
        samples = [line.rsplit(" ", 1)[0] for line in text.splitlines() if not line.startswith("#")]
        assert len(samples) == len(set(samples))


@pytest.mark.parametrize(
    "query", ["group_by=tenant", "from=yesterday", "limit=0", "limit=%2B5", "colour=red", "from=2026-02-02&to=2026-01-01"]
)
def test_a_query_that_makes_no_sense_is_refused(house, query):
    with house:
        answer = Caller(house).client.get(f"/v1/usage?{query}")
        assert answer.status_code == 400 and answer.json()["error"]["param"]
