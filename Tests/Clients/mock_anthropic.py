# SPDX-License-Identifier: Apache-2.0
"""Anthropic's routes as the mock upstream serves them: messages and count_tokens."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

import mock_brain
from mock_brain import Plan, Prompt, Tool
from mock_upstream import Exchange

_ids = itertools.count(1)

KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
STOPS = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal", "tool_calls": "tool_use"}


def error(status: int, message: str | None = None) -> dict[str, Any]:
    kind = KINDS.get(status, "api_error")
    return {
        "type": "error",
        "error": {"type": kind, "message": message or f"The mock was told to fail with {status}."},
        "request_id": "req_mock",
    }


async def fail(exchange: Exchange, status: int, retry_after: float | None = None) -> None:
    headers = {"request-id": "req_mock"}
    if retry_after is not None:
        headers["retry-after"] = f"{retry_after:g}"
    await exchange.respond(status, error(status), headers)


def text_of(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content or [] if part.get("type") == "text")


def prompt_of(body: dict[str, Any]) -> Prompt:
    messages = body["messages"]
    blocks = [b for m in messages if isinstance(m["content"], list) for b in m["content"]]
    names = {block["id"]: block["name"] for block in blocks if block["type"] == "tool_use"}
    last = messages[-1]
    results = [
        (names.get(block["tool_use_id"], "?"), text_of(block.get("content")))
        for block in (last["content"] if isinstance(last["content"], list) else [])
        if block["type"] == "tool_result"
    ]
    users = [m for m in messages if m["role"] == "user" and text_of(m["content"])]
    choice = body.get("tool_choice") or {"type": "auto"}
    kind = choice["type"]
    form = (body.get("output_config") or {}).get("format") or body.get("output_format") or {}
    return Prompt(
        text=text_of(users[-1]["content"]) if users else "",
        tools=[Tool(t["name"], t["input_schema"]) for t in body.get("tools") or [] if "input_schema" in t],
        tool_choice=choice["name"] if kind == "tool" else "required" if kind == "any" else kind,
        results=results,
        schema=form.get("schema"),
        tokens_max=body["max_tokens"],
        stop=body.get("stop_sequences") or [],
        input_tokens=sum(len(mock_brain.tokens(text_of(m["content"]))) + 1 for m in messages)
        + len(mock_brain.tokens(text_of(body.get("system") or ""))),
    )


def blocks(answer: Plan) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = []
    if answer.thinking:
        content.append({"type": "thinking", "thinking": answer.thinking, "signature": "c2lnbmF0dXJl"})
    if answer.text or answer.refusal:
        content.append({"type": "text", "text": answer.text or answer.refusal})
    for call in answer.calls:
        content.append(
            {
                "type": "tool_use",
                "id": f"toolu_{next(_ids):06d}",
                "name": call.name,
                "input": json.loads(call.arguments),
            }
        )
    return content


def stop_of(answer: Plan) -> str:
    return "refusal" if answer.refusal else STOPS[answer.finish]


async def messages(exchange: Exchange) -> None:
    body = exchange.record.json
    if not exchange.record.header("anthropic-version"):
        return await exchange.respond(400, error(400, "anthropic-version: header is required"))
    answer = mock_brain.plan(prompt_of(body))
    await exchange.sleep(answer.delay) if answer.delay else None
    if answer.hang and not body.get("stream"):
        await exchange.hang()
    if answer.status is not None:
        return await fail(exchange, answer.status, answer.retry_after)
    head = {
        "id": f"msg_{next(_ids):08d}",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }
    if body.get("stream"):
        return await _messages_stream(exchange, answer, head)
    if answer.fail_after is not None:
        return await fail(exchange, answer.fail_status)
    document = {
        **head,
        "content": blocks(answer),
        "stop_reason": stop_of(answer),
        "usage": {
            "input_tokens": answer.input_tokens,
            "output_tokens": answer.output_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
        },
    }
    if answer.cut is not None:
        text = json.dumps(document).encode()
        await exchange.raw(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(text)
        )
        await exchange.raw(text[: len(text) // 2])
        return exchange.cut()
    await exchange.respond(200, document, {"request-id": "req_mock"})


def frame(value: dict[str, Any]) -> bytes:
    return f"event: {value['type']}\ndata: ".encode() + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


async def _messages_stream(exchange: Exchange, answer: Plan, head: dict[str, Any]) -> None:
    await exchange.begin(headers={"request-id": "req_mock"})
    usage = {
        "input_tokens": answer.input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": 1,
    }
    await exchange.chunk(frame({"type": "message_start", "message": {**head, "usage": usage}}))
    await exchange.chunk(frame({"type": "ping"}))
    if answer.hang:
        await exchange.hang()
    for index, block in enumerate(blocks(answer)):
        if block["type"] == "tool_use":
            start, whole = {**block, "input": {}}, json.dumps(block["input"])
            pieces = [
                {"type": "input_json_delta", "partial_json": p}
                for p in [""] + [whole[i : i + 5] for i in range(0, len(whole), 5)]
            ]
        elif block["type"] == "thinking":
            start = {**block, "thinking": "", "signature": ""}
            pieces = [
                {"type": "thinking_delta", "thinking": block["thinking"]},
                {"type": "signature_delta", "signature": block["signature"]},
            ]
        else:
            start = {"type": "text", "text": ""}
            pieces = [{"type": "text_delta", "text": token} for token in mock_brain.tokens(block["text"])]
        await exchange.chunk(frame({"type": "content_block_start", "index": index, "content_block": start}))
        for number, piece in enumerate(pieces):
            if block["type"] == "text" and number == answer.cut:
                return exchange.cut()
            if block["type"] == "text" and number == answer.fail_after:
                await exchange.chunk(frame(error(answer.fail_status)))
                return await exchange.finish()
            await exchange.chunk(frame({"type": "content_block_delta", "index": index, "delta": piece}))
            await exchange.sleep(answer.pace) if answer.pace else await asyncio.sleep(0)
        await exchange.chunk(frame({"type": "content_block_stop", "index": index}))
    await exchange.chunk(
        frame(
            {
                "type": "message_delta",
                "delta": {"stop_reason": stop_of(answer), "stop_sequence": None},
                "usage": {"output_tokens": answer.output_tokens},
            }
        )
    )
    await exchange.chunk(frame({"type": "message_stop"}))
    await exchange.finish()


async def count_tokens(exchange: Exchange) -> None:
    body = exchange.record.json
    await exchange.respond(200, {"input_tokens": prompt_of({**body, "max_tokens": 1}).input_tokens})
