# SPDX-License-Identifier: Apache-2.0
"""What a provider must be before anything is said to it (T1, outbound): with a certificate that holds, and with TLS of today.

Each provider writes down what comes through its TLS. One that is refused has nothing, least of all its key.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
import warnings
from typing import Any

import httpx2
import pytest
from certificates import Authority

from conftest import CANARY

ANSWER = json.dumps({
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "here"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}).encode()  # fmt: skip

V = ssl.TLSVersion
# Name: versions, ciphers of TLS 1.2 and older, and what the certificate is.
REFUSED = {
    "an unknown authority": (None, None, "foreign"),
    "a certificate that vouches for itself": (None, None, "itself"),
    "another host's certificate": (None, None, "elsewhere"),
    "an expired certificate": (None, None, "expired"),
    "TLS 1.1": (V.TLSv1_1, "ALL:@SECLEVEL=0", "good"),
    "TLS 1.2 without an AEAD": (V.TLSv1_2, "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0", "good"),
    "TLS 1.2 with CBC and SHA-256": (V.TLSv1_2, "ECDHE-ECDSA-AES128-SHA256:@SECLEVEL=0", "good"),
    "no TLS": ("plain", None, "good"),
}
TAKEN = {"TLS 1.3": (V.TLSv1_3, None, "good"), "TLS 1.2": (V.TLSv1_2, "ECDHE-ECDSA-AES128-GCM-SHA256", "good")}


class Provider:
    """Answers every request with a completion, and keeps what was said to it."""

    def __init__(self, version: Any, ciphers: str | None, certificate: tuple[str, str]) -> None:
        self.received = b""
        self.handshakes = 0
        self.context: ssl.SSLContext | None = None
        if version != "plain":
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)
            with warnings.catch_warnings():
                # That it is deprecated is the point.
                warnings.simplefilter("ignore", DeprecationWarning)
                if version is not None:
                    self.context.minimum_version = V.TLSv1 if version == V.TLSv1_1 else version
                    self.context.maximum_version = version
            if ciphers:
                self.context.set_ciphers(ciphers)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        while True:
            try:
                wire, _ = self.listener.accept()
            except OSError:
                return
            wire.settimeout(20)
            try:
                self.serve(wire)
            except OSError:
                wire.close()

    def serve(self, wire: socket.socket) -> None:
        if self.context is not None:
            wire = self.context.wrap_socket(wire, server_side=True)
        self.handshakes += 1
        if self.context is None:
            self.received += wire.recv(65536)
            return wire.sendall(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
        while data := wire.recv(65536):
            self.received += data
            if data.endswith(b"}"):
                wire.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(ANSWER))
                wire.sendall(ANSWER)

    def greets_anybody(self) -> bool:
        """Whether a client that looks at nothing gets through: what refuses this provider is then not the provider."""
        lax = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        lax.check_hostname, lax.verify_mode = False, ssl.CERT_NONE
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            lax.minimum_version = V.TLSv1
        lax.set_ciphers("ALL:@SECLEVEL=0")
        with socket.create_connection(("127.0.0.1", self.port), 20) as wire, lax.wrap_socket(wire):
            return True

    def __enter__(self) -> Provider:
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.close()


@pytest.fixture(scope="module")
def certificates(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    foreign = Authority(tmp_path_factory.mktemp("foreign"), "nobody's authority")
    return {
        "good": authority.leaf("outbound"),
        "foreign": foreign.leaf("outbound-foreign"),
        "itself": authority.leaf("outbound-itself", vouches_for_itself=True),
        "elsewhere": authority.leaf("outbound-elsewhere", names=["elsewhere.example", "127.0.0.2"]),
        "expired": authority.leaf("outbound-expired", days=-2),
    }


def ask(make_gateway: Any, authority: Authority, provider: Provider) -> httpx2.Response:
    tables = {
        "gateway.provider": [{
            "name": "there", "kind": "openai", "base_url": f"https://localhost:{provider.port}/v1", "key": "env:CANARY_OPENAI",
            "ca": str(authority.certificate), "breaker_failures": 0, "retries": 0,
        }],
        "gateway.model": [{"name": "m", "provider": "there"}],
    }  # fmt: skip
    with make_gateway(tables) as server:
        key = server.create_key().key
        with httpx2.Client(base_url=server.base, verify=server.trust, timeout=60) as client:
            answer = client.post(
                "/v1/chat/completions", headers={"authorization": f"Bearer {key}"},
                json={"model": "m", "messages": [{"role": "user", "content": "a secret question"}]},
            )  # fmt: skip
        return answer


@pytest.mark.parametrize("name", REFUSED)
def test_nothing_is_said_to_a_provider_that_does_not_prove_itself(make_gateway, authority, certificates, name):
    version, ciphers, certificate = REFUSED[name]
    with Provider(version, ciphers, certificates[certificate]) as provider:
        answer = ask(make_gateway, authority, provider)
        assert provider.context is None or provider.greets_anybody()
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_error"), answer.text
    said = provider.received
    assert CANARY.encode() not in said and b"secret question" not in said, said
    # Without TLS what arrives is the beginning of a handshake; a provider with TLS has nothing at all.
    assert said[:1] == b"\x16" if version == "plain" else said == b"", said
    # The client is not told what is wrong with whose certificate.
    assert "certificate" not in answer.text.lower() and str(provider.port) not in answer.text, answer.text


@pytest.mark.parametrize("name", TAKEN)
def test_one_that_does_is_asked(make_gateway, authority, certificates, name):
    """What the tests above would see, if anything were said."""
    version, ciphers, certificate = TAKEN[name]
    with Provider(version, ciphers, certificates[certificate]) as provider:
        answer = ask(make_gateway, authority, provider)
    assert answer.status_code == 200 and provider.handshakes == 1
    assert f"Bearer {CANARY}".encode() in provider.received and b"a secret question" in provider.received
