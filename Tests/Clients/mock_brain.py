# SPDX-License-Identifier: Apache-2.0
"""What the mock upstream answers: the prompt commands of the gateway's `builtin` provider, in Python.

A command stands at the start of the last user text, one a line; what follows the commands is echoed. Both protocols
turn a request into a `Prompt` and render the `Plan`.
"""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any


@dataclasses.dataclass
class Tool:
    name: str
    schema: dict[str, Any]


@dataclasses.dataclass
class Prompt:
    text: str
    tools: list[Tool] = dataclasses.field(default_factory=list)
    tool_choice: str = "auto"  # auto, none, required, or the name of a tool
    results: list[tuple[str, str]] = dataclasses.field(
        default_factory=list
    )  # tool name, result: after the last user text
    schema: dict[str, Any] | None = None
    tokens_max: int | None = None
    stop: list[str] = dataclasses.field(default_factory=list)
    input_tokens: int = 0


@dataclasses.dataclass
class Call:
    name: str
    arguments: str


@dataclasses.dataclass
class Plan:
    text: str = ""
    thinking: str = ""
    refusal: str = ""
    calls: list[Call] = dataclasses.field(default_factory=list)
    finish: str = "stop"  # stop, length, content_filter, tool_calls
    input_tokens: int = 0
    output_tokens: int = 0
    delay: float = 0
    pace: float = 0
    status: int | None = None
    retry_after: float | None = None
    fail_after: int | None = None
    fail_status: int = 500
    cut: int | None = None
    hang: bool = False

    @property
    def tokens(self) -> list[str]:
        return tokens(self.text)


def tokens(text: str) -> list[str]:
    """A token of the mock is a word with the space before it."""
    return re.findall(r"\s*\S+|\s+$", text)


def seconds(duration: str) -> float:
    number, unit = re.fullmatch(r"([0-9.]+)(ms|s|m)", duration).groups()
    return float(number) * {"ms": 0.001, "s": 1, "m": 60}[unit]


def instance(schema: dict[str, Any], root: dict[str, Any] | None = None, depth: int = 0) -> Any:
    """Some value that the schema allows. Enough of JSON Schema for what SDKs send."""
    root = schema if root is None else root
    if depth > 16:
        return None
    if "$ref" in schema:
        node: Any = root
        for part in schema["$ref"].lstrip("#/").split("/"):
            node = node[part]
        return instance(node, root, depth + 1)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return instance(schema["anyOf"][0], root, depth + 1)
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        members = schema.get("properties", {})
        required = schema.get("required", list(members))
        return {name: instance(members[name], root, depth + 1) for name in required if name in members}
    if kind == "array":
        return [instance(schema.get("items", {"type": "string"}), root, depth + 1)] * max(1, schema.get("minItems", 1))
    return {"string": "text", "integer": 1, "number": 1.5, "boolean": True, "null": None}[kind]


def plan(prompt: Prompt) -> Plan:
    """The answer to a prompt. The order of precedence is the builtin's: results, commands, forced tool, schema, echo."""
    answer = Plan(input_tokens=prompt.input_tokens)
    if prompt.results:
        answer.text = "\n".join(f"{name} returned: {result}" for name, result in prompt.results)
        return _measured(answer, prompt)
    rest = _commands(prompt, answer)
    if answer.calls:
        answer.finish = "tool_calls"
    elif prompt.tool_choice not in ("auto", "none") and prompt.tools:
        forced = [t for t in prompt.tools if t.name == prompt.tool_choice] or prompt.tools
        answer.calls = [Call(forced[0].name, json.dumps(instance(forced[0].schema)))]
        answer.finish = "tool_calls"
    elif answer.text or answer.refusal:
        pass
    elif prompt.schema is not None:
        answer.text = json.dumps(instance(prompt.schema))
    else:
        answer.text = rest
    return _measured(answer, prompt)


def _commands(prompt: Prompt, answer: Plan) -> str:
    """Reads the commands off the start of the text, and gives what is left."""
    rest = prompt.text
    while match := re.match(r"/([a-z-]+)(?:[ \t]+([^\n]*))?(?:\n|$)", rest):
        name, argument = match[1], (match[2] or "").strip()
        words = argument.split()
        following = rest[match.end() :]
        if name in ("echo", "raw"):
            answer.text = rest[len(name) + 2 :]
            return ""
        if name == "tokens":
            answer.text = " ".join(f"t{i}" for i in range(1, int(words[0]) + 1))
        elif name == "delay":
            answer.delay = seconds(words[0])
        elif name == "pace":
            answer.pace = seconds(words[0])
        elif name == "fail":
            answer.status = int(words[0])
            if "retry-after" in words:
                answer.retry_after = seconds(words[words.index("retry-after") + 1])
        elif name == "fail-after":
            answer.fail_after = int(words[0])
            answer.fail_status = int(words[1]) if len(words) > 1 else 500
            answer.text = answer.text or " ".join(f"t{i}" for i in range(1, answer.fail_after + 2))
        elif name == "cut":
            answer.cut = int(words[0])
            answer.text = answer.text or " ".join(f"t{i}" for i in range(1, answer.cut + 2))
        elif name == "hang":
            answer.hang = True
        elif name == "tool":
            tool, _, arguments = argument.partition(" ")
            answer.calls.append(Call(tool, arguments.strip() or "{}"))
        elif name == "finish":
            answer.finish = words[0]
        elif name == "refuse":
            answer.refusal = argument
        elif name == "think":
            answer.thinking = argument
        elif name == "usage":
            answer.input_tokens, answer.output_tokens = int(words[0]), int(words[1])
        elif name == "about":
            answer.text = "I am the mock upstream of the test suite, not a language model."
        else:
            break
        rest = following
    return rest


def _measured(answer: Plan, prompt: Prompt) -> Plan:
    for stop in prompt.stop:
        if stop and stop in answer.text:
            answer.text = answer.text.split(stop)[0]
    if prompt.tokens_max is not None and len(answer.tokens) > prompt.tokens_max:
        answer.text = "".join(answer.tokens[: prompt.tokens_max])
        answer.finish = "length"
    if not answer.output_tokens:
        answer.output_tokens = (
            len(answer.tokens)
            + len(tokens(answer.refusal))
            + sum(len(tokens(call.arguments)) + 1 for call in answer.calls)
        )
    answer.input_tokens = answer.input_tokens or max(1, len(tokens(prompt.text)))
    return answer
