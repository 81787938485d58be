# SPDX-License-Identifier: Apache-2.0
"""The one ledger of units (row S3) as clients meet it: what stock SDKs are told near the end of a limit and at it, what a client can
read, and that no mixture of work passes the cap, neither at once nor over a restart."""

import concurrent.futures
import time

import anthropic
import httpx2
import openai
import pytest

# Of the usual weights: ten for a call and one for its first thousand tokens; a file's five and one for its first MiB; an embedding's two.
CALL, FILE, EMBEDDING = 11, 6, 2
MESSAGES = [{"role": "user", "content": "hello"}]
SCOPES = ["chat", "embeddings", "files", "usage.read"]


def house(make_gateway, **limiter):
    return make_gateway({"limiter": {"units_delay": 100, **limiter}, "nodes": {}})


def connect(server, key=None):
    key = key or server.create_key(scopes=SCOPES)
    return httpx2.Client(
        base_url=server.base, verify=server.trust, timeout=60, headers={"authorization": f"Bearer {key.key}"}
    )


def units(http, scope="key"):
    limits = http.get("/v1/limits").json()["data"]
    found = [limit for limit in limits if (limit["name"], limit["scope"]) == ("units_per_hour", scope)]
    assert len(found) == 1, limits
    return found[0]


def left(http, remaining, scope="key"):
    """Whether so much is left soon: an exchange settles behind the last byte of its answer."""
    deadline = time.monotonic() + 5
    while units(http, scope)["remaining"] != remaining and time.monotonic() < deadline:
        time.sleep(0.02)
    return units(http, scope)["remaining"] == remaining


@pytest.fixture(params=["openai", "anthropic"])
def ask(request):
    """One call by a stock SDK, which would try again by itself where it is not told that this is of no use: its status, its
    fields, and what it says. For OpenAI's and Anthropic's shapes."""

    def asks(server, key):
        http = httpx2.Client(verify=server.trust)
        if request.param == "openai":
            client = openai.OpenAI(base_url=server.base + "/v1", api_key=key.key, http_client=http, max_retries=3)
            create = client.chat.completions.with_raw_response.create
        else:
            client = anthropic.Anthropic(base_url=server.base, api_key=key.key, http_client=http, max_retries=3)
            create = client.messages.with_raw_response.create
        error = {"openai": openai.RateLimitError, "anthropic": anthropic.RateLimitError}[request.param]

        def once():
            try:
                answer = create(model="openai-small", max_tokens=20, messages=MESSAGES)
                return answer.http_response.status_code, answer.headers, None
            except error as refusal:
                return refusal.status_code, refusal.response.headers, refusal.body

        return once

    return asks


def test_near_its_end_a_client_is_warned_then_made_to_wait_then_refused(make_gateway, upstream, ask):
    limits = {"key": [f"{4 * CALL} units/hour"], "units_warning": 50, "units_delay": 60, "units_delay_max": "600ms"}
    with house(make_gateway, **limits) as server:
        key = server.create_key(scopes=SCOPES)
        once, http = ask(server, key), connect(server, key)
        told = units(http)
        assert told["limit"] == told["remaining"] == 4 * CALL
        found = []
        for count in range(1, 5):
            began = time.monotonic()
            status, fields, _ = once()
            found.append((status, fields.get("x-gatehouse-units-warning"), fields.get("x-gatehouse-delayed")))
            # What it says about the wait is so.
            assert time.monotonic() - began >= int(fields.get("x-gatehouse-delayed", "0ms")[:-2]) / 1000
            assert left(http, (4 - count) * CALL)
        assert found == [
            (200, None, None), (200, "units_per_hour; key; 50%", None), (200, "units_per_hour; key; 75%", "225ms"),
            (200, "units_per_hour; key; 100%", "600ms"),
        ]  # fmt: skip
        began = time.monotonic()
        status, fields, body = once()
        assert status == 429 and time.monotonic() - began < 5
        error = body.get("error", body)
        assert error.get("code", "abuse_budget_exceeded") == "abuse_budget_exceeded" and "units" in error["message"]
        # Within the window and a granule of it; and the SDK believed that it need not try again.
        assert 3500 <= int(fields["retry-after"]) <= 3631 and fields["x-should-retry"] == "false"
        raw = http.post("/v1/chat/completions", json={"model": "openai-small", "max_tokens": 20, "messages": MESSAGES}).json()["error"]
        assert raw["code"] == "abuse_budget_exceeded"
        assert raw["limit"] | {"name": "units_per_hour", "scope": "key", "limit": 4 * CALL, "remaining": 0} == raw["limit"]
        # Neither refusal has cost anything, nor has a neighbour paid.
        assert left(http, 0) and connect(server).get("/v1/limits").status_code == 200
        assert ask(server, server.create_key(scopes=SCOPES))()[0] == 200
    assert len(upstream.requests) == 5


