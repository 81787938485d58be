# SPDX-License-Identifier: Apache-2.0
"""A scriptable upstream for tests: HTTP/1.1, over TLS and plain, standard library only.

It speaks OpenAI's and Anthropic's routes (mock_openai, mock_anthropic) by following the prompt commands of the
gateway's `builtin` provider (mock_brain), so one suite runs through every kind of provider. It records each request
as bytes, notices the moment a client goes away, and can be told to behave badly (mock_behaviours).

The server runs in a thread of its own with its own event loop; tests read `requests` in process:

    with MockUpstream(certificate, key) as upstream:
        ... call f"{upstream.url}/v1/chat/completions" ...
        record = upstream.wait()

Times are `time.monotonic()` seconds, so that a test can subtract them from its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import http
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

HEAD_BYTES_MAX = 256 * 1024
BODY_BYTES_MAX = 64 * 1024 * 1024
# Of linux/tcp.h: the first byte of `tcp_info` is the state, `tcpi_bytes_acked` stands at 120. The state of a connection that was reset:
TCP_INFO = struct.Struct("=B119xQ")
TCP_CLOSE = 7


class Gone(Exception):
    """The client closed its connection while we were answering."""


@dataclasses.dataclass
class Record:
    """One request as it arrived, and what became of it."""

    connection: int
    method: str
    target: str
    headers: list[tuple[str, str]]
    head: bytes
    body: bytes
    arrived: float
    secure: str | None  # "TLSv1.3 TLS_AES_256_GCM_SHA384", or None over plain TCP
    server_name: str | None = None
    status: int | None = None
    answered: float | None = None  # when the last byte was handed to a connection that stood
    gone: float | None = None  # when the client was seen to have closed before that
    chunks: int = 0
    bytes_taken: int = 0  # on this connection, as the client's kernel confirmed them when the next ones were written

    @property
    def path(self) -> str:
        return unquote(urlsplit(self.target).path)

    def header(self, name: str) -> str | None:
        return next((v for n, v in self.headers if n.lower() == name.lower()), None)

    @property
    def json(self) -> Any:
        """What Python reads: lenient about duplicates (the last wins) and escapes, as many upstreams are."""
        return json.loads(self.body)

    def __str__(self) -> str:
        return f"{self.method} {self.target} -> {self.status} {self.body[:400]!r}"


Behaviour = Callable[["Exchange"], Awaitable[None]]


class Exchange:
    """One request and the means to answer it, honestly or not."""

    def __init__(self, record: Record, wire: Wire) -> None:
        self.record = record
        self.wire = wire
        self.begun = False
        self.finished = False
        self.keep_alive = True

    async def respond(
        self, status: int, body: bytes | dict | list, headers: dict[str, str] | None = None, reason: str | None = None
    ) -> None:
        """A whole answer with its length."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        fields = {"content-type": "application/json", "content-length": str(len(content)), **(headers or {})}
        await self.wire.write(self._head(status, fields, reason) + content)
        self.finished = True

    async def begin(self, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """The head of a chunked answer."""
        fields = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", **(headers or {})}
        fields["transfer-encoding"] = "chunked"
        await self.wire.write(self._head(status, fields, None))

    async def chunk(self, data: bytes) -> None:
        if data:
            await self.wire.write(b"%x\r\n%b\r\n" % (len(data), data))
            self.record.chunks += 1

    async def finish(self) -> None:
        await self.wire.write(b"0\r\n\r\n")
        self.finished = True

    async def raw(self, data: bytes) -> None:
        """Bytes as they are: for answers that no server should give."""
        self.begun = True
        await self.wire.write(data)

    def cut(self) -> None:
        """Closes in the middle, with an orderly end of the byte stream but not of the message."""
        self.keep_alive = False
        self.finished = True
        self.wire.transport.close()

    def reset(self) -> None:
        """Closes in the middle with no goodbye at all."""
        self.keep_alive = False
        self.finished = True
        self.wire.transport.abort()

    async def sleep(self, seconds: float) -> None:
        """Waits, and raises `Gone` the moment the client leaves."""
        try:
            await asyncio.wait_for(self.wire.gone.wait(), seconds)
        except asyncio.TimeoutError:
            return
        raise Gone

    async def hang(self) -> None:
        await self.wire.gone.wait()
        raise Gone

    def _head(self, status: int, headers: dict[str, str], reason: str | None) -> bytes:
        self.begun = True
        self.record.status = status
        if reason is None:
            try:
                reason = http.HTTPStatus(status).phrase
            except ValueError:
                reason = "Unknown"
        lines = [f"HTTP/1.1 {status} {reason}"] + [f"{name}: {value}" for name, value in headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class Wire(asyncio.Protocol):
    """One connection: a buffer that is filled as bytes arrive, so that an end of stream is seen at once even while
    an answer is being written."""

    def __init__(self, server: MockUpstream, number: int) -> None:
        self.server = server
        self.number = number
        self.buffer = bytearray()
        self.arrived = asyncio.Event()
        self.gone = asyncio.Event()
        self.gone_at: float | None = None
        self.writable = asyncio.Event()
        self.writable.set()
        self.current: Record | None = None
        self.task: asyncio.Task | None = None

    # What the transport tells us.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.socket = transport.get_extra_info("socket")
        self.task = asyncio.get_running_loop().create_task(self._serve())

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        self.arrived.set()

    def eof_received(self) -> bool:
        self._leave()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._leave()
        self.server.connections_open -= 1

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def _leave(self) -> None:
        if self.gone_at is None:
            self.gone_at = time.monotonic()
            if self.current is not None and self.current.answered is None:
                self.current.gone = self.gone_at
            self.gone.set()
            self.arrived.set()
            self.writable.set()
            self.server.changed()

    # What the server does.

    async def write(self, data: bytes) -> None:
        """Waits until the client has taken most of what was written before, and raises `Gone` when it has left."""
        self._look()
        self.transport.write(data)
        if not self.writable.is_set():
            await self.writable.wait()
            self._look()

    def _look(self) -> None:
        """Asks the kernel how the connection is. asyncio cannot be relied on: when the peer resets, it resumes a paused
        writer first, tells of the loss some turns later, and until then swallows whatever is written without ever
        filling up (over TLS with an error of its own, `_call_connection_lost` run twice)."""
        if not self.gone.is_set():
            if self.socket.fileno() < 0:
                self._leave()
            else:
                state, taken = TCP_INFO.unpack(self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO.size))
                if self.current is not None:
                    self.current.bytes_taken = taken
                if state == TCP_CLOSE:
                    self._leave()
        if self.gone.is_set():
            raise Gone

    async def _more(self) -> None:
        if self.gone.is_set():
            raise Gone
        self.arrived.clear()
        await self.arrived.wait()

    async def _until(self, mark: bytes, bytes_max: int) -> bytes:
        while (end := self.buffer.find(mark)) < 0:
            if len(self.buffer) > bytes_max:
                raise ValueError("too long")
            await self._more()
        return self._take(end + len(mark))

    async def _exactly(self, count: int) -> bytes:
        while len(self.buffer) < count:
            await self._more()
        return self._take(count)

    def _take(self, count: int) -> bytes:
        taken = bytes(self.buffer[:count])
        del self.buffer[:count]
        return taken

    async def _body(self, headers: list[tuple[str, str]]) -> bytes:
        fields = {name.lower(): value for name, value in headers}
        if fields.get("expect", "").lower() == "100-continue":
            await self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "chunked" in fields.get("transfer-encoding", "").lower():
            body = bytearray()
            while size := int((await self._until(b"\r\n", 1024)).split(b";")[0], 16):
                body += (await self._exactly(size + 2))[:-2]
            while (await self._until(b"\r\n", HEAD_BYTES_MAX)) != b"\r\n":
                pass
            return bytes(body)
        length = int(fields.get("content-length", "0"))
        if length > BODY_BYTES_MAX:
            raise ValueError("body too large")
        return await self._exactly(length)

    async def _serve(self) -> None:
        try:
            while await self._serve_one():
                pass
        except (Gone, ConnectionError):
            pass
        except Exception as error:  # A broken request or behaviour: visible to the test, never silent.
            self.server.faults.append(error)
        finally:
            if self.current is not None and self.current.answered is None and self.current.gone is None:
                self.current.gone = self.gone_at
            self.server.changed()
            self.transport.close()

    async def _serve_one(self) -> bool:
        self.current = None
        head = await self._until(b"\r\n\r\n", HEAD_BYTES_MAX)
        lines = head[:-4].decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ", 2)
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines[1:])]
        body = await self._body(headers)
        cipher = self.transport.get_extra_info("cipher")
        tls = self.transport.get_extra_info("ssl_object")
        record = Record(
            connection=self.number,
            method=method,
            target=target,
            headers=headers,
            head=head,
            body=body,
            arrived=time.monotonic(),
            secure=f"{tls.version()} {cipher[0]}" if tls and cipher else None,
            server_name=self.server.names.get(id(tls)),
        )
        self.current = record
        self.server.requests.append(record)
        self.server.changed()
        exchange = Exchange(record, self)
        await self.server.behaviour(exchange)
        if not exchange.finished:
            raise RuntimeError(f"the behaviour for {record} left its answer unfinished")
        record.answered = time.monotonic()
        self.server.changed()
        close = (record.header("connection") or "").lower() == "close"
        return exchange.keep_alive and not close


