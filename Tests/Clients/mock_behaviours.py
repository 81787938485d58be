# SPDX-License-Identifier: Apache-2.0
"""What the mock upstream can do to a request, by name.

`default` serves the real routes; a model named `do-<behaviour>` or `MockUpstream.behave` chooses one of the others.
The `echo_…` ones give back what they were sent, the caller's credential above all, in every place an answer has:
they are the canary test of row H7.
"""

from __future__ import annotations

import base64
import json
import urllib.parse
from typing import Any

import mock_anthropic
import mock_openai
from mock_upstream import Behaviour, Exchange

ROUTES: dict[tuple[str, str], Behaviour] = {
    ("POST", "/v1/chat/completions"): mock_openai.chat,
    ("POST", "/v1/completions"): mock_openai.completions,
    ("POST", "/v1/embeddings"): mock_openai.embeddings,
    ("GET", "/v1/models"): mock_openai.models,
    ("POST", "/v1/messages"): mock_anthropic.messages,
    ("POST", "/v1/messages/count_tokens"): mock_anthropic.count_tokens,
}


async def default(exchange: Exchange) -> None:
    record = exchange.record
    route = ROUTES.get((record.method, "/v1/models" if record.path.startswith("/v1/models") else record.path))
    if route is None:
        return await exchange.respond(404, mock_openai.error(404, f"no such route: {record.method} {record.path}"))
    if record.body:
        try:
            model = record.json.get("model", "")
        except (ValueError, AttributeError):
            return await exchange.respond(400, mock_openai.error(400, "not JSON"))
        if isinstance(model, str) and model.startswith("do-"):
            return await NAMED[model.removeprefix("do-").replace("-", "_")](exchange)
    await route(exchange)


def is_anthropic(exchange: Exchange) -> bool:
    return exchange.record.path.startswith("/v1/messages")


def is_streamed(exchange: Exchange) -> bool:
    try:
        return bool(exchange.record.json.get("stream"))
    except ValueError:
        return False


# Slow, silent, broken.


async def hang(exchange: Exchange) -> None:
    """Never a byte."""
    await exchange.hang()


async def slow_first_byte(exchange: Exchange, seconds: float = 2) -> None:
    await exchange.sleep(seconds)
    await ROUTES[exchange.record.method, exchange.record.path](exchange)


async def drip(exchange: Exchange, count: int = 10_000, seconds: float = 0.02) -> None:
    """A stream that does not end by itself."""
    await begin_text(exchange)
    for i in range(count):
        await exchange.chunk(text_frame(exchange, f"drip{i} "))
        await exchange.sleep(seconds)
    await end_text(exchange)


async def flood(exchange: Exchange, count: int = 20_000) -> None:
    """As much as the client takes, as fast as it does."""
    await begin_text(exchange)
    for i in range(count):
        await exchange.chunk(text_frame(exchange, "x" * 1000 + " "))
    await end_text(exchange)


async def stall(exchange: Exchange) -> None:
    """A head, one token, and then nothing: the idle time limit."""
    await begin_text(exchange)
    await exchange.chunk(text_frame(exchange, "one "))
    await exchange.hang()


async def headers_only(exchange: Exchange) -> None:
    await exchange.begin()
    await exchange.hang()


async def reset(exchange: Exchange) -> None:
    exchange.reset()


async def cut_stream(exchange: Exchange) -> None:
    await begin_text(exchange)
    await exchange.chunk(text_frame(exchange, "one "))
    exchange.cut()


async def end_early(exchange: Exchange) -> None:
    """The message ends in good order, the conversation in it does not: no finish reason, no [DONE]."""
    await begin_text(exchange)
    await exchange.chunk(text_frame(exchange, "one "))
    await exchange.finish()


async def garbage(exchange: Exchange) -> None:
    await exchange.respond(200, b'{"id": "x", "choices": [{"mess')


async def garbage_stream(exchange: Exchange) -> None:
    await begin_text(exchange)
    await exchange.chunk(text_frame(exchange, "one "))
    await exchange.chunk(b"data: {not json at all\n\n")
    await end_text(exchange)


async def html(exchange: Exchange) -> None:
    await exchange.respond(200, b"<html><body>It works!</body></html>", {"content-type": "text/html"})


async def not_http(exchange: Exchange) -> None:
    await exchange.raw(b"220 mail.example ESMTP\r\n")
    exchange.cut()


async def empty(exchange: Exchange) -> None:
    await exchange.respond(200, b"")


