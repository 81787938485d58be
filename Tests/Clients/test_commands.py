# SPDX-License-Identifier: Apache-2.0
"""Every command of the command line, at one server: what it prints for people and for programs, what it refuses and how, and
that none of it puts a secret where others can read it. The commands are those of the program's own table (its completion is
made of it), so that a new one fails here by name until it has a row."""

import json
import os
import pty
import re
import select
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

import people
from command_shapes import SHAPES, misfit
from conftest import ENVIRONMENT
from gateway import Gateway, binary

NOBODY = "01JD0000000000000000000000"


class Row:
    """A command: what makes it work, and what makes it refuse. Of which shape its JSON is says command_shapes.py.

    Arguments in braces are of what the fixture made. `stopped`: it wants a server that does not run. `elsewhere` names the test
    that has its success, where that takes a program, a terminal or a host of its own."""

    def __init__(self, ok=(), bad=None, stopped=False, elsewhere=None, says=None):
        self.ok, self.bad = ok, bad
        self.stopped, self.elsewhere, self.says = stopped, elsewhere, says


ROWS = {
    "serve": Row(elsewhere="every test", bad=["--config", "/nowhere.toml"]),
    "dev": Row(["--print"], says='mode = "development"'),
    "setup": Row(elsewhere="test_setup.py", bad=["--directory", "{directory}", "--yes"]),
    "check": Row(says="the configuration is right", bad=["--config", "/nowhere.toml"]),
    "doctor": Row(),
    "routes": Row(),
    "version": Row(says="gatehouse "),
    "controls": Row(["--check"]),
    "model list": Row(),
    "price list": Row(),
    "error list": Row(),
    "config show": Row(),
    "session show": Row(),
    "session end": Row(["{user}"]),
    "key create": Row(["--name", "another"], bad=["--name", "x", "--scope", "everything"]),
    "key list": Row(bad=["--tenant", "nobody"]),
    "key show": Row(["{key}"], bad=[f"key_{NOBODY}"]),
    "key rotate": Row(["{key}", "--grace", "1h"], bad=[f"key_{NOBODY}"]),
    "key block": Row(["{key}"], bad=[f"key_{NOBODY}"]),
    "key unblock": Row(["{key}"], bad=[f"key_{NOBODY}"]),
    "key revoke": Row(["{spare}"], bad=[f"key_{NOBODY}"]),
    "operator invite": Row(bad=["--email", "nobody"]),
    "operator list": Row(),
    "operator reset": Row(["{operator}"], bad=[f"usr_{NOBODY}"]),
    "operator remove": Row(["{leaver}", "--yes"], bad=[f"usr_{NOBODY}", "--yes"]),
    "user invite": Row(["{fresh}@example.org", "--tenant", "default"], bad=["nobody", "--tenant", "default"]),
    "user list": Row(["--tenant", "default"], bad=["--tenant", "nobody"]),
    "user reset": Row(["{user}", "--tenant", "default"], bad=[f"usr_{NOBODY}", "--tenant", "default"]),
    "user reset-totp": Row(["{user}", "--tenant", "default"], bad=[f"usr_{NOBODY}", "--tenant", "default"]),
    "user disable": Row(["{user}", "--tenant", "default"], bad=[f"usr_{NOBODY}", "--tenant", "default"]),
    "user enable": Row(["{user}", "--tenant", "default"], bad=[f"usr_{NOBODY}", "--tenant", "default"]),
    "user remove": Row(["{goner}", "--tenant", "default", "--yes"], bad=[f"usr_{NOBODY}", "--tenant", "default", "--yes"]),
    "passwords import": Row(elsewhere="the tests of passwords", bad=["/nowhere", "/nowhere/leaked"]),
    "provider list": Row(),
    "provider set-key": Row(elsewhere="test_a_secret_comes_by_a_pipe_and_is_seen_nowhere", bad=["Not A Name"]),
    "provider remove-key": Row(["{secret}", "--yes"], bad=["Not A Name", "--yes"]),
    "tenant create": Row(["{fresh}"], bad=["default"]),
    "tenant list": Row(),
    "tenant show": Row(["default"], bad=["nobody"]),
    "tenant suspend": Row(["acme"], bad=["nobody"]),
    "tenant resume": Row(["acme"], bad=["nobody"]),
    "tenant plan": Row(["acme", "none"], bad=["nobody", "none"]),
    "tenant delete": Row(["{gone}", "--confirm", "{gone}"], bad=["acme", "--confirm", "another"]),
    "plan list": Row(),
    "plan show": Row(["team"], bad=["nobody"]),
    "plan set": Row(["team", "--retention", "threads=1d"], bad=["team", "--retention", "threads=long"]),
    "node list": Row(["--tenant", "default"], bad=["--tenant", "nobody"]),
    "thread list": Row(["--tenant", "default"], bad=["--tenant", "nobody"]),
    "thread delete": Row(elsewhere="test_node_chat.py", bad=[f"thr_{NOBODY}", "--tenant", "default", "--yes"]),
    "consent list": Row(["--tenant", "default"], bad=["--tenant", "nobody"]),
    "consent grant": Row(["threads", "--tenant", "default"], bad=["everything", "--tenant", "default"]),
    "consent withdraw": Row(["threads", "--tenant", "default"], bad=["everything", "--tenant", "default"]),
    "break-glass": Row(elsewhere="test_store.py", bad=["--tenant", "default", "--thread", f"thr_{NOBODY}", "--reason", "a test"]),
    "usage": Row(["--by", "model"], bad=["--by", "weather"]),
    "limit show": Row(["--tenant", "acme"], bad=["--tenant", "nobody"]),
    "limit set": Row(["--tenant", "acme", "--limit", "50 requests/hour"], bad=["--tenant", "acme", "--limit", "few"]),
    "limit reset": Row(["--tenant", "acme"], bad=["--tenant", "nobody"]),
    "budget set": Row(["--tenant", "acme", "--budget", "$5/day"], bad=["--tenant", "acme", "--budget", "little"]),
    "budget reset": Row(["--tenant", "acme"], bad=["--tenant", "nobody"]),
    "block list": Row(),
    "block set": Row(["--address", "203.0.113.7", "--for", "1h"], bad=["--address", "nowhere", "--for", "1h"]),
    "block lift": Row(["--address", "{address}"], bad=["--address", "nowhere"]),
    "store status": Row(),
    "store rotate": Row(["epoch"], bad=["everything"]),
    "store slots": Row(bad=["sideways"]),
    "store accept-restored": Row(elsewhere="test_store.py", bad=[]),
    "store verify": Row(),
    "store inventory": Row(),
    "backup create": Row(),
    "backup list": Row(bad=["--from", "/nowhere"]),
    "backup restore": Row(elsewhere="test_backup.py", bad=[]),
    "audit tail": Row(["-n", "2"], bad=["--since", "yesterday"]),
    "audit search": Row(["--action", "keys.create"], bad=["--since", "yesterday"]),
    "audit key": Row(says="+"),
    "audit verify": Row(bad=["--key", "nonsense"]),
    "audit prove": Row(["1"], bad=["99999999"], says="{"),
    "audit publish": Row(["{directory}/published"], bad=["/proc/nowhere"]),
    "audit fsck": Row(bad=["--directory", "/nowhere"]),
    "audit export": Row(stopped=True, says="{", bad=["--config", "/nowhere.toml"]),
    "audit begin-anew": Row(stopped=True, says="the next start begins"),
    "sandbox check": Row(elsewhere="test_sandbox_faults.py"),
    "sandbox run": Row(elsewhere="test_sandbox_faults.py", bad=["/nowhere.py"]),
    "sandbox languages": Row(elsewhere="test_sandbox_faults.py"),
    "completion": Row(["bash"], says="complete -F", bad=["tcsh"]),
    "manual": Row(says=".TH"),
}
# What destroys, and does not without being asked twice.
DESTROYS = {
    "thread delete": [f"thr_{NOBODY}", "--tenant", "default"],
    "operator remove": [f"usr_{NOBODY}"],
    "user remove": [f"usr_{NOBODY}", "--tenant", "default"],
    "provider remove-key": ["spare"],
    "store slots": ["remove", "--slot", "1"],
    "store accept-restored": [],
}