class MockUpstream:
    """The server, and what it has seen."""

    def __init__(self, certificate: str | None = None, key: str | None = None, behaviour: Behaviour | None = None):
        if behaviour is None:
            import mock_behaviours

            behaviour = mock_behaviours.default
        self.requests: list[Record] = []
        self.faults: list[Exception] = []
        self.names: dict[int, str] = {}
        self.connections_made = 0
        self.connections_open = 0
        self._behaviour = behaviour
        self._condition = threading.Condition()
        self._certificate, self._key = certificate, key
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="mock-upstream", daemon=True)
        self._ready = threading.Event()
        self._failure: Exception | None = None

    # Life.

    def __enter__(self) -> MockUpstream:
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            plain = self._loop.run_until_complete(self._loop.create_server(self._wire, "127.0.0.1", 0, backlog=1024))
            self.plain_port = plain.sockets[0].getsockname()[1]
            self.plain_url = f"http://127.0.0.1:{self.plain_port}"
            self.url, self.port = self.plain_url, self.plain_port
            if self._certificate is not None:
                context = self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.minimum_version = ssl.TLSVersion.TLSv1_2
                context.load_cert_chain(self._certificate, self._key)
                context.sni_callback = self._named
                secure = self._loop.run_until_complete(
                    self._loop.create_server(self._wire, "127.0.0.1", 0, ssl=context, backlog=1024)
                )
                self.port = secure.sockets[0].getsockname()[1]
                self.url = f"https://localhost:{self.port}"
        except Exception as error:
            self._failure = error
            self._ready.set()
            return
        self._ready.set()
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))

    def _named(self, tls: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        if name is not None:
            self.names[id(tls)] = name

    def _wire(self) -> Wire:
        self.connections_made += 1
        self.connections_open += 1
        return Wire(self, self.connections_made)

    # What a test sees and says.

    def changed(self) -> None:
        with self._condition:
            self._condition.notify_all()

    async def behaviour(self, exchange: Exchange) -> None:
        await self._behaviour(exchange)

    @contextlib.contextmanager
    def behave(self, behaviour: Behaviour) -> Iterator[None]:
        """Every request inside the block is answered so."""
        before, self._behaviour = self._behaviour, behaviour
        try:
            yield
        finally:
            self._behaviour = before

    def clear(self) -> None:
        self.requests.clear()
        self.faults.clear()

    def until(self, condition: Callable[[], Any], timeout: float = 5) -> Any:
        """Waits until `condition()` is true, and says what it was; fails the test when that does not come."""
        with self._condition:
            if not self._condition.wait_for(condition, timeout):
                seen = "\n".join(map(str, self.requests)) or "nothing"
                raise AssertionError(f"the upstream waited {timeout} s in vain; it saw:\n{seen}\n{self.faults}")
            return condition()

    def wait(self, count: int = 1, timeout: float = 5) -> Record:
        """Waits for that many requests, and gives the last of them."""
        self.until(lambda: len(self.requests) >= count, timeout)
        return self.requests[count - 1]

    @property
    def last(self) -> Record:
        assert self.requests, "the upstream was not called"
        return self.requests[-1]
