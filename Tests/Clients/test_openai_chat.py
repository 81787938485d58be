# SPDX-License-Identifier: Apache-2.0
"""Chat completions with the stock OpenAI SDK, whole and streamed, through every kind of provider."""

import time

import openai
import pytest


def user(text):
    return [{"role": "user", "content": text}]


def joined(chunks):
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


# Whole answers.


def test_answers_what_it_was_asked(openai_client, kind):
    answer = openai_client.chat.completions.create(model=kind.model, messages=user("Hello there, gateway."))
    assert answer.choices[0].message.content == "Hello there, gateway."
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].index == 0
    assert answer.object == "chat.completion"
    assert answer.id and answer.model
    assert abs(answer.created - time.time()) < 300


@pytest.mark.parametrize(
    "text",
    [
        "¿Qué tal? Ação, naïve",
        "日本語テキスト",
        "🧑‍🚀 🇪🇨 👩🏽‍💻",
        "مرحبا بالعالم",
        'a\tb\nc  "quoted" \\back\\ </script>',
        "\u2028line\u2029sep \x7f",
    ],
)
def test_text_comes_back_letter_for_letter(openai_client, kind, text):
    answer = openai_client.chat.completions.create(model=kind.model, messages=user(f"/echo {text}"))
    assert answer.choices[0].message.content == text


def test_a_large_prompt_passes(openai_client, kind):
    text = "word " * 100_000 + "end"
    answer = openai_client.chat.completions.create(model=kind.model, messages=user(f"/tokens 3\n{text}"))
    assert answer.usage.completion_tokens == 3


def test_reads_the_last_user_text_of_a_conversation(openai_client, kind):
    answer = openai_client.chat.completions.create(
        model=kind.model,
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "first"},
            {"role": "assistant", "content": "one"},
            {"role": "user", "content": [{"type": "text", "text": "second"}]},
        ],
    )
    assert answer.choices[0].message.content == "second"


def test_a_developer_message_is_taken(openai_client, kind):
    answer = openai_client.chat.completions.create(
        model=kind.model, messages=[{"role": "developer", "content": "Be brief."}, *user("hi")]
    )
    assert answer.choices[0].message.content == "hi"


def test_usage_is_the_providers(openai_client, kind):
    answer = openai_client.chat.completions.create(model=kind.model, messages=user("/usage 11 7\nhello"))
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (11, 7, 18)


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_limit_on_tokens_ends_the_answer(openai_client, kind, name):
    answer = openai_client.chat.completions.create(model=kind.model, messages=user("/tokens 50"), **{name: 5})
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens <= 5


@pytest.mark.parametrize("stop", ["STOP", ["STOP", "HALT"]])
def test_a_stop_sequence_ends_the_answer(openai_client, kind, stop):
    answer = openai_client.chat.completions.create(
        model=kind.model, messages=user("/echo before STOP after"), stop=stop
    )
    assert answer.choices[0].message.content.strip() == "before"
    assert answer.choices[0].finish_reason == "stop"


@pytest.mark.kinds_except("anthropic")  # Anthropic has no `n`.
def test_n_gives_that_many_choices(openai_client, kind):
    answer = openai_client.chat.completions.create(model=kind.model, messages=user("twice"), n=2)
    assert [c.index for c in answer.choices] == [0, 1]
    assert [c.message.content for c in answer.choices] == ["twice", "twice"]


@pytest.mark.kinds("anthropic")
def test_n_is_refused_where_the_provider_has_none(gateway, openai_client, kind, upstream):
    with pytest.raises(openai.BadRequestError) as refused:
        openai_client.chat.completions.create(model=kind.model, messages=user("twice"), n=2)
    assert refused.value.param == "n"
    assert not upstream.requests


def test_settings_that_providers_share_are_taken(openai_client, kind):
    answer = openai_client.chat.completions.create(
        model=kind.model, messages=user("fine"), temperature=0.3, top_p=0.9, user="person-1", max_tokens=100
    )
    assert answer.choices[0].message.content == "fine"