class House:
    """The server, and what its commands are given."""

    def __init__(self, server):
        self.server = server
        self.count, self.lock = 0, threading.Lock()
        script = server.command("completion", "bash").stdout
        found = re.findall(r"^    '([a-z-]+(?: [a-z-]+)?)'\*\) mapfile .* -W '([^']*)'", script, flags=re.MULTILINE)
        self.table = {name: options.split() for name, options in found}
        self.made = {"directory": str(server.directory), "key": server.create_key("shown").id}
        self.made["user"] = self.invite("user", "invite", "ada@example.org", "--tenant", "default")["id"]
        for _ in range(2):
            token = server.command("operator", "invite").stdout.strip()
            email = f"operator{len(self.made)}@example.org"
            answer = people.redeem(server, token, email=email)
            assert answer.status_code == 200, answer.text
            self.made["operator" if "operator" not in self.made else "leaver"] = ""
        listed = json.loads(server.command("operator", "list", "--json").stdout)
        self.made["operator"], self.made["leaver"] = listed[0]["id"], listed[1]["id"]
        server.command("tenant", "create", "acme")
        server.command("plan", "set", "team", "--retention", "threads=1d")
        self.own()

    def own(self):
        """What lists are of: a node and a thread of the tenant's, an exchange, a refusal, and a provider's key."""
        key = self.server.create_key("owner", ["chat", "nodes.write", "threads.write"])
        self.server.command("consent", "grant", "threads", "--tenant", "default")
        with httpx2.Client(base_url=self.server.base, verify=self.server.trust, timeout=60) as client:
            client.headers["authorization"] = f"Bearer {key.key}"
            for path, body in (
                ("/v1/nodes", {"alias": "desk", "model": "echo"}),
                ("/v1/threads", {"node": "desk"}),
                ("/v1/chat/completions", {"model": "echo", "messages": [{"role": "user", "content": "hello"}]}),
            ):
                answer = client.post(path, json=body)
                assert answer.status_code in (200, 201), answer.text
        self.set_key()

    def invite(self, *arguments):
        return json.loads(self.server.command(*arguments, "--json").stdout)

    def fresh(self):
        with self.lock:
            self.count += 1
            return f"fresh{self.count}"

    def given(self, arguments):
        """The arguments with what there is in the place of what is in braces; what a command uses up is made for each call."""
        made = dict(self.made, fresh=self.fresh())
        words = " ".join(arguments)
        if "{spare}" in words:
            made["spare"] = self.server.create_key("spare").id
        if "{gone}" in words:
            made["gone"] = made["fresh"]
            self.server.command("tenant", "create", made["gone"])
        if "{secret}" in words:
            made["secret"] = self.set_key()
        if "{address}" in words:
            made["address"] = "203.0.113.9"
            self.server.command("block", "set", "--address", made["address"], "--for", "1h")
        if "{goner}" in words:
            made["goner"] = self.invite("user", "invite", f"{made['fresh']}@example.org", "--tenant", "default")["id"]
        if "{leaver}" in words and self.made["leaver"] is None:
            token = self.server.command("operator", "invite").stdout.strip()
            people.redeem(self.server, token, email=f"{made['fresh']}@example.org")
            known = json.loads(self.server.command("operator", "list", "--json").stdout)
            made["leaver"] = next(person["id"] for person in known if person["email"].startswith(made["fresh"]))
        elif "{leaver}" in words:
            self.made["leaver"] = None
        return [argument.format(**made) for argument in arguments]

    def set_key(self):
        subprocess.run(
            [str(binary()), "--config", str(self.server.file), "provider", "set-key", "spare"],
            cwd=self.server.directory,
            env=self.server.environment,
            input=b"sk-some-key",
            check=True,
            capture_output=True,
            timeout=60,
        )
        return "spare"

    def run(self, name, *arguments):
        return self.server.command(*name.split(), *arguments, check=False, timeout=120)


