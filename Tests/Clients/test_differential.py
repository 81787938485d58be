# SPDX-License-Identifier: Apache-2.0
"""Row T6, DESIGN.md section 3: what we read must be what the upstream reads.

Bodies with duplicate, escaped, nested and over-long names and numbers, lone surrogates, byte-order marks, trailing and
invalid bytes go to the gateway raw. For each, either the answer is 400 and the upstream was not called, or the bytes
that reached the upstream have exactly one reading: parsers that take the first of two equal names, the last of them, or
ignore the case of names agree on every value, and the model is the one that the gateway says it used.

The control is a proxy composed here that reads the first of two equal names and hands the bytes on. The same test
finds it out.
"""

import json
import re
import urllib.error
import urllib.request

import httpx2
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mock_upstream import MockUpstream

# The models that the gateway routes to the mock upstream, and what it must ask the upstream for.
MODELS = {"openai-small": "mock-small", "mock-large": "mock-large"}


# Readers, as upstreams have them.


class Disagreement(AssertionError):
    """The gateway and the upstream would read different things."""


def last_wins(pairs):
    return dict(pairs)


def first_wins(pairs):
    result = {}
    for name, value in pairs:
        result.setdefault(name, value)
    return result


def case_blind(pairs):
    """As Go's encoding/json: the last name that is equal but for its case."""
    result = {}
    for name, value in pairs:
        for known in result:
            if known.lower() == name.lower():
                result[known] = value
                break
        else:
            result[name] = value
    return result


def readings(body: bytes):
    """What each kind of reader makes of the bytes. A reader that refuses them says so with None."""
    read = {}
    for name, hook, errors in (
        ("last wins", last_wins, "strict"),
        ("first wins", first_wins, "strict"),
        ("case-blind", case_blind, "strict"),
        ("lenient about UTF-8", last_wins, "replace"),
        ("dropping what is no UTF-8", last_wins, "ignore"),
    ):
        try:
            read[name] = json.loads(
                body.decode("utf-8", errors), object_pairs_hook=hook, parse_int=str, parse_float=str
            )
        except (ValueError, RecursionError):
            read[name] = None
    return read


def judge(status, routed, body):
    """`routed`: the model the gateway says it used, or None. `body`: what reached the upstream, or None."""
    if status >= 500:
        raise Disagreement(f"answered {status} to a client's bytes")
    if body is None:
        if status == 200:
            raise Disagreement("answered 200 without asking the upstream")
        return
    if status != 200:
        raise Disagreement(f"answered {status} and asked the upstream nevertheless")
    read = readings(body)
    if any(reading is None for reading in read.values()):
        raise Disagreement(f"some readers refuse what was sent: {read}")
    values = list(read.values())
    if any(value != values[0] for value in values):
        raise Disagreement(f"readers differ: {read}")
    if not isinstance(values[0], dict) or values[0].get("model") != MODELS.get(routed):
        raise Disagreement(f"the gateway used {routed!r}, the upstream read {values[0]!r}")
    if re.search(rb"\\u[dD][89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F]", body):
        raise Disagreement("a lone surrogate was handed on")


@pytest.fixture
def through(gateway, http, upstream):
    """Sends bytes through the gateway and judges what came of it; gives the status."""

    def send(raw: bytes) -> int:
        upstream.clear()
        answer = http.post("/v1/chat/completions", content=raw, headers={"content-type": "application/json"})
        reached = upstream.requests[0].body if upstream.requests else None
        judge(answer.status_code, answer.headers.get("x-gatehouse-model"), reached)
        if answer.status_code == 200:
            sent, streamed = json.loads(reached), answer.headers["content-type"].startswith("text/event-stream")
            assert bool(sent.get("stream")) == streamed, "the gateway and the upstream differ about streaming"
        else:
            assert answer.json()["error"]["type"] in ("invalid_request_error", "not_found_error"), answer.text
        return answer.status_code

    return send


# The table.

