# SPDX-License-Identifier: Apache-2.0
"""Strikes and blocks (row S6): the k-th bad key or malformed request blocks an address for those who come without a valid key;
neighbours go on; it survives a restart and a kill; the operator sees it and lifts it."""

import json
import time

import httpx2
import raw

BAD = "ghk_" + "0" * 49
SMUGGLED = (
    b"POST /v1/models HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
)


def caller(server, key):
    return httpx2.Client(
        base_url=server.base, verify=server.trust, timeout=60, headers={"authorization": f"Bearer {key}"}
    )


def codes(client, count):
    return [client.get("/v1/models").json().get("error", {}).get("code", "ok") for _ in range(count)]


def listed(server):
    return json.loads(server.command("block", "list", "--json").stdout)


def test_bad_keys_block_and_neighbours_go_on_through_a_restart_and_a_kill_until_it_is_lifted(make_gateway):
    server = make_gateway({"limiter": {"block_points": 25, "block_half_life": "24h"}})
    server.start()
    good = server.create_key(scopes=["chat"]).key
    assert codes(caller(server, BAD), 7) == ["invalid_api_key"] * 4 + ["blocked"] * 3
    assert codes(caller(server, good), 3) == ["ok"] * 3
    assert server.stop() == 0
    server.start()
    assert codes(caller(server, BAD), 1) == ["blocked"] and codes(caller(server, good), 1) == ["ok"]
    entry = listed(server)[0]
    assert (entry["kind"], entry["id"], entry["offence"]) == ("address", "127.0.0.1", "bad_credential")
    assert entry["blocked_until"] and "127.0.0.1" in server.command("block", "list").stdout
    server.command("block", "lift", "--address", "127.0.0.1")
    # What was lifted does not come back either, and what is blocked by hand is written at once.
    server.command("block", "set", "--address", "127.0.0.9", "--for", "1h")
    server.kill()
    server.start()
    assert codes(caller(server, BAD), 5) == ["invalid_api_key"] * 4 + ["blocked"]
    assert "127.0.0.9" in [entry["id"] for entry in listed(server) if entry["blocked_until"]]
    # Written every five seconds.
    time.sleep(6)
    server.kill()
    server.start()
    assert codes(caller(server, BAD), 1) == ["blocked"]
    assert server.stop() == 0


def test_requests_that_no_client_writes_by_mistake_block_their_address_only(make_gateway):
    with make_gateway({"limiter": {"block_points": 25, "block_half_life": "24h", "block_time": "1s"}}) as server:
        for _ in range(5):
            with raw.Connection(server, source="127.0.0.2") as connection:
                connection.send(SMUGGLED)
                assert connection.answer().status == 400
        blocked = [entry for entry in listed(server) if entry["blocked_until"]]
        assert [(entry["id"], entry["offence"]) for entry in blocked] == [("127.0.0.2", "malformed_request")]
        # It ends by itself.
        assert codes(caller(server, BAD), 1) == ["invalid_api_key"]
        time.sleep(1.2)
        assert not [entry for entry in listed(server) if entry["blocked_until"]]