@pytest.fixture(scope="module")
def house(tmp_path_factory, server_certificate, authority):
    directory = tmp_path_factory.mktemp("commands")
    directory.chmod(0o700)
    tables = {
        "nodes": {},
        "gateway.provider": [
            {"name": "builtin", "kind": "builtin"},
            {"name": "spare", "kind": "openai", "base_url": "https://127.0.0.1:1/v1", "key": "keyring:spare"},
        ],
        "gateway.model": [{"name": "echo", "provider": "builtin"}],
    }
    with Gateway(directory, server_certificate, authority.certificate, tables, dict(ENVIRONMENT)) as server:
        yield House(server)


@pytest.mark.parametrize(
    "value, words",
    [
        ({"id": 1, "at": None}, "it.id is 1"),
        ({"id": "a"}, "it lacks ['at']"),
        ({"id": "a", "at": None, "more": 1}, "['more'] too many"),
        ({"id": "a", "at": 5}, "it.at is 5"),
        ({"id": "a", "at": "x", "flag": 1}, "it.flag is 1, and no bool"),
        ([], "it is no object"),
    ],
)
def test_another_shape_is_told(value, words):
    assert words in misfit(value, {"id": str, "at": (str, None), "flag?": bool})


def test_every_command_has_a_row_and_every_row_a_command(house):
    assert set(house.table) == set(ROWS)


