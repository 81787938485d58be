# SPDX-License-Identifier: Apache-2.0
"""The operator's commands of the store: each explains itself, prints a table or JSON, and says what to do next when it
fails."""

import json

import pytest

from conftest import ENVIRONMENT, providers
from gateway import Gateway

TENANT = "ten_01JD0000000000000000000000"
# The command, what makes it print a list or an object, and what makes the server refuse it.
COMMANDS = [
    ("store status", [], None),
    ("store verify", [], None),
    ("store rotate", ["epoch"], ["everything"]),
    ("store rotate", ["objects"], ["tenant"]),
    ("store slots", [], ["sideways"]),
    ("tenant list", [], None),
    ("tenant show", ["default"], ["nobody"]),
    ("tenant suspend", None, ["nobody"]),
    ("tenant resume", None, ["nobody"]),
    ("tenant plan", ["default", "none"], ["nobody", "none"]),
    ("tenant create", ["acme"], ["default"]),
    ("tenant delete", None, ["nobody", "--confirm", "nobody"]),
    ("plan list", [], None),
    ("plan set", ["team", "--retention", "threads=1d"], ["team", "--retention", "threads=long"]),
    ("plan show", ["team"], ["nobody"]),
    ("backup list", [], None),
    ("backup create", [], None),
    ("break-glass", None, ["--tenant", "default", "--thread", TENANT, "--reason", "a test"]),
    ("provider list", [], None),
    ("provider set-key", None, ["Not A Name"]),
]
NAMES = sorted({name for name, _, _ in COMMANDS})


@pytest.fixture(scope="module")
def server(tmp_path_factory, server_certificate, authority, mock_server):
    directory = tmp_path_factory.mktemp("operator")
    directory.chmod(0o700)
    tables = {**providers(mock_server, authority, None), "nodes": {}}
    with Gateway(directory, server_certificate, authority.certificate, tables, dict(ENVIRONMENT)) as server:
        server.command("plan", "set", "team", "--retention", "threads=1d")
        yield server


@pytest.mark.parametrize("name", NAMES)
def test_each_explains_itself(server, name):
    said = server.command(*name.split(), "--help").stdout
    assert f"gatehouse {name}" in said and "--json" in said
    wrong = server.command(*name.split(), "--sideways", check=False)
    assert wrong.returncode == 2 and "gatehouse: hint: " in wrong.stderr


@pytest.mark.parametrize("name, arguments", [(name, good) for name, good, _ in COMMANDS if good is not None])
def test_each_prints_a_table_or_json(server, name, arguments):
    plain = server.command(*name.split(), *arguments, timeout=60).stdout
    assert plain.strip() and not plain.lstrip().startswith(("{", "["))
    if name == "tenant create":
        arguments = [f"{argument}2" for argument in arguments]
    assert isinstance(json.loads(server.command(*name.split(), *arguments, "--json", timeout=60).stdout), (dict, list))


@pytest.mark.parametrize("name, arguments", [(name, bad) for name, _, bad in COMMANDS if bad is not None])
def test_each_says_what_to_do_next(server, name, arguments):
    done = server.command(*name.split(), *arguments, check=False)
    assert done.returncode in (1, 2), done.stdout
    assert done.stderr.startswith("gatehouse: error: ") and "gatehouse: hint: " in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("name, arguments", [("store status", []), ("tenant list", []), ("plan list", [])])
def test_without_a_server_it_says_so(make_gateway, name, arguments):
    done = make_gateway({"nodes": {}}).command(*name.split(), *arguments, check=False)
    assert done.returncode == 1
    assert "no server listens" in done.stderr and "gatehouse: hint: start one" in done.stderr
