# SPDX-License-Identifier: Apache-2.0
"""The servers that are compared, each on one core, and the upstream they share."""

from __future__ import annotations

import atexit
import json
import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from machine import LOAD_CORE, ROOT, SERVER_CORE, Invalid, children, run, spawn

sys.path.insert(0, str(ROOT / "Tests/Clients"))
from gateway import document, free_port  # noqa: E402

BINARY = Path(os.environ.get("GATEHOUSE_BINARY", ROOT / ".build/gatehouse"))
CONNECTIONS_MAX = 20_000
CHUNKS = 20

MESSAGES = [
    {"role": "system", "content": "You are a helpful assistant who answers in one short paragraph. " * 4},
    {"role": "user", "content": "Why is the sky blue, and why is it red in the evening? " * 6},
]
ANSWER = json.dumps(
    {
        "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "object": "chat.completion",
        "created": 1741569952,
        "model": "fixed",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Air scatters short waves more than long ones. " * 12,
                    "refusal": None,
                    "annotations": [],
                },
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 131, "completion_tokens": 120, "total_tokens": 251},
        "service_tier": "default",
    },
    separators=(",", ":"),
)


def events() -> list[str]:
    """The chunks of a streamed answer: twenty, the last with the figures and the end. Each text ends with a space: a letter
    with which some form of a secret begins is held back until the next chunk, so that no secret passes in pieces, and
    the same text would then stand in other bytes, which could not be compared."""
    frame = {
        "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "object": "chat.completion.chunk",
        "created": 1741569952,
        "model": "fixed",
    }
    texts = [{"role": "assistant", "content": ""}, *[{"content": f"word{number} "} for number in range(CHUNKS - 3)], {}]
    choices = [[{"index": 0, "delta": text, "finish_reason": None if text else "stop"}] for text in texts]
    chunks = ["data: " + json.dumps({**frame, "choices": choice}, separators=(",", ":")) + "\n\n" for choice in choices]
    usage = {"prompt_tokens": 131, "completion_tokens": 18, "total_tokens": 149}
    end = "data: " + json.dumps({**frame, "choices": [], "usage": usage}, separators=(",", ":")) + "\n\ndata: [DONE]\n\n"
    assert len(chunks) == CHUNKS - 1
    return [*chunks, end]


class Server:
    """A process on one core that answers the same request."""

    name = ""
    key = "none"
    core = SERVER_CORE
    scheme = "https"

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.directory = bench.directory / self.name
        self.directory.mkdir(exist_ok=True)
        self.ports = (free_port(), free_port())
        self.process: subprocess.Popen | None = None

    def url(self, stream: bool) -> str:
        return f"{self.scheme}://127.0.0.1:{self.ports[stream]}"

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.directory)}

    def start(self, wait: float = 20) -> Server:
        with open(self.directory / "output.log", "ab") as output:
            self.process = spawn(
                self.command(), self.core, cwd=self.directory, env=self.environment(), stdout=output, stderr=output
            )
        deadline = time.monotonic() + wait
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.ports[0]), 1).close()
                break
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    log = (self.directory / "output.log").read_text(errors="replace")[-2000:]
                    raise Invalid(f"{self.name} did not start:\n{log}") from None
                time.sleep(0.005)
        return self

    @property
    def pids(self) -> list[int]:
        return [self.process.pid, *children(self.process.pid)]

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def ask(self, stream: bool) -> bytes:
        """One answer, whole, for comparison."""
        request = urllib.request.Request(
            self.url(stream).replace("127.0.0.1", "localhost") + "/v1/chat/completions",
            self.bench.body(stream).read_bytes(),
            {"content-type": "application/json", "authorization": f"Bearer {self.key}"},
        )
        with urllib.request.urlopen(request, timeout=30, context=self.bench.trust if self.scheme == "https" else None) as answer:
            return answer.read()

    def verify(self) -> None:
        """The answers are the upstream's, byte for byte, and TLS is what everybody speaks here."""
        for stream in (False, True):
            if self.ask(stream) != self.bench.answers[stream]:
                raise Invalid(f"{self.name} changes the {'streamed ' if stream else ''}answer: {self.ask(stream)[:2000]!r}")
        if self.scheme == "https":
            with socket.create_connection(("127.0.0.1", self.ports[0])) as plain:
                with self.bench.trust.wrap_socket(plain, server_hostname="localhost") as secure:
                    self.bench.expect_cipher(self.name, f"{secure.version()} {secure.cipher()[0]}")


NGINX_HEAD = """
{user}
worker_processes 1;
worker_rlimit_nofile 65536;
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
{modules}
events {{ worker_connections 20000; }}
http {{
  access_log off;
  default_type application/json;
  keepalive_requests 1000000000;
  keepalive_time 24h;
  keepalive_timeout 3600s;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
"""