WORKING = [name for name, row in ROWS.items() if row.elsewhere is None and not row.stopped]


@pytest.mark.parametrize("name", WORKING)
def test_each_works_for_people_and_for_programs(house, name):
    row = ROWS[name]
    plain = house.run(name, *house.given(row.ok))
    allowed = {0, 1, 3} if name in ("doctor", "controls") else {0}
    assert plain.returncode in allowed, plain.stdout + plain.stderr
    assert plain.stdout.strip() and "\x1b" not in plain.stdout + plain.stderr, "a pipe is told no colours"
    if row.says:
        assert row.says in plain.stdout
    assert (name in SHAPES) == ("--json" in house.table[name]), "a command with --json has a shape"
    if name in SHAPES:
        assert not plain.stdout.lstrip().startswith(("{", "["))
        done = house.run(name, *house.given(row.ok), "--json")
        assert done.returncode in allowed, done.stdout + done.stderr
        # What goes on and on is a line for each.
        value = [json.loads(line) for line in done.stdout.splitlines()]
        value = value[0] if name != "audit tail" else value
        assert misfit(value, SHAPES[name]) is None


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.bad is not None])
def test_each_refuses_with_a_reason_and_a_next_step(house, name):
    done = house.run(name, *house.given(ROWS[name].bad))
    assert done.returncode in (1, 2), done.stdout
    assert done.stdout == "" and "error: " in done.stderr, done.stderr
    assert "gatehouse: hint: " in done.stderr or "/nowhere" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and "Fatal" not in done.stderr


def test_each_explains_itself_and_says_what_was_meant(house):
    def ask(name):
        shown = house.run(name, "--help")
        wrong = house.run(name, "--sideways")
        extra = house.run(name, *["x"] * 9) if name not in ("sandbox run",) else None
        typo = house.server.command(*(name[:-1] if len(name) > 4 else name + "x").split(), check=False)
        return name, shown, wrong, extra, typo

    with ThreadPoolExecutor(4) as pool:
        for name, shown, wrong, extra, typo in pool.map(ask, house.table):
            assert shown.returncode == 0 and shown.stderr == "", name
            assert f"gatehouse {name}" in shown.stdout, name
            for option in house.table[name]:
                assert option in shown.stdout, (name, option)
            assert name in ("version",) or re.search(rf"^ +gatehouse .*{name}", shown.stdout, re.MULTILINE), name
            assert wrong.returncode == 2 and "gatehouse: hint: " in wrong.stderr and wrong.stdout == "", name
            assert extra is None or extra.returncode == 2, (name, extra.stderr)
            assert typo.returncode == 2 and typo.stderr.startswith("gatehouse: error: "), (name, typo.stderr)
            if len(name) > 4:
                assert "did you mean" in typo.stderr, (name, typo.stderr)


@pytest.mark.parametrize("name", DESTROYS)
def test_nothing_is_destroyed_without_a_second_word(house, name):
    assert "--yes" in house.table[name]
    done = house.run(name, *DESTROYS[name])
    assert done.returncode == 2 and "--yes" in done.stderr and done.stdout == ""