async def without_usage(exchange: Exchange) -> None:
    if is_streamed(exchange):
        await begin_text(exchange)
        await exchange.chunk(text_frame(exchange, "no "))
        await exchange.chunk(text_frame(exchange, "usage"))
        await end_text(exchange, usage=False)
    elif is_anthropic(exchange):
        await exchange.respond(200, {**anthropic_message("no usage"), "usage": {}})
    else:
        document = openai_message("no usage")
        del document["usage"]
        await exchange.respond(200, document)


async def large(exchange: Exchange, bytes_count: int = 4 * 1024 * 1024) -> None:
    text = "x" * bytes_count
    await exchange.respond(200, anthropic_message(text) if is_anthropic(exchange) else openai_message(text))


async def endless(exchange: Exchange) -> None:
    """An answer larger than anyone should keep."""
    await exchange.begin(headers={"content-type": "application/json"})
    await exchange.chunk(b'{"choices": "')
    for _ in range(512):
        await exchange.chunk(b"x" * 1024 * 1024)
    await exchange.chunk(b'"}')
    await exchange.finish()


async def violating(exchange: Exchange) -> None:
    """JSON, but not what the schema asked for."""
    text = '{"city": 7, "surplus": true}'
    if is_streamed(exchange):
        await begin_text(exchange)
        for start in range(0, len(text), 4):
            await exchange.chunk(text_frame(exchange, text[start : start + 4]))
        return await end_text(exchange)
    await exchange.respond(200, anthropic_message(text) if is_anthropic(exchange) else openai_message(text))


def redirect(location: str, status: int = 307) -> Behaviour:
    async def behaviour(exchange: Exchange) -> None:
        await exchange.respond(status, b"", {"location": location})

    return behaviour


def status(code: int, headers: dict[str, str] | None = None, times: int | None = None) -> Behaviour:
    """That status, always or for the first `times` requests."""
    left = times

    async def behaviour(exchange: Exchange) -> None:
        nonlocal left
        if left == 0:
            return await ROUTES[exchange.record.method, exchange.record.path](exchange)
        left = None if left is None else left - 1
        module = mock_anthropic if is_anthropic(exchange) else mock_openai
        await exchange.respond(code, module.error(code), headers)

    return behaviour


# Echoes of the credential.


def credentials(exchange: Exchange) -> str:
    """All header values as they came, and the credential alone."""
    return "\n".join(f"{name}: {value}" for name, value in exchange.record.headers)


def secret(exchange: Exchange) -> str:
    bearer = exchange.record.header("authorization") or ""
    return exchange.record.header("x-api-key") or bearer.removeprefix("Bearer ")


def disguises(value: str) -> list[str]:
    """A secret as it may stand in an answer: itself, and the encodings a client undoes without thinking."""
    encoded = value.encode()
    return [
        value,
        base64.b64encode(encoded).decode(),
        base64.urlsafe_b64encode(encoded).decode().rstrip("="),
        encoded.hex(),
        urllib.parse.quote(value, safe=""),
        json.dumps(value)[1:-1],
        "".join(f"\\u{ord(c):04x}" for c in value),
    ]


async def echo_body(exchange: Exchange) -> None:
    text = credentials(exchange)
    document = anthropic_message(text) if is_anthropic(exchange) else openai_message(text)
    document["id"] = "id-" + secret(exchange)
    document["x_debug"] = {"request_headers": dict(exchange.record.headers)}
    await exchange.respond(200, document)


async def echo_encoded(exchange: Exchange) -> None:
    text = " ".join(disguises(secret(exchange)))
    await exchange.respond(200, anthropic_message(text) if is_anthropic(exchange) else openai_message(text))


async def echo_escaped(exchange: Exchange) -> None:
    """The secret with each letter as \\uXXXX in the JSON text: it is only there after unescaping."""
    text = "".join(f"\\u{ord(c):04x}" for c in secret(exchange))
    document = anthropic_message("PUT") if is_anthropic(exchange) else openai_message("PUT")
    await exchange.respond(200, json.dumps(document).replace("PUT", text).encode())


async def echo_header(exchange: Exchange) -> None:
    key = secret(exchange)
    document = anthropic_message("fine") if is_anthropic(exchange) else openai_message("fine")
    names = [
        "x-request-id",
        "request-id",
        "x-echo",
        "set-cookie",
        "server",
        "openai-organization",
        "www-authenticate",
        "content-language",
        "retry-after",
        "x-ratelimit-limit-requests",
        "etag",
    ]
    await exchange.respond(200, document, dict.fromkeys(names, key))