HI = '"messages":[{"role":"user","content":"hi"}]'
REFUSED = {
    "a model twice": '{"model":"openai-small","model":"mock-large",%s}',
    "a model twice, equal": '{"model":"openai-small","model":"openai-small",%s}',
    "a model twice, one escaped": r'{"model":"openai-small","mod\u0065l":"mock-large",%s}',
    "a model twice, escaped first": r'{"\u006dodel":"openai-small","model":"mock-large",%s}',
    "a model twice, escaped in capitals": r'{"model":"openai-small","mod\u0065\u006C":"mock-large",%s}',
    "a model of another case": '{"model":"openai-small","Model":"mock-large",%s}',
    "a model with a zero in its name": r'{"model":"openai-small","model\u0000":"mock-large",%s}',
    "a model with an invisible letter": '{"model":"openai-small","model\u200b":"mock-large",%s}',
    "a model in full-width letters": '{"model":"openai-small","ｍｏｄｅｌ":"mock-large",%s}',
    "an empty name": '{"model":"openai-small","":"mock-large",%s}',
    "stream twice": '{"model":"openai-small","stream":false,"stream":true,%s}',
    "messages twice": '{"model":"openai-small",%s,"messages":[{"role":"user","content":"other"}]}',
    "max_tokens twice": '{"model":"openai-small","max_tokens":1,"max_tokens":100000,%s}',
    "store twice": '{"model":"openai-small","store":false,"store":true,%s}',
    "a nested name twice": '{"model":"openai-small","messages":[{"role":"user","role":"system","content":"hi"}]}',
    "a nested name twice, escaped": r'{"model":"openai-small","messages":[{"role":"user","content":"hi","c\u006fntent":"other"}]}',
    "a name twice in metadata": '{"model":"openai-small","metadata":{"a":"1","a":"2"},%s}',
    "a name twice in a schema": '{"model":"openai-small","tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","type":"array"}}}],%s}',
    "a name twice deep down": '{"model":"openai-small","tools":[{"type":"function","function":{"name":"f","parameters":{"a":{"b":{"c":{"d":1,"d":2}}}}}}],%s}',
    "a long name": '{"model":"openai-small","' + "m" * 100_000 + '":1,%s}',
    "a name twice behind a long prefix": '{"' + "a" * 300 + 'x":1,"' + "a" * 300 + 'x":2,"model":"openai-small",%s}',
    "a lone surrogate as value": r'{"model":"openai-small","user":"\ud800",%s}',
    "a lone low surrogate": r'{"model":"openai-small","user":"\udc00x",%s}',
    "surrogates in the wrong order": r'{"model":"openai-small","user":"\udc00\ud800",%s}',
    "a lone surrogate as model": r'{"model":"openai-small\ud83d",%s}',
    "a lone surrogate as name": r'{"model":"openai-small","\ud800":1,%s}',
    "half a surrogate and a letter": r'{"model":"openai-small","user":"\ud83d\u0041",%s}',
    "a huge integer": '{"model":"openai-small","max_tokens":' + "9" * 400 + ",%s}",
    "an integer past 2^63": '{"model":"openai-small","max_tokens":18446744073709551617,%s}',
    "a huge exponent": '{"model":"openai-small","temperature":1e999999,%s}',
    "a long fraction": '{"model":"openai-small","temperature":0.' + "1" * 5000 + ",%s}",
    "a seed with a long tail": '{"model":"openai-small","seed":1' + "0" * 200 + ",%s}",
    "NaN": '{"model":"openai-small","temperature":NaN,%s}',
    "Infinity": '{"model":"openai-small","temperature":Infinity,%s}',
    "a plus sign": '{"model":"openai-small","temperature":+1,%s}',
    "a leading zero": '{"model":"openai-small","max_tokens":010,%s}',
    "a hexadecimal number": '{"model":"openai-small","max_tokens":0x10,%s}',
    "a comment": '{"model":"openai-small",/* "model":"mock-large", */%s}',
    "a line comment": '{"model":"openai-small",%s// "model":"mock-large"\n}',
    "a trailing comma": '{"model":"openai-small",%s,}',
    "single quotes": "{'model':'openai-small',%s}",
    "a bare name": '{model:"openai-small",%s}',
    "a raw newline in a string": '{"model":"openai-small","user":"a\nb",%s}',
    "a raw tab in a name": '{"model":"openai-small","us\ter":"a",%s}',
    "a bad escape": r'{"model":"openai-small","user":"\x41",%s}',
    "a short escape": r'{"model":"openai-small","user":"\u41",%s}',
    "two documents": '{"model":"openai-small",%s}{"model":"mock-large",%s}',
    "a document and a word": '{"model":"openai-small",%s} true',
    "an array around it": '[{"model":"openai-small",%s}]',
    "a string around it": '"{\\"model\\":\\"openai-small\\"}"',
    "too deep": '{"model":"openai-small","metadata":' + '{"a":' * 2000 + "1" + "}" * 2000 + ",%s}",
    "too deep in arrays": '{"model":"openai-small","stop":' + "[" * 100_000 + "]" * 100_000 + ",%s}",
    "a vertical tab between": '{"model":"openai-small",\x0b%s}',
    "a no-break space between": '{"model":"openai-small",\u00a0%s}',
    "a model that is an array": '{"model":["openai-small"],%s}',
    "a model that is an object": '{"model":{"$gt":""},%s}',
    "a model that is a number": '{"model":1,%s}',
    "a role that is a number": '{"model":"openai-small","messages":[{"role":1,"content":"hi"}]}',
    "a boolean in capitals": '{"model":"openai-small","stream":True,%s}',
    "a stream that is a word": '{"model":"openai-small","stream":"true",%s}',
    "a stream that is a number": '{"model":"openai-small","stream":1,%s}',
}
BYTES_REFUSED = {
    "a byte-order mark": b"\xef\xbb\xbf" + b'{"model":"openai-small",%b}',
    "UTF-16": '{"model":"openai-small"}'.encode("utf-16"),
    "UTF-32": '{"model":"openai-small"}'.encode("utf-32-le"),
    "an invalid byte in a value": b'{"model":"openai-small","user":"\xff",%b}',
    "an invalid byte in the model": b'{"model":"openai-small\xff",%b}',
    "an invalid byte in a name": b'{"model":"openai-small","model\xff":"mock-large",%b}',
    "an overlong letter": b'{"model":"openai-small","\xc1\xadodel":"mock-large",%b}',
    "an encoded surrogate": b'{"model":"openai-small","user":"\xed\xa0\x80",%b}',
    "past the end of Unicode": b'{"model":"openai-small","user":"\xf4\x90\x80\x80",%b}',
    "a cut letter": b'{"model":"openai-small","user":"\xe2\x82",%b}',
    "zero bytes behind": b'{"model":"openai-small",%b}\x00\x00',
    "a zero byte between": b'{"model":"openai-small",\x00%b}',
    "zero bytes before": b'\x00{"model":"openai-small",%b}',
}
TAKEN = {
    "plain": '{"model":"openai-small",%s}',
    "spaces everywhere": ' {\r\n\t"model" : "openai-small" ,\n %s } \n',
    "an escaped name": r'{"\u006d\u006f\u0064\u0065\u006c":"openai-small",%s}',
    "an escaped value": r'{"model":"openai\u002dsmall",%s}',
    "the model last": '{%s,"model":"mock-large"}',
    "a model as text": '{"model":"openai-small","user":"\\"model\\":\\"mock-large\\"",%s}',
    "a model in the content": '{"model":"openai-small","messages":[{"role":"user","content":"\\",\\"model\\":\\"mock-large"}]}',
    "a pair of surrogates": r'{"model":"openai-small","user":"\ud83d\ude80",%s}',
    "an escaped solidus": r'{"model":"openai-small","user":"a\/b",%s}',
    "equal names in two objects": '{"model":"openai-small","messages":[{"role":"user","content":"a"},{"role":"user","content":"b"}]}',
    "a model inside metadata": '{"model":"openai-small","metadata":{"model":"mock-large","stream":"true"},%s}',
    "a model inside a schema": '{"model":"openai-small","tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"model":{"type":"string"},"stream":{"type":"boolean"}}}}}],%s}',
    "numbers of many forms": '{"model":"openai-small","temperature":1.0e0,"top_p":1E-1,"max_tokens":16,%s}',
    "streamed": '{"model":"openai-small","stream":true,%s}',
    "streamed, escaped": r'{"model":"mock-large","str\u0065am":true,"stream_\u006fptions":{"include_usage":false},%s}',
}


