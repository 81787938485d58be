# SPDX-License-Identifier: Apache-2.0
"""Row W3 at the real binary: `gatehouse routes --audit` tries every route that the server has, and leaves nothing behind."""

import json

import httpx2


def test_every_guard_of_the_running_server_holds(make_gateway, trust):
    with make_gateway({"nodes": {}}) as server:
        listed = json.loads(server.command("routes", "--json").stdout)
        done = server.command("routes", "--audit", "--json", timeout=240)
        report = json.loads(done.stdout)
        assert report["findings"] == []
        document = httpx2.get(f"{server.base}/openapi.json", verify=trust).json()
        described = sum(len(methods) for methods in document["paths"].values())
        assert report["routes"] == report["described"] == report["probed"] == described == len(listed)
        assert report["probes"] > 4 * described - 4 * len(report["public"])
        assert {"GET /livez", "GET /readyz", "GET /openapi.json"} <= set(report["public"])
        tenants = json.loads(server.command("tenant", "list", "--json").stdout)
        assert not [tenant for tenant in tenants if "guard-probe" in tenant["name"]]
        text = server.command("routes", "--audit", timeout=240).stdout
        assert "0 findings" in text


def test_an_audit_leaves_no_block_of_its_own(make_gateway, trust):
    """It shows hundreds of credentials that are none; from an address like any other, which is blocked for that."""
    with make_gateway({"limiter": {"unauthenticated": [], "block_points": 100}}) as server:
        server.command("block", "set", "--address", "203.0.113.7", "--for", "1h")
        # This address has points already, and is not blocked: somebody mistyped a key.
        httpx2.get(f"{server.base}/v1/models", verify=trust, headers={"authorization": "Bearer ghk_mistyped"})
        done = server.command("routes", "--audit", "--json", timeout=240)
        assert json.loads(done.stdout)["findings"] == []
        left = json.loads(server.command("block", "list", "--json").stdout)
        assert [entry["id"] for entry in left] == ["203.0.113.7"], left
        # The same attempts from a client that lifts nothing.
        client = httpx2.Client(base_url=server.base, verify=trust, headers={"authorization": "Bearer ghk_false"})
        codes = [client.get("/v1/models").json()["error"]["code"] for _ in range(40)]
        assert codes[0] == "invalid_api_key" and codes[-1] == "blocked"


def test_an_audit_needs_the_server(make_gateway):
    server = make_gateway()
    done = server.command("routes", "--audit", check=False)
    assert done.returncode == 1 and "no server listens" in done.stderr