def terminal(server, *arguments, typed=b"", environment=None):
    """What a command shows on a terminal, and its exit code."""
    ours, its = pty.openpty()
    process = subprocess.Popen(
        [str(binary()), "--config", str(server.file), *arguments],
        cwd=server.directory,
        env={**server.environment, "TERM": "xterm", **(environment or {})},
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
    )
    os.close(its)
    seen, deadline = b"", time.monotonic() + 60
    while time.monotonic() < deadline:
        if typed and b"[y/N]" in seen:
            os.write(ours, typed)
            typed = b""
        if not select.select([ours], [], [], 0.2)[0]:
            continue
        try:
            part = os.read(ours, 65536)
        except OSError:
            break
        if not part:
            break
        seen += part
    os.close(ours)
    return seen.decode(errors="replace"), process.wait(30)


def test_a_terminal_has_colours_where_they_are_wanted(house):
    shown, code = terminal(house.server, "key", "list")
    assert code == 0 and "\x1b[1m" in shown and "PREFIX" in shown
    plain, _ = terminal(house.server, "key", "list", environment={"NO_COLOR": "1"})
    assert "\x1b" not in plain and "PREFIX" in plain
    dumb, _ = terminal(house.server, "key", "list", environment={"TERM": "dumb"})
    assert "\x1b" not in dumb
    assert "\x1b" not in terminal(house.server, "key", "list", "--json")[0]


def test_a_terminal_is_asked_before_something_is_destroyed(house):
    house.set_key()
    shown, code = terminal(house.server, "provider", "remove-key", "spare", typed=b"n\n")
    assert code == 1 and "Go on? [y/N]" in shown and "nothing was done" in shown
    shown, code = terminal(house.server, "provider", "remove-key", "spare", typed=b"y\n")
    assert code == 0 and "forgotten" in shown


def test_names_do_not_speak_to_the_terminal(house):
    """What somebody calls a thing is shown, and not obeyed."""
    done = house.run("key", "create", "--name", "evil\x1b]0;owned\x07")
    shown, _ = terminal(house.server, "key", "list")
    assert "\x1b]" not in shown and "\x07" not in shown
    assert done.returncode == 0 or "error" in done.stderr


def test_a_secret_comes_by_a_pipe_and_is_seen_nowhere(house):
    secret = "sk-marker-" + os.urandom(8).hex()
    server = house.server
    process = subprocess.Popen(
        [str(binary()), "--config", str(server.file), "provider", "set-key", "spare"],
        cwd=server.directory,
        env=server.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdin.write(secret[:10].encode())
    process.stdin.flush()
    for what in ("cmdline", "environ"):
        try:
            assert secret[:10].encode() not in open(f"/proc/{process.pid}/{what}", "rb").read()
        except PermissionError:
            pass
    out, error = process.communicate(secret[10:].encode(), timeout=60)
    assert process.returncode == 0, error
    assert secret.encode() not in out + error
    for name in ("provider list", "config show", "error list"):
        assert secret not in house.run(name, "--json").stdout
    # There is no place on the command line for it.
    done = house.run("provider set-key", "spare", secret)
    assert done.returncode == 2


def test_no_option_takes_a_secret(house):
    """What is secret comes from a file, a pipe or a terminal: every user of the machine reads command lines."""
    said = house.server.command("manual").stdout
    for name, options in house.table.items():
        for option in options:
            assert option not in ("--password", "--secret", "--token", "--api-key", "--root-key"), (name, option)
    assert "passphrase" in said
    # A flag, which asks.
    wrong = house.run("store slots", "add", "--passphrase=hunter2")
    assert wrong.returncode == 2 and "takes no value" in wrong.stderr


def test_the_operators_nouns_answer_over_https_too(house):
    ada = people.operator(house.server, "grace@example.org")
    for noun in (
        "tenants plans keys providers models prices limits budgets blocks audit backups controls errors config sessions"
    ).split():
        answer = ada.client.get(f"/admin/v1/{noun}")
        assert answer.status_code == 200, (noun, answer.text)
    for noun in ("users", "nodes", "threads"):
        answer = ada.client.get(f"/admin/v1/{noun}", params={"tenant": "default"})
        assert answer.status_code == 200, (noun, answer.text)


# Last: they stop the server.


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.stopped])
def test_each_works_beside_a_stopped_server(house, name):
    running = house.run(name)
    assert house.server.process.poll() is not None or (running.returncode == 1 and "gatehouse: hint: " in running.stderr)
    house.server.stop()
    done = house.run(name)
    assert done.returncode == 0 and ROWS[name].says in done.stdout, done.stderr
