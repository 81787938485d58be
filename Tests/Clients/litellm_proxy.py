# SPDX-License-Identifier: Apache-2.0
"""LiteLLM's proxy as an upstream that this project did not write.

Its models answer by themselves (`mock_response`), but for `through`, which LiteLLM's own OpenAI client hands on to the
mock upstream: so the suite meets LiteLLM's reading and writing of every field, streams and tools included.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from gateway import ROOT, free_port

KEY = "sk-litellm-canary-0123456789"
READY_SECONDS = 120

HELLO = "Hello from LiteLLM."
TOOL = {"id": "call_litellm", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'}}
EMBEDDING = [0.25, -0.5, 0.75]


def program() -> Path | None:
    """LiteLLM's command, if its virtual environment has been made (`make test` does)."""
    places = [Path(os.environ["GATEHOUSE_LITELLM"])] if "GATEHOUSE_LITELLM" in os.environ else []
    return next((place for place in [*places, ROOT / ".venv-litellm/bin/litellm"] if place.exists()), None)


class LiteLLM:
    def __init__(self, directory: Path, upstream: str) -> None:
        self.directory = directory
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        own = {"model": "openai/mock", "api_key": "unused"}
        models: dict[str, dict[str, Any]] = {
            "through": {"model": "openai/mock-small", "api_base": f"{upstream}/v1", "api_key": "sk-behind-litellm"},
            "hello": {**own, "mock_response": HELLO},
            "tool": {**own, "mock_response": "calling", "mock_tool_calls": [TOOL]},
            "rate-limited": {**own, "mock_response": "litellm.RateLimitError"},
            "broken": {**own, "mock_response": "litellm.InternalServerError"},
            "too-long": {**own, "mock_response": "litellm.ContextWindowExceededError"},
            "embedding": {**own, "mock_response": EMBEDDING},
        }
        self.configuration = {
            "model_list": [{"model_name": name, "litellm_params": params} for name, params in models.items()],
            "general_settings": {"master_key": KEY},
            "litellm_settings": {"num_retries": 0, "telemetry": False},
            "router_settings": {"num_retries": 0, "disable_cooldowns": True},
        }

    def __enter__(self) -> LiteLLM:
        file = self.directory / "litellm.yaml"
        file.write_text(json.dumps(self.configuration))  # JSON is YAML.
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_TELEMETRY": "False",
            "NO_PROXY": "localhost,127.0.0.1",
            "NO_DOCS": "True",
        }
        command = [
            str(program()),
            "--config",
            str(file),
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--telemetry",
            "False",
        ]
        with open(self.directory / "litellm.log", "wb") as output:
            self.process = subprocess.Popen(
                command, cwd=self.directory, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with urllib.request.urlopen(self.url + "/health/liveliness", timeout=2):
                    return self
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.2)
        self.process.kill()
        raise AssertionError("LiteLLM did not start:\n" + (self.directory / "litellm.log").read_text()[-4000:])

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