def echo_error(code: int) -> Behaviour:
    async def behaviour(exchange: Exchange) -> None:
        key = secret(exchange)
        message = f"Incorrect API key provided: {key}. Headers: {credentials(exchange)}"
        module = mock_anthropic if is_anthropic(exchange) else mock_openai
        document = module.error(code, message)
        document["error"]["code"] = key
        document["error"]["type"] = key
        document["error"]["param"] = key
        await exchange.respond(code, document, {"x-request-id": key, "retry-after": key}, reason=key)

    return behaviour


async def echo_plain_error(exchange: Exchange) -> None:
    await exchange.respond(500, credentials(exchange).encode(), {"content-type": "text/plain"})


async def echo_redirect(exchange: Exchange) -> None:
    key = secret(exchange)
    await exchange.respond(302, credentials(exchange).encode(), {"location": f"/v1/stolen?key={key}"})


async def echo_not_http(exchange: Exchange) -> None:
    await exchange.raw(credentials(exchange).encode() + b"\r\n\r\n")
    exchange.cut()


async def echo_garbage(exchange: Exchange) -> None:
    await exchange.respond(200, ('{"id": "' + secret(exchange) + '", "choices": [' + secret(exchange)).encode())


async def echo_stream(exchange: Exchange) -> None:
    """Whole, in one delta; and in a comment, an unknown field and an unknown event."""
    await begin_text(exchange)
    key = secret(exchange)
    await exchange.chunk(f": {key}\nid: {key}\nretry: {key}\n".encode() + text_frame(exchange, f"key={key} "))
    if not is_anthropic(exchange):
        await exchange.chunk(f"event: {key}\n".encode() + text_frame(exchange, "then "))
    await end_text(exchange)


async def echo_stream_deltas(exchange: Exchange) -> None:
    """Split across deltas, two letters each: no single event holds it."""
    await begin_text(exchange)
    key = secret(exchange)
    for start in range(0, len(key), 2):
        await exchange.chunk(text_frame(exchange, key[start : start + 2]))
    await end_text(exchange)