@pytest.mark.kinds_except("anthropic")  # Fields that Anthropic's protocol does not have.
def test_settings_of_openai_are_taken(openai_client, kind):
    answer = openai_client.chat.completions.create(
        model=kind.model,
        messages=user("fine"),
        seed=7,
        frequency_penalty=0.1,
        presence_penalty=0.1,
        logit_bias={"50256": -100},
        logprobs=False,
    )
    assert answer.choices[0].message.content == "fine"


@pytest.mark.kinds("openai")
def test_the_clients_settings_reach_the_provider(openai_client, kind, upstream):
    openai_client.chat.completions.create(
        model=kind.model,
        messages=user("fine"),
        temperature=0.3,
        top_p=0.9,
        seed=7,
        stop=["x"],
        max_tokens=12,
        logit_bias={"50256": -100},
        parallel_tool_calls=False,
        tools=[{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}],
    )
    body = upstream.last.json
    sent = {
        name: body[name]
        for name in ("temperature", "top_p", "seed", "stop", "max_tokens", "logit_bias", "parallel_tool_calls")
    }
    assert sent == {
        "temperature": 0.3,
        "top_p": 0.9,
        "seed": 7,
        "stop": ["x"],
        "max_tokens": 12,
        "logit_bias": {"50256": -100},
        "parallel_tool_calls": False,
    }
    assert body["messages"] == user("fine")
    assert body["model"] == "mock-small"


@pytest.mark.kinds("anthropic")
def test_the_clients_settings_are_translated(openai_client, kind, upstream, gateway):
    openai_client.chat.completions.create(
        model=kind.model,
        temperature=0.3,
        stop=["x"],
        max_tokens=12,
        messages=[
            {"role": "system", "content": "Be brief."},
            *user("one"),
            {"role": "assistant", "content": "two"},
            *user("three"),
        ],
    )
    body = upstream.last.json
    assert (body["temperature"], body["stop_sequences"], body["max_tokens"]) == (0.3, ["x"], 12)
    system = body["system"] if isinstance(body["system"], str) else "".join(b["text"] for b in body["system"])
    assert system == "Be brief."
    assert [m["role"] for m in body["messages"]] == ["user", "assistant", "user"]
    assert upstream.last.header("anthropic-version")


IMAGE = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def test_an_image_part_is_taken(openai_client, kind, seen):
    parts = [{"type": "text", "text": "what is it"}, {"type": "image_url", "image_url": {"url": IMAGE}}]
    answer = openai_client.chat.completions.create(model=kind.model, messages=user(parts))
    assert answer.choices[0].message.content == "what is it"
    if kind.is_direct:
        assert IMAGE.split(",")[1] in seen().body.decode(), "the picture did not reach the provider"


@pytest.mark.kinds_except("litellm")  # LiteLLM drops a refusal that stands beside no content.
def test_a_refusal_is_told(openai_client, kind):
    answer = openai_client.chat.completions.create(model=kind.model, messages=user("/refuse I must not."))
    message = answer.choices[0].message
    assert (message.refusal or message.content) == "I must not."
    if kind.name == "anthropic":
        assert answer.choices[0].finish_reason == "content_filter"


@pytest.mark.parametrize("finish", ["length", "content_filter"])
def test_the_finish_reason_is_told(openai_client, kind, finish):
    answer = openai_client.chat.completions.create(model=kind.model, messages=user(f"/finish {finish}\nsome text"))
    assert answer.choices[0].finish_reason == finish


# Streams.


def test_a_stream_spells_the_answer(openai_client, kind):
    chunks = list(
        openai_client.chat.completions.create(model=kind.model, messages=user("One two three four."), stream=True)
    )
    assert joined(chunks) == "One two three four."
    assert chunks[0].object == "chat.completion.chunk"
    assert chunks[0].choices[0].delta.role == "assistant"
    reasons = [c.choices[0].finish_reason for c in chunks if c.choices]
    assert reasons[-1] == "stop" and set(reasons[:-1]) <= {None}
    assert len({c.id for c in chunks}) == 1
    assert sum(1 for c in chunks if c.choices and c.choices[0].delta.content) > 1, "it came as a whole"