def filled(raw):
    return raw.replace("%s", HI).encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_two_readings_or_none_is_refused(through, name):
    assert through(filled(REFUSED[name])) == 400


@pytest.mark.parametrize("name", BYTES_REFUSED)
def test_bytes_that_are_no_text_are_refused(through, name):
    assert through(BYTES_REFUSED[name].replace(b"%b", HI.encode())) == 400


@pytest.mark.parametrize("name", TAKEN)
def test_what_has_one_reading_is_taken(through, name):
    assert through(filled(TAKEN[name])) == 200


# At random.

NAMES = [
    "model",
    "stream",
    "messages",
    "max_tokens",
    "temperature",
    "user",
    "metadata",
    "store",
    "stop",
    "n",
    "Model",
    "modeL",
    "x",
]


def escaped(text, mask):
    """The same name or value in another spelling: a letter of it as \\uXXXX wherever the mask says."""
    out = []
    for index, letter in enumerate(text):
        if mask >> index & 1:
            units = letter.encode("utf-16-be")
            out += [f"\\u{units[i]:02x}{units[i + 1]:02X}" for i in range(0, len(units), 2)]
        else:
            out.append(json.dumps(letter, ensure_ascii=False)[1:-1])
    return '"' + "".join(out) + '"'


masks = st.one_of(st.just(0), st.integers(0, 2**16 - 1))
spaces = st.sampled_from(["", "", "", " ", "\n", "\t", "\r\n"])
words = st.one_of(
    st.sampled_from(["openai-small", "mock-large", "mock-small", "hi", "user", "", "true", "null"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
)
strings = st.builds(escaped, words, masks)
odd_strings = st.sampled_from([r'"\ud800"', r'"\udfff\ud800"', '"\\u12"', '"a\x01b"', '"\\v"', '"unfinished'])
numbers = st.one_of(
    st.integers(-5, 5).map(str),
    st.integers().map(str),
    st.floats(allow_nan=True).map(repr),
    st.sampled_from(["-0", "1e400", "1E+2", "0.10", "00", ".5", "5.", "1e", "--1", "9" * 80, "0." + "3" * 80]),
)
scalars = st.one_of(strings, numbers, st.sampled_from(["true", "false", "null", "True", "nul"]), odd_strings)
names = st.builds(escaped, st.one_of(st.sampled_from(NAMES), words), masks)


def composed(children):
    arrays = st.builds(lambda items, gap: "[" + ("," + gap).join(items) + "]", st.lists(children, max_size=3), spaces)
    objects = st.builds(
        lambda items, gap: "{" + ("," + gap).join(f"{name}{gap}:{value}" for name, value in items) + "}",
        st.lists(st.tuples(names, children), max_size=4),
        spaces,
    )
    return st.one_of(arrays, objects)


values = st.recursive(scalars, composed, max_leaves=8)
# A request that is nearly right: the usual members, some again, some strange, in any order, cut or followed by more.
usual = st.one_of(
    st.tuples(st.builds(escaped, st.just("model"), masks), st.builds(escaped, st.sampled_from(sorted(MODELS)), masks)),
    st.tuples(st.builds(escaped, st.just("stream"), masks), st.sampled_from(["true", "false"])),
    st.tuples(st.builds(escaped, st.just("max_tokens"), masks), st.integers(1, 50).map(str)),
    st.tuples(st.builds(escaped, st.just("temperature"), masks), st.sampled_from(["0", "0.5", "1e0"])),
    st.tuples(st.just('"user"'), strings),
    st.tuples(
        st.just('"metadata"'),
        st.dictionaries(st.sampled_from(["a", "model", "b"]), st.just("x"), max_size=2).map(json.dumps),
    ),
)
members = st.lists(st.one_of(usual, usual, usual, st.tuples(names, values)), max_size=4)


@st.composite
def bodies(draw):
    pairs = [('"messages"', '[{"role":"user","content":"hi"}]')]
    if draw(st.integers(0, 9)):
        pairs.append((escaped("model", draw(masks)), escaped(draw(st.sampled_from(sorted(MODELS))), draw(masks))))
    pairs += draw(members)
    pairs = draw(st.permutations(pairs))
    gap = draw(spaces)
    text = gap + "{" + ("," + gap).join(f"{name}:{gap}{value}" for name, value in pairs) + "}" + gap
    data = text.encode("utf-8", "surrogatepass")
    for _ in range(draw(st.sampled_from([0, 0, 0, 0, 0, 1, 2]))):
        place = draw(st.integers(0, len(data)))
        data = (
            data[:place]
            + draw(st.sampled_from([b"\xff", b"\x00", b",", b'"', b"}", b"\\", b"\xef\xbb\xbf", b"\xed\xa0\x80"]))
            + data[place:]
        )
    return data


@pytest.mark.prove
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(raw=bodies())
@example(raw=b'{"model":"openai-small","mod\\u0065l":"mock-large","messages":[{"role":"user","content":"hi"}]}')
def test_random_bodies_have_one_reading(through, raw):
    assert through(raw) in (200, 400, 404)


def test_the_random_bodies_are_worth_sending(through):
    """Of the random bodies a good part is taken and a good part refused; all of one kind would prove little."""
    seen = {200: 0, 400: 0, 404: 0}

    @settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=200, database=None, derandomize=True)
    @given(raw=bodies())
    def sample(raw):
        seen[through(raw)] += 1

    sample()
    assert seen[200] >= 20 and seen[400] >= 20, seen


# The control.


class NaiveProxy:
    """Reads the first of two equal names, believes it, and hands the bytes on."""

    def __init__(self, upstream: MockUpstream):
        self.upstream = upstream

    def send(self, raw: bytes):
        self.upstream.clear()
        try:
            read = json.loads(raw, object_pairs_hook=first_wins)
        except (ValueError, RecursionError):
            return 400, None, None
        if not isinstance(read, dict) or read.get("model") not in MODELS:
            return 404, None, None
        body = raw.replace(b"openai-small", b"mock-small")
        request = urllib.request.Request(f"{self.upstream.plain_url}/v1/chat/completions", data=body, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                status = answer.status
                answer.read()
        except urllib.error.HTTPError as error:
            status = error.code
        reached = self.upstream.requests[0].body if self.upstream.requests else None
        return status, read["model"], reached


@pytest.fixture
def naive(upstream):
    return NaiveProxy(upstream)


@pytest.mark.parametrize(
    "name", ["a model twice", "a model twice, one escaped", "a nested name twice", "a lone surrogate as value"]
)
def test_the_test_finds_out_a_naive_proxy(naive, name):
    with pytest.raises(Disagreement):
        judge(*naive.send(filled(REFUSED[name])))


def test_random_bodies_find_out_a_naive_proxy(naive):
    @settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=300, database=None, derandomize=True)
    @given(raw=bodies())
    def sample(raw):
        status, routed, body = naive.send(raw)
        if status < 500:  # The mock upstream's own refusals are not the proxy's.
            judge(200 if body is not None else status, routed, body)

    with pytest.raises(BaseException) as found:
        sample()
    assert (
        found.group_contains(Disagreement)
        if isinstance(found.value, BaseExceptionGroup)
        else isinstance(found.value, Disagreement)
    )


def test_the_test_lets_a_good_answer_pass(naive):
    status, routed, body = naive.send(filled(TAKEN["plain"]))
    judge(status, routed, body)


def test_httpx_sends_the_bytes_as_they_are(upstream):
    with httpx2.Client(base_url=upstream.plain_url) as client:
        client.post("/v1/chat/completions", content=b'\xef\xbb\xbf{"a":1,"a":2}\x00')
    assert upstream.last.body == b'\xef\xbb\xbf{"a":1,"a":2}\x00'