def test_whoever_has_drained_it_with_files_calls_no_model_and_the_other_way_round(make_gateway, upstream):
    with house(make_gateway, key=[f"{5 * FILE} units/hour"]) as server:
        server.command("consent", "grant", "--tenant", "default", "files")

        def client():
            key = server.create_key(scopes=SCOPES).key
            http = httpx2.Client(verify=server.trust)
            return openai.OpenAI(base_url=server.base + "/v1", api_key=key, http_client=http, max_retries=3)

        def works(make):
            try:
                return bool(make())
            except openai.RateLimitError as refusal:
                assert refusal.code == "abuse_budget_exceeded" and int(refusal.response.headers["retry-after"]) > 0
                return False

        def chat(client, **more):
            return works(lambda: client.chat.completions.create(model="openai-small", max_tokens=20, messages=MESSAGES, **more))

        def embed(client):
            return works(lambda: client.embeddings.create(model="openai-embedding", input="hello"))

        def file(client):
            return works(lambda: client.files.create(file=("a.txt", b"hello"), purpose="user_data"))

        filing = client()
        assert [file(filing) for _ in range(6)] == [True] * 5 + [False]
        assert not chat(filing) and not chat(filing, stream=True) and not embed(filing) and not upstream.requests
        # Who has chatted has files of what is left, and vectors of what is left behind those.
        chatting = client()
        assert [chat(chatting) for _ in range(3)] == [True, True, False]
        assert [file(chatting) for _ in range(2)] == [True, False]
        assert [embed(chatting) for _ in range(2)] == [True, False]
        assert len(upstream.requests) == 3


@pytest.mark.parametrize("is_limited", [True, False])
def test_a_mixture_of_work_at_once_never_passes_the_cap(make_gateway, upstream, is_limited):
    """The control is a limit that is far away: then all of it is done."""
    cap = 30 * CALL if is_limited else 1_000_000
    with make_gateway(
        {"limiter": {"units_per_hour": 1_000_000, "tenant": [f"{cap} units/hour"], "units_delay": 100},
         "nodes": {}, "http": {"loops": 4}}
    ) as server:  # fmt: skip
        server.command("consent", "grant", "--tenant", "default", "files")
        callers = [connect(server) for _ in range(4)]

        def work(number):
            http, kind = callers[number % 4], number % 3
            if kind == 0:
                body = {"model": "openai-small", "max_tokens": 20, "messages": MESSAGES, "stream": number % 2 == 0}
                return CALL, http.post("/v1/chat/completions", json=body).status_code
            if kind == 1:
                return EMBEDDING, http.post("/v1/embeddings", json={"model": "openai-embedding", "input": "hello"}).status_code
            return FILE, http.post("/v1/files", files={"file": ("a.txt", b"hello")}, data={"purpose": "user_data"}).status_code

        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            done = list(pool.map(work, range(240)))
        assert {status for _, status in done} == ({200, 429} if is_limited else {200})
        used = sum(cost for cost, status in done if status == 200)
        whole = sum(cost for cost, _ in done)
        assert (used <= cap < whole) if is_limited else used == whole > 30 * CALL
        # What each of them is told is left is what is left.
        assert all(left(http, cap - used, "tenant") for http in callers)
        # Nothing that is refused has reached a provider.
        assert len(upstream.requests) == sum(status == 200 for cost, status in done if cost != FILE)


def test_a_restart_forgets_nothing_of_it(make_gateway, upstream):
    server = house(make_gateway, key=[f"{3 * CALL} units/hour"])
    server.start()
    http = connect(server)
    body = {"model": "openai-small", "max_tokens": 20, "messages": MESSAGES}
    assert [http.post("/v1/chat/completions", json=body).status_code for _ in range(2)] == [200, 200]
    assert left(http, CALL) and server.stop() == 0
    server.start()
    assert units(http)["remaining"] == CALL
    assert [http.post("/v1/chat/completions", json=body).status_code for _ in range(2)] == [200, 429]
    assert server.stop() == 0 and len(upstream.requests) == 3