async def echo_stream_halves(exchange: Exchange) -> None:
    """Split across deltas once, in the middle, with a pause between."""
    await begin_text(exchange)
    key = secret(exchange)
    await exchange.chunk(text_frame(exchange, "before " + key[: len(key) // 2]))
    await exchange.sleep(0.2)
    await exchange.chunk(text_frame(exchange, key[len(key) // 2 :] + " after"))
    await end_text(exchange)


async def echo_stream_bytes(exchange: Exchange) -> None:
    """Whole in one event that arrives in many pieces."""
    await begin_text(exchange)
    data = text_frame(exchange, f"key={secret(exchange)} ")
    for start in range(0, len(data), 7):
        await exchange.chunk(data[start : start + 7])
        await exchange.sleep(0.001)
    await end_text(exchange)


async def echo_stream_error(exchange: Exchange) -> None:
    """A failure in the middle of a stream that quotes it."""
    await begin_text(exchange)
    await exchange.chunk(text_frame(exchange, "one "))
    message = f"bad key {secret(exchange)}"
    if is_anthropic(exchange):
        await exchange.chunk(mock_anthropic.frame(mock_anthropic.error(500, message)))
    else:
        await exchange.chunk(mock_openai.frame(mock_openai.error(500, message)))
    await exchange.finish()


async def echo_tool(exchange: Exchange) -> None:
    """In a tool call: its id, its name and its arguments, the arguments in pieces when streamed."""
    key = secret(exchange)
    arguments = json.dumps({"key": key})
    if is_streamed(exchange):
        await begin_text(exchange, text=False)
        for data in tool_frames(exchange, key, arguments):
            await exchange.chunk(data)
        return await end_text(exchange, text=False)
    if is_anthropic(exchange):
        document = anthropic_message("")
        document["content"] = [{"type": "tool_use", "id": "toolu_1", "name": "leak", "input": {"key": key}}]
        document["stop_reason"] = "tool_use"
    else:
        document = openai_message("")
        call = {"id": "call_1", "type": "function", "function": {"name": "leak", "arguments": arguments}}
        document["choices"][0]["message"] = {"role": "assistant", "content": None, "tool_calls": [call]}
        document["choices"][0]["finish_reason"] = "tool_calls"
    await exchange.respond(200, document)


ECHOES: dict[str, Behaviour] = {
    "body": echo_body,
    "encoded": echo_encoded,
    "escaped": echo_escaped,
    "header": echo_header,
    "redirect": echo_redirect,
    "error_400": echo_error(400),
    "error_401": echo_error(401),
    "error_404": echo_error(404),
    "error_429": echo_error(429),
    "error_500": echo_error(500),
    "plain_error": echo_plain_error,
    "not_http": echo_not_http,
    "garbage": echo_garbage,
    "tool": echo_tool,
}
STREAM_ECHOES: dict[str, Behaviour] = {
    "stream": echo_stream,
    "stream_deltas": echo_stream_deltas,
    "stream_halves": echo_stream_halves,
    "stream_bytes": echo_stream_bytes,
    "stream_error": echo_stream_error,
    "tool": echo_tool,
    "error_401": echo_error(401),
    "redirect": echo_redirect,
    "header": echo_header,
    "garbage": echo_garbage,
}
NAMED: dict[str, Behaviour] = {
    name: behaviour
    for name, behaviour in list(globals().items())
    if callable(behaviour)
    and getattr(behaviour, "__code__", None)
    and behaviour.__code__.co_varnames[:1] == ("exchange",)
    and behaviour.__code__.co_flags & 0x80
}


# Small answers, in either protocol.


def openai_message(text: str) -> dict[str, Any]:
    return {
        "id": "chatcmpl-mock",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "mock-small",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8},
    }


def anthropic_message(text: str) -> dict[str, Any]:
    return {
        "id": "msg_mock",
        "type": "message",
        "role": "assistant",
        "model": "mock-small",
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 5},
    }


def _chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return mock_openai.frame(
        {
            "id": "chatcmpl-mock",
            "object": "chat.completion.chunk",
            "created": 1700000000,
            "model": "mock-small",
            "choices": [choice],
        }
    )


async def begin_text(exchange: Exchange, text: bool = True) -> None:
    await exchange.begin()
    if not is_anthropic(exchange):
        return await exchange.chunk(_chunk({"role": "assistant", "content": ""}))
    message = {**anthropic_message(""), "content": [], "stop_reason": None}
    await exchange.chunk(mock_anthropic.frame({"type": "message_start", "message": message}))
    if text:
        block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        await exchange.chunk(mock_anthropic.frame(block))


def text_frame(exchange: Exchange, text: str) -> bytes:
    if not is_anthropic(exchange):
        return _chunk({"content": text})
    return mock_anthropic.frame(
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
    )


def tool_frames(exchange: Exchange, name: str, arguments: str) -> list[bytes]:
    pieces = [arguments[i : i + 3] for i in range(0, len(arguments), 3)]
    if not is_anthropic(exchange):
        first = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "leak", "arguments": ""}}
        return [_chunk({"tool_calls": [first]})] + [
            _chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}) for piece in pieces
        ]
    block = {"type": "tool_use", "id": "toolu_1", "name": "leak", "input": {}}
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    return [
        mock_anthropic.frame({"type": "content_block_start", "index": 0, "content_block": block}),
        *(mock_anthropic.frame({"type": "content_block_delta", "index": 0, "delta": delta}) for delta in deltas),
        mock_anthropic.frame({"type": "content_block_stop", "index": 0}),
    ]


async def end_text(exchange: Exchange, usage: bool = True, text: bool = True) -> None:
    if is_anthropic(exchange):
        if text:
            await exchange.chunk(mock_anthropic.frame({"type": "content_block_stop", "index": 0}))
        delta = {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn" if text else "tool_use", "stop_sequence": None},
        }
        await exchange.chunk(mock_anthropic.frame({**delta, "usage": {"output_tokens": 5} if usage else {}}))
        await exchange.chunk(mock_anthropic.frame({"type": "message_stop"}))
    else:
        await exchange.chunk(_chunk({}, "stop" if text else "tool_calls"))
        if usage and (exchange.record.json.get("stream_options") or {}).get("include_usage"):
            figures = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
            await exchange.chunk(
                mock_openai.frame(
                    {
                        "id": "chatcmpl-mock",
                        "object": "chat.completion.chunk",
                        "created": 1700000000,
                        "model": "mock-small",
                        "choices": [],
                        "usage": figures,
                    }
                )
            )
        await exchange.chunk(b"data: [DONE]\n\n")
    await exchange.finish()
