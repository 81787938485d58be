# SPDX-License-Identifier: Apache-2.0
"""Behind a proxy: whose word about a client's address is believed (row S1, a forged x-forwarded-for)."""

import json
import socket

import raw

GET = "GET /v1/models HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n{more}\r\n"
LIMIT = {"limiter": {"address": ["2 requests/hour"]}}


def statuses(server, key, source, forwarded, count):
    more = f"x-forwarded-for: {forwarded}\r\n" if forwarded else ""
    found = []
    with raw.Connection(server, source=source) as connection:
        for _ in range(count):
            connection.send(GET.format(key=key, more=more).encode())
            found.append(connection.answer().status)
    return found


def test_a_trusted_proxy_says_who_the_client_is_and_nobody_else_does(make_gateway):
    server = make_gateway({**LIMIT, "http": {"trusted_proxies": ["127.0.0.5"]}})
    with server:
        key = server.create_key(scopes=["chat"]).key
        # Each client behind the proxy has its own count, whatever it wrote itself.
        assert statuses(server, key, "127.0.0.5", "203.0.113.7", 3) == [200, 200, 429]
        assert statuses(server, key, "127.0.0.5", "203.0.113.7, 203.0.113.8", 3) == [200, 200, 429]
        assert statuses(server, key, "127.0.0.5", "1.2.3.4, 203.0.113.7", 1) == [429]
        # From anybody else the field is not read.
        assert statuses(server, key, "127.0.0.6", "203.0.113.20", 2) == [200, 200]
        assert statuses(server, key, "127.0.0.6", "203.0.113.21", 1) == [429]


def test_heads_of_the_proxy_protocol_are_taken_from_trusted_proxies_only(make_gateway):
    server = make_gateway({**LIMIT, "http": {"trusted_proxies": ["127.0.0.5"], "proxy_protocol": True}})

    def ask(source, head, count=1):
        found = []
        plain = socket.create_connection(("127.0.0.1", server.port), 20, (source, 0))
        plain.sendall(head)
        try:
            with server.trust.wrap_socket(plain, server_hostname="localhost") as connection:
                for _ in range(count):
                    connection.sendall(GET.format(key=key, more="").encode())
                    data = b""
                    while b"\r\n\r\n" not in data:
                        data += connection.recv(65_536) or b"\r\n\r\n"
                    found.append(data.split(b" ")[1].decode())
                    length = int(data.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                    rest = len(data.split(b"\r\n\r\n", 1)[1])
                    while rest < length:
                        rest += len(connection.recv(65_536))
        except (OSError, IndexError):
            found.append("closed")
        return found

    second = bytes.fromhex("0d0a0d0a000d0a515549540a2111000c") + bytes([203, 0, 113, 9, 127, 0, 0, 1, 48, 57, 1, 187])
    with server:
        key = server.create_key(scopes=["chat"]).key
        assert ask("127.0.0.5", b"PROXY TCP4 203.0.113.7 127.0.0.1 12345 443\r\n", 3) == ["200", "200", "429"]
        assert ask("127.0.0.5", b"PROXY TCP4 203.0.113.8 127.0.0.1 12345 443\r\n") == ["200"]
        assert ask("127.0.0.5", second, 3) == ["200", "200", "429"]
        # One that says nothing is closed, and from anybody else it is no TLS.
        assert ask("127.0.0.5", b"") == ["closed"]
        assert ask("127.0.0.6", b"PROXY TCP4 203.0.113.7 127.0.0.1 12345 443\r\n") == ["closed"]
        assert ask("127.0.0.6", b"", 2) == ["200", "200"]


def test_bad_keys_behind_a_proxy_block_their_client_and_not_the_proxy(make_gateway):
    server = make_gateway({"limiter": {"block_points": 25}, "http": {"trusted_proxies": ["127.0.0.5"]}})
    with server:
        bad = "ghk_" + "0" * 49
        assert statuses(server, bad, "127.0.0.5", "203.0.113.7", 6) == [401] * 4 + [403] * 2
        assert statuses(server, bad, "127.0.0.5", "203.0.113.8", 1) == [401]
        blocked = json.loads(server.command("block", "list", "--json").stdout)
        assert [entry["id"] for entry in blocked if entry["blocked_until"]] == ["203.0.113.7"]