class NginxServer(Server):
    modules = ""

    def body(self) -> str:
        raise NotImplementedError

    def command(self) -> list[str]:
        user = "user root;" if os.getuid() == 0 else ""
        head = NGINX_HEAD.format(user=user, directory=self.directory, modules=self.modules)
        file = self.directory / "nginx.conf"
        file.write_text(head + self.body() + "\n}\n")
        return ["nginx", "-p", str(self.directory), "-c", str(file), "-e", str(self.directory / "error.log")]


class Upstream(NginxServer):
    """Answers with fixed bytes. A stream's chunks are flushed one by one, each in its own write."""

    name = "upstream"
    core = LOAD_CORE
    scheme = "http"
    modules = "load_module /usr/lib/nginx/modules/ngx_http_echo_module.so;"

    def body(self) -> str:
        chunks = "\n".join(f"      echo -n '{escaped(chunk)}'; echo_flush;" for chunk in events())
        return f"""
  server {{
    listen 127.0.0.1:{self.ports[0]} backlog=4096;
    location /requests {{ stub_status; }}
    location / {{ return 200 '{escaped(ANSWER)}'; }}
  }}
  server {{
    listen 127.0.0.1:{self.ports[1]} backlog=4096;
    location / {{
      default_type text/event-stream;
{chunks}
    }}
  }}"""

    def requests(self) -> int:
        """How many requests it has answered, this question included."""
        with urllib.request.urlopen(self.url(False) + "/requests", timeout=30) as answer:
            return int(answer.read().split()[9])


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")


class Nginx(NginxServer):
    """A plain reverse proxy behind TLS: checks no key, counts nothing, reads no answer."""

    name = "nginx"

    def body(self) -> str:
        up = self.bench.upstream.ports
        servers = [self.server(self.ports[0], "whole", ""), self.server(self.ports[1], "streamed", "proxy_buffering off;")]
        return f"""
  ssl_certificate {self.bench.certificate};
  ssl_certificate_key {self.bench.certificate_key};
  ssl_protocols TLSv1.3;
  upstream whole {{ server 127.0.0.1:{up[0]}; keepalive 512; keepalive_requests 1000000000; keepalive_time 24h; }}
  upstream streamed {{ server 127.0.0.1:{up[1]}; keepalive 512; keepalive_requests 1000000000; keepalive_time 24h; }}
{"".join(servers)}"""

    @staticmethod
    def server(port: int, upstream: str, extra: str) -> str:
        return f"""
  server {{
    listen 127.0.0.1:{port} ssl backlog=4096;
    location / {{
      proxy_pass http://{upstream};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      {extra}
    }}
  }}"""


def unit_environment() -> dict[str, str]:
    """What systemd gives the program: it is measured as its package runs it."""
    lines = (ROOT / "etc/systemd/gatehouse.service").read_text().splitlines()
    return dict(line.removeprefix("Environment=").split("=", 1) for line in lines if line.startswith("Environment="))


class Gatehouse(Server):
    """The program: one loop; TLS, key check, limiter, an upstream with a key that answers must never show."""

    name = "gatehouse"

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench)
        self.ports = (self.ports[0], self.ports[0])
        self.file = self.directory / "gatehouse.toml"
        self.configure()

    def configure(self) -> None:
        if not self.root_key.exists():
            self.root_key.touch(mode=0o600)
            self.root_key.write_text(secrets.token_hex(32) + "\n")
        self.file.touch(mode=0o600)
        self.file.write_text(document(self.tables()))

    @property
    def root_key(self) -> Path:
        return self.directory / "root.key"

    def tables(self) -> dict:
        """The configuration; a section may lay others over it."""
        providers = [
            {
                "name": name,
                "kind": "openai",
                "base_url": f"http://127.0.0.1:{port}/v1",
                "key": "env:BENCH_PROVIDER_KEY",
            }
            for name, port in zip(("whole", "streamed"), self.bench.upstream.ports)
        ]
        return {
            "mode": "production",
            "data": str(self.directory / "data"),
            "http": {
                "listen": [f"127.0.0.1:{self.ports[0]}"],
                "redirect": [],
                "hosts": ["localhost"],
                "loops": 1,
                "idle_timeout": "10m",
                "connections_max": CONNECTIONS_MAX,
                "tls": {"certificate": str(self.bench.certificate), "key": str(self.bench.certificate_key)},
            },
            "store": {"unlock": [f"file:{self.root_key}"]},
            "auth": {},
            "limiter": {"requests_per_hour": 1_000_000_000, "units_per_hour": 1_000_000_000_000},
            "admin": {"socket": "admin.sock"},
            # As nginx here: no line for each request.
            "log": {"level": "notice"},
            "gateway": {},
            "gateway.provider": providers,
            "gateway.model": [{"name": provider["name"], "provider": provider["name"]} for provider in providers],
        }

    def environment(self) -> dict[str, str]:
        return {**super().environment(), **unit_environment(), "BENCH_PROVIDER_KEY": "sk-" + "b" * 48}

    def command(self) -> list[str]:
        return [str(BINARY), "--config", str(self.file), "serve"]

    def start(self, wait: float = 20) -> Server:
        super().start(wait)
        if self.key == "none":
            self.key = self.make_key("bench", wait=wait)["key"]
        return self

    def make_key(self, name: str, *scopes: str, wait: float = 20) -> dict:
        """A key with these scopes, or with those that a key has anyway."""
        command = [str(BINARY), "--config", str(self.file), "key", "create", "--name", name, "--json"]
        for scope in scopes:
            command += ["--scope", scope]
        deadline = time.monotonic() + wait
        # The admin socket may come a moment after the first listener.
        while True:
            made = run(*command)
            try:
                key = json.loads(made)
                return {"id": key["id"], "key": key["key"]}
            except (ValueError, KeyError):
                if time.monotonic() > deadline:
                    raise Invalid(f"no key: {made}") from None
                time.sleep(0.05)