def test_a_stream_comes_as_it_is_made(openai_client, kind):
    start = time.monotonic()
    times = []
    stream = openai_client.chat.completions.create(
        model=kind.model, messages=user("/pace 100ms\n/tokens 10"), stream=True
    )
    for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            times.append(time.monotonic() - start)
    assert len(times) >= 8
    assert times[-1] - times[0] > 0.5, "it was kept back"
    assert times[0] < 0.6


@pytest.mark.parametrize("options", [{}, {"stream_options": {"include_usage": False}}])
def test_usage_in_a_stream_is_not_shown_unasked(openai_client, kind, options, seen):
    stream = openai_client.chat.completions.create(
        model=kind.model, messages=user("/usage 11 7\none two"), stream=True, **options
    )
    chunks = list(stream)
    assert joined(chunks).strip() == "one two"
    assert all(c.usage is None for c in chunks)
    assert all(c.choices for c in chunks)


def test_usage_in_a_stream_is_shown_when_asked_for(openai_client, kind):
    stream = openai_client.chat.completions.create(
        model=kind.model, messages=user("/usage 11 7\none two"), stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert joined(chunks).strip() == "one two"
    last = chunks[-1]
    if kind.name != "litellm":  # Which hangs its usage on a choice without a word in it.
        assert last.choices == []
    assert (last.usage.prompt_tokens, last.usage.completion_tokens, last.usage.total_tokens) == (11, 7, 18)
    assert all(c.usage is None for c in chunks[:-1])


@pytest.mark.kinds("openai", "litellm")
@pytest.mark.parametrize("asked", [None, False, True])
def test_usage_is_always_asked_of_the_provider(gateway, openai_client, kind, upstream, asked):
    options = {} if asked is None else {"stream_options": {"include_usage": asked}}
    list(openai_client.chat.completions.create(model=kind.model, messages=user("hi"), stream=True, **options))
    assert upstream.last.json["stream_options"]["include_usage"] is True


def test_a_limit_on_tokens_ends_the_stream(openai_client, kind):
    stream = openai_client.chat.completions.create(
        model=kind.model, messages=user("/tokens 50"), stream=True, max_tokens=5
    )
    chunks = [c for c in stream if c.choices]
    assert chunks[-1].choices[0].finish_reason == "length"
    assert 1 <= len(joined(chunks).split()) <= 5


def test_the_sdks_stream_helper_works(openai_client, kind):
    with openai_client.chat.completions.stream(model=kind.model, messages=user("one two three")) as stream:
        deltas = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()
    assert "".join(deltas) == "one two three"
    assert final.choices[0].message.content == "one two three"


def test_letters_survive_a_stream(openai_client, kind):
    text = "naïve 日本語 🧑‍🚀 end"
    stream = openai_client.chat.completions.create(model=kind.model, messages=user(f"/echo {text}"), stream=True)
    assert joined(list(stream)) == text


def test_a_connection_is_used_again_after_a_stream(openai_client, kind):
    for _ in range(3):
        list(openai_client.chat.completions.create(model=kind.model, messages=user("again"), stream=True))
        answer = openai_client.chat.completions.create(model=kind.model, messages=user("and again"))
        assert answer.choices[0].message.content == "and again"


# Completions of the old kind.


def test_a_legacy_completion(openai_client, kind):
    answer = openai_client.completions.create(model=kind.model, prompt="Once upon a time", max_tokens=50)
    assert answer.object == "text_completion"
    assert answer.choices[0].text.strip() == "Once upon a time"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


def test_a_legacy_completion_streamed(openai_client, kind, house):
    stream = openai_client.completions.create(model=kind.model, prompt="Once upon a time", stream=True, max_tokens=50)
    chunks = list(stream)
    assert "".join(c.choices[0].text or "" for c in chunks if c.choices).strip() == "Once upon a time"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    if house.is_gateway or kind.name != "litellm":  # LiteLLM by itself shows usage unasked.
        assert all(c.usage is None for c in chunks)
