# SPDX-License-Identifier: Apache-2.0
"""The stock SDKs, synchronous and asynchronous, behind one face, so that each test is written once and runs as both.

The asynchronous client is wrapped: what it awaits is awaited on a background loop, and its async iterators and context
managers become plain ones. Nothing else about it changes.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Iterator
from typing import Any

import anthropic
import openai


class Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="sdk-loop", daemon=True).start()

    def run(self, awaitable: Any, timeout: float = 60) -> Any:
        async def wait() -> Any:
            return await awaitable

        return asyncio.run_coroutine_threadsafe(wait(), self._loop).result(timeout)


class Face:
    """An asynchronous object of an SDK, used as if it were the synchronous one."""

    def __init__(self, inner: Any, loop: Loop) -> None:
        self._inner, self._loop = inner, loop

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if inspect.ismethod(value) or inspect.isfunction(value) or inspect.isbuiltin(value):
            return lambda *args, **kwargs: self._settle(value(*args, **kwargs))
        return self._settle(value)

    def _settle(self, value: Any) -> Any:
        if inspect.isawaitable(value):
            return self._settle(self._loop.run(value))
        module = type(value).__module__
        asynchronous = (
            hasattr(value, "__aiter__") or hasattr(value, "__aenter__") or type(value).__name__.startswith("Async")
        )
        if asynchronous and module.split(".")[0] in ("openai", "anthropic"):
            return Face(value, self._loop)
        return value

    def __iter__(self) -> Iterator[Any]:
        iterator = self._inner.__aiter__()
        while True:
            try:
                yield self._loop.run(iterator.__anext__())
            except StopAsyncIteration:
                return

    def __enter__(self) -> Any:
        return self._settle(self._loop.run(self._inner.__aenter__()))

    def __exit__(self, *details: Any) -> None:
        self._loop.run(self._inner.__aexit__(*details))


class SDK:
    """Makes clients of one way of calling. `base` is the server without `/v1`."""

    def __init__(self, way: str, base: str, key: str, loop: Loop) -> None:
        self.way, self.base, self.key, self.loop = way, base, key, loop
        self._made: list[Any] = []

    def openai(self, key: str | None = None, **options: Any) -> Any:
        """OpenAI's client. Without retries unless asked, so that a test sees the first answer."""
        options = {
            "api_key": key or self.key,
            "base_url": f"{self.base}/v1",
            "max_retries": 0,
            "timeout": 30,
            **options,
        }
        return self._keep(openai.OpenAI(**options) if self.way == "sync" else openai.AsyncOpenAI(**options))

    def anthropic(self, key: str | None = None, **options: Any) -> Any:
        """Anthropic's client."""
        options = {"api_key": key or self.key, "base_url": self.base, "max_retries": 0, "timeout": 30, **options}
        return self._keep(anthropic.Anthropic(**options) if self.way == "sync" else anthropic.AsyncAnthropic(**options))

    def _keep(self, client: Any) -> Any:
        client = client if self.way == "sync" else Face(client, self.loop)
        self._made.append(client)
        return client

    def close(self) -> None:
        for client in self._made:
            client.close()
