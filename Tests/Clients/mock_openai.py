# SPDX-License-Identifier: Apache-2.0
"""OpenAI's routes as the mock upstream serves them: models, chat completions, completions, embeddings."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
import json
import struct
import time
from typing import Any

import mock_brain
from mock_brain import Plan, Prompt, Tool
from mock_upstream import Exchange

MODELS = ["mock-small", "mock-large"]
DIMENSIONS = 8
_ids = itertools.count(1)

KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


def error(status: int, message: str | None = None, code: str | None = None) -> dict[str, Any]:
    kind = KINDS.get(status, "server_error")
    return {
        "error": {
            "message": message or f"The mock was told to fail with {status}.",
            "type": kind,
            "param": None,
            "code": code,
        }
    }


async def fail(exchange: Exchange, status: int, retry_after: float | None = None) -> None:
    headers = {} if retry_after is None else {"retry-after": f"{retry_after:g}"}
    await exchange.respond(status, error(status), headers)


def text_of(content: Any) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content if part.get("type") == "text")


def prompt_of(body: dict[str, Any]) -> Prompt:
    messages = body["messages"]
    users = [i for i, message in enumerate(messages) if message["role"] == "user"]
    last = users[-1] if users else -1
    names = {
        call["id"]: call["function"]["name"]
        for message in messages
        for call in message.get("tool_calls") or []
        if call["type"] == "function"
    }
    choice = body.get("tool_choice", "auto")
    if isinstance(choice, dict):
        choice = choice.get("function", {}).get("name", "required")
    form = body.get("response_format") or {}
    stop = body.get("stop") or []
    return Prompt(
        text=text_of(messages[last]["content"]) if users else "",
        tools=[
            Tool(t["function"]["name"], t["function"].get("parameters") or {})
            for t in body.get("tools") or []
            if "function" in t
        ],
        tool_choice=choice,
        results=[
            (names.get(m["tool_call_id"], "?"), text_of(m["content"]))
            for m in messages[last + 1 :]
            if m["role"] == "tool"
        ],
        schema=form["json_schema"]["schema"]
        if form.get("type") == "json_schema"
        else {"type": "object"}
        if form.get("type") == "json_object"
        else None,
        tokens_max=body.get("max_completion_tokens") or body.get("max_tokens"),
        stop=[stop] if isinstance(stop, str) else stop,
        input_tokens=sum(len(mock_brain.tokens(text_of(m.get("content")))) + 1 for m in messages),
    )


def usage(answer: Plan, choices: int = 1) -> dict[str, Any]:
    output = answer.output_tokens * choices
    return {
        "prompt_tokens": answer.input_tokens,
        "completion_tokens": output,
        "total_tokens": answer.input_tokens + output,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def frame(value: Any) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def calls(answer: Plan) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call_{next(_ids):06d}",
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for call in answer.calls
    ]


async def chat(exchange: Exchange) -> None:
    body = exchange.record.json
    answer = mock_brain.plan(prompt_of(body))
    await exchange.sleep(answer.delay) if answer.delay else None
    if answer.hang and not body.get("stream"):
        await exchange.hang()
    if answer.status is not None:
        return await fail(exchange, answer.status, answer.retry_after)
    choices = body.get("n") or 1
    head = {
        "id": f"chatcmpl-{next(_ids):08d}",
        "created": int(time.time()),
        "model": body["model"],
        "system_fingerprint": "fp_mock",
    }
    if body.get("stream"):
        include = bool((body.get("stream_options") or {}).get("include_usage"))
        return await _chat_stream(exchange, answer, head, choices, include)
    if answer.fail_after is not None:
        return await fail(exchange, answer.fail_status)
    message: dict[str, Any] = {"role": "assistant", "content": answer.text or None, "refusal": answer.refusal or None}
    if answer.thinking:
        message["reasoning_content"] = answer.thinking
    if answer.calls:
        message["tool_calls"] = calls(answer)
    document = {
        **head,
        "object": "chat.completion",
        "usage": usage(answer, choices),
        "choices": [
            {"index": i, "message": message, "logprobs": None, "finish_reason": answer.finish} for i in range(choices)
        ],
    }
    if answer.cut is not None:
        text = json.dumps(document).encode()
        await exchange.raw(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(text)
        )
        await exchange.raw(text[: len(text) // 2])
        return exchange.cut()
    await exchange.respond(200, document)


async def _chat_stream(exchange: Exchange, answer: Plan, head: dict[str, Any], choices: int, include: bool) -> None:
    base = {**head, "object": "chat.completion.chunk", **({"usage": None} if include else {})}

    def delta(index: int, delta: dict[str, Any], finish: str | None = None) -> bytes:
        return frame({**base, "choices": [{"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}]})

    await exchange.begin()
    for i in range(choices):
        await exchange.chunk(delta(i, {"role": "assistant", "content": "", "refusal": None}))
    if answer.hang:
        await exchange.hang()
    if answer.thinking:
        await exchange.chunk(delta(0, {"reasoning_content": answer.thinking}))
    for number, token in enumerate(answer.tokens):
        if number == answer.cut:
            return exchange.cut()
        if number == answer.fail_after:
            await exchange.chunk(frame(error(answer.fail_status)))
            return await exchange.finish()
        for i in range(choices):
            await exchange.chunk(delta(i, {"content": token}))
        await exchange.sleep(answer.pace) if answer.pace else await asyncio.sleep(0)
    for token in mock_brain.tokens(answer.refusal):
        await exchange.chunk(delta(0, {"refusal": token}))
    for index, call in enumerate(calls(answer)):
        whole = call["function"]["arguments"]
        empty = {**call, "index": index, "function": {"name": call["function"]["name"], "arguments": ""}}
        await exchange.chunk(delta(0, {"tool_calls": [empty]}))
        for start in range(0, len(whole), 5):
            piece = {"index": index, "function": {"arguments": whole[start : start + 5]}}
            await exchange.chunk(delta(0, {"tool_calls": [piece]}))
            await exchange.sleep(answer.pace) if answer.pace else None
    for i in range(choices):
        await exchange.chunk(delta(i, {}, answer.finish))
    if include:
        await exchange.chunk(frame({**base, "choices": [], "usage": usage(answer, choices)}))
    await exchange.chunk(b"data: [DONE]\n\n")
    await exchange.finish()


async def completions(exchange: Exchange) -> None:
    body = exchange.record.json
    text = body["prompt"] if isinstance(body["prompt"], str) else " ".join(map(str, body["prompt"]))
    answer = mock_brain.plan(Prompt(text=text, tokens_max=body.get("max_tokens")))
    if answer.status is not None:
        return await fail(exchange, answer.status, answer.retry_after)
    head = {
        "id": f"cmpl-{next(_ids):08d}",
        "object": "text_completion",
        "created": int(time.time()),
        "model": body["model"],
    }
    if not body.get("stream"):
        choice = {"index": 0, "text": answer.text, "logprobs": None, "finish_reason": answer.finish}
        return await exchange.respond(200, {**head, "choices": [choice], "usage": usage(answer)})
    await exchange.begin()
    for token in answer.tokens:
        await exchange.chunk(
            frame({**head, "choices": [{"index": 0, "text": token, "logprobs": None, "finish_reason": None}]})
        )
        await exchange.sleep(answer.pace) if answer.pace else None
    await exchange.chunk(
        frame({**head, "choices": [{"index": 0, "text": "", "logprobs": None, "finish_reason": answer.finish}]})
    )
    if (body.get("stream_options") or {}).get("include_usage"):
        await exchange.chunk(frame({**head, "choices": [], "usage": usage(answer)}))
    await exchange.chunk(b"data: [DONE]\n\n")
    await exchange.finish()


def vector(text: str, dimensions: int) -> list[float]:
    """The same text, the same vector; of length one."""
    seed = itertools.chain.from_iterable(hashlib.sha256(f"{text}/{i}".encode()).digest() for i in itertools.count())
    values = [next(seed) / 127.5 - 1 for _ in range(dimensions)]
    length = sum(v * v for v in values) ** 0.5
    return [struct.unpack("<f", struct.pack("<f", v / length))[0] for v in values]


async def embeddings(exchange: Exchange) -> None:
    body = exchange.record.json
    inputs = (
        body["input"] if isinstance(body["input"], list) and not isinstance(body["input"][0], int) else [body["input"]]
    )
    if isinstance(inputs[0], str) and (match := mock_brain.plan(Prompt(text=inputs[0]))).status is not None:
        return await fail(exchange, match.status, match.retry_after)
    vectors: list[Any] = [vector(str(item), body.get("dimensions") or DIMENSIONS) for item in inputs]
    if body.get("encoding_format") == "base64":
        vectors = [base64.b64encode(struct.pack(f"<{len(v)}f", *v)).decode() for v in vectors]
    tokens = sum(len(mock_brain.tokens(str(item))) for item in inputs)
    await exchange.respond(
        200,
        {
            "object": "list",
            "model": body["model"],
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
            "data": [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(vectors)],
        },
    )


async def models(exchange: Exchange) -> None:
    name = exchange.record.path.removeprefix("/v1/models").lstrip("/")
    listed = [{"id": model, "object": "model", "created": 1700000000, "owned_by": "mock"} for model in MODELS]
    if not name:
        return await exchange.respond(200, {"object": "list", "data": listed})
    found = [model for model in listed if model["id"] == name]
    await exchange.respond(200, found[0]) if found else await fail(exchange, 404)
