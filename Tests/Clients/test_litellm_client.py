# SPDX-License-Identifier: Apache-2.0
"""The package `litellm` as a client: keys by `litellm.proxy.client`, chat by `litellm.completion`. One run of it, since loading
it takes longer than everything it does."""

import json
import re
import subprocess
from pathlib import Path

import pytest

import litellm_proxy
from gateway import Gateway

pytestmark = [
    pytest.mark.usefixtures("server"),
    pytest.mark.skipif(litellm_proxy.program() is None, reason="LiteLLM is not installed (make test installs it)"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory, server_certificate, authority):
    tables = {
        "gateway.provider": [{"name": "builtin", "kind": "builtin"}],
        "gateway.model": [{"name": "echo", "provider": "builtin"}],
    }
    directory = tmp_path_factory.mktemp("litellm")
    with Gateway(directory, server_certificate, authority.certificate, tables) as made:
        yield made


@pytest.fixture(scope="module")
def seen(server, authority):
    master = server.create_key("master", scopes=["chat", "keys.read", "keys.write"]).key
    script = Path(__file__).with_name("litellm_client.py")
    done = subprocess.run(
        [litellm_proxy.program().with_name("python"), script, server.base, master, authority.certificate],
        cwd=server.directory,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_a_key_is_made_as_it_was_asked_for(seen):
    made, info = seen["made"], seen["info"]
    assert re.fullmatch(r"ghk_[0-9A-Za-z]{49}", made["key"]) and made["models"] == ["echo"] and made["expires"]
    assert info["key"] == made["token"] and "key" not in info["info"]
    for each in (made, info["info"]):
        assert (each["key_alias"], each["team_id"], each["user_id"]) == ("laptop", "core-infra", "u-1")
    # Never whole where a proxy would log it.
    assert seen["whole key in a query"] == "HTTPError"


def test_a_chat_is_answered_whole_and_streamed(seen):
    assert len(seen["said"]) == 4 and all("seven otters" in said for said in seen["said"])
    assert seen["models"] == ["echo"]


def test_what_is_changed_is_what_the_next_chat_meets(seen):
    assert seen["narrowed"] == ["nothing"] and seen["said when narrowed"] == "NotFoundError 404"
    assert seen["blocked"] is True and seen["said when blocked"].endswith("Error 403")
    assert "seven otters" in seen["said when unblocked"]


def test_a_key_is_regenerated_with_and_without_grace_and_deleted(seen):
    assert all("seven otters" in said for said in seen["said by both"])
    assert seen["said without grace"][0] == "AuthenticationError 401" and "seven otters" in seen["said without grace"][1]
    assert seen["deleted"] == [seen["made"]["token"]] and seen["said when deleted"] == "AuthenticationError 401"
    assert seen["asked when deleted"] == "UnauthorizedError"