class LiteLLM(Server):
    """LiteLLM's proxy with one worker, behind the same TLS, with its key check."""

    name = "litellm"
    key = "sk-bench-master"

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench)
        self.ports = (self.ports[0], self.ports[0])

    def command(self) -> list[str]:
        models = [
            {
                "model_name": name,
                "litellm_params": {
                    "model": f"openai/{name}",
                    "api_base": f"http://127.0.0.1:{port}/v1",
                    "api_key": "sk-" + "b" * 48,
                },
            }
            for name, port in zip(("whole", "streamed"), self.bench.upstream.ports)
        ]
        configuration = {
            "model_list": models,
            "general_settings": {"master_key": self.key},
            "litellm_settings": {"num_retries": 0, "telemetry": False},
        }
        file = self.directory / "litellm.yaml"
        file.write_text(json.dumps(configuration))  # JSON is YAML.
        return [
            str(ROOT / ".venv-litellm/bin/litellm"), "--config", str(file), "--telemetry", "False",
            "--host", "127.0.0.1", "--port", str(self.ports[0]), "--num_workers", "1",
            "--ssl_certfile_path", str(self.bench.certificate), "--ssl_keyfile_path", str(self.bench.certificate_key),
        ]  # fmt: skip

    def environment(self) -> dict[str, str]:
        return {
            **super().environment(),
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_LOG": "ERROR",
            "NO_PROXY": "localhost,127.0.0.1",
            "NO_DOCS": "True",
        }

    def start(self, wait: float = 90) -> Server:
        return super().start(wait)


class Bench:
    """What the sections share: a directory, a certificate, the upstream, and how long to measure."""

    def __init__(self, quick: bool) -> None:
        self.quick = quick
        self.pairs = 3 if quick else 7
        self.seconds = 1.3 if quick else 3.3
        # Removed at the end of all: ext4 passes over what was deleted in the last minutes whenever it makes a file, so that one
        # section's thousands of tiles would be on the next one's bill.
        self.directory = Path(tempfile.mkdtemp(prefix="gatehouse-bench-"))
        atexit.register(shutil.rmtree, self.directory, ignore_errors=True)
        self.certificate, self.certificate_key = self.directory / "cert.pem", self.directory / "key.pem"
        made = run(
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", "7", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-keyout", str(self.certificate_key), "-out", str(self.certificate),
        )  # fmt: skip
        if not self.certificate.exists():
            raise Invalid(f"no certificate: {made}")
        self.certificate_key.chmod(0o600)
        self.trust = ssl.create_default_context(cafile=str(self.certificate))
        self.answers = (ANSWER.encode(), "".join(events()).encode())
        self.cipher: str | None = None
        for stream in (False, True):
            asked = {"model": "streamed" if stream else "whole", "messages": MESSAGES, "temperature": 0.5, "stream": stream}
            if stream:
                asked["stream_options"] = {"include_usage": True}
            self.body(stream).write_text(json.dumps(asked))
        self.upstream = Upstream(self)

    def body(self, stream: bool) -> Path:
        return self.directory / f"request-{'streamed' if stream else 'whole'}.json"

    def expect_cipher(self, name: str, cipher: str) -> None:
        """Everybody speaks what the first one did."""
        self.cipher = self.cipher or cipher
        if cipher != self.cipher:
            raise Invalid(f"{name} speaks {cipher}, not {self.cipher}")

    @staticmethod
    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def __enter__(self) -> Bench:
        self.upstream.start()
        self.upstream.verify()
        return self

    def __exit__(self, *_: object) -> None:
        self.upstream.stop()
