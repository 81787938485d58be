# SPDX-License-Identifier: Apache-2.0
"""Row H1: secure when nothing is configured. No open route, no default password, files 0600, and a key that others can
read is a reason not to start. And `gatehouse dev`, which needs no configuration at all."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import time

import httpx2
import pytest

from gateway import Refused, binary

pytestmark = pytest.mark.usefixtures("gateway")

METHODS = ("get", "put", "post", "delete", "patch", "head", "options")
GUARDS = re.compile(
    r"(public|key|session|keyOrSession|webhook|cron|operator|socket|metrics|keyOrAnonymousNode)(\(.*\))?"
)


@pytest.fixture
def empty(make_gateway):
    """As little as a configuration can say and still not collide with what else runs on this machine."""
    nothing = {name: None for name in ("limiter", "admin", "gateway", "gateway.provider", "gateway.model")}
    server = make_gateway({**nothing, "auth": {}})
    with server:
        yield server


def operations(client):
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                yield method, path, operation


def probe(client, headers):
    """Every operation, and what it answers without a right to it."""
    probed = []
    for method, path, operation in operations(client):
        guard = operation.get("x-guard")
        guard = guard if isinstance(guard, str) else json.dumps(guard)
        assert guard, f"{method} {path} has no guard"
        target = re.sub(r"\{[^}]*\}", "01ARZ3NDEKTSV4RRFFQ69G5FAV", path)
        answer = client.request(
            method, target, headers=headers, json={} if method in ("post", "put", "patch") else None
        )
        probed.append((method, path, guard, answer.status_code))
    return probed


@pytest.mark.parametrize("which", ["empty", "full"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer admin"},
        {"authorization": "Bearer undefined"},
        {"authorization": "Basic YWRtaW46YWRtaW4="},
        {"x-api-key": "admin"},
        {"x-forwarded-for": "127.0.0.1"},
        {"cookie": "session=admin"},
    ],
)
def test_no_route_is_open(request, gateway, trust, which, headers):
    server = request.getfixturevalue("empty") if which == "empty" else gateway
    with httpx2.Client(base_url=server.base, verify=trust, timeout=10) as client:
        probed = probe(client, headers)
    assert len(probed) >= 3 if which == "empty" else len(probed) >= 10
    for method, path, guard, status in probed:
        assert GUARDS.match(guard.strip('"{ ')) or guard.startswith("{"), guard
        if "public" in guard:
            # What is public and does something has its credential in the body, and says no without one.
            assert method in ("get", "head") or status in (400, 401), f"{method} {path} is public: {status}"
            continue
        assert status in (401, 403), f"{method} {path} ({guard}) answered {status} to {headers}"
    public = {path for _, path, guard, _ in probed if "public" in guard}
    assert public <= {
        "/livez",
        "/readyz",
        "/openapi.json",
        "/security",
        "/security.json",
        "/docs/{page}",
        "/docs/style.css",
        "/.well-known/security.txt",
        "/.well-known/jwks.json",
        # Whoever finds a key may say so; what is judged is the key in the body.
        "/v1/keys/exposed",
        "/docs",
        "/",
        "/auth/login",
        "/auth/refresh",
        "/auth/redeem",
        "/metrics",
    }, public


def test_every_route_that_answers_is_in_the_description(gateway, trust):
    """What is not described does not exist: 404 without a credential as with one."""
    with httpx2.Client(base_url=gateway.base, verify=trust) as client:
        for path in (
            "/admin",
            "/admin/v1/keys",
            "/debug",
            "/metrics",
            "/v1",
            "/v1/",
            "/.env",
            "/status",
            "/ui",
            "/console",
        ):
            status = client.get(path).status_code
            assert status in (401, 403, 404), f"{path} answered {status}"


def test_files_are_for_the_owner_alone(make_gateway):
    umask = os.umask(0)  # The worst that a caller can leave us with.
    try:
        server = make_gateway()
        with server:
            server.create_key()
            seen = []
            for path in [server.data, *server.data.rglob("*")]:
                mode = stat.S_IMODE(path.lstat().st_mode)
                kind = path.lstat().st_mode
                expected = 0o700 if stat.S_ISDIR(kind) else 0o600
                assert mode & ~expected == 0, f"{path} has mode {mode:o}"
                seen.append(path.name)
            assert "admin.sock" in seen and any(name.endswith(".db") for name in seen), seen
    finally:
        os.umask(umask)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o666])
def test_a_root_key_that_others_can_read_stops_it(make_gateway, mode):
    server = make_gateway()
    server.root_key.chmod(mode)
    with pytest.raises(Refused) as refused:
        server.start()
    assert refused.value.code == 1
    output = refused.value.output
    assert "gatehouse: error:" in output and "root.key" in output and "gatehouse: hint:" in output
    assert server.root_key.read_text().strip() not in output


def test_a_root_key_that_is_missing_or_no_key_stops_it(make_gateway):
    server = make_gateway()
    server.root_key.write_text("short")
    with pytest.raises(Refused) as refused:
        server.start()
    assert refused.value.code == 1 and "root.key" in refused.value.output and "short" not in refused.value.output


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_configuration_that_others_can_write_is_refused(make_gateway, mode):
    server = make_gateway()
    server.write()
    server.file.chmod(mode)
    done = server.command("check", check=False)
    assert done.returncode == 1 and "gatehouse.toml" in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to give a file away")
def test_a_configuration_of_someone_else_is_refused(make_gateway):
    server = make_gateway()
    server.write()
    os.chown(server.file, 12345, 12345)
    done = server.command("check", check=False)
    assert done.returncode == 1 and "gatehouse.toml" in done.stderr


def test_development_listens_on_loopback_only(make_gateway):
    server = make_gateway()
    server.tables["http"]["listen"] = [f"0.0.0.0:{server.port}"]
    server.write()
    done = server.command("check", check=False)
    if done.returncode == 0:
        done = server.command("serve", check=False)
    assert done.returncode == 1 and "loopback" in done.stderr


def test_one_address_for_two_doors_is_refused(make_gateway):
    server = make_gateway()
    server.tables["http"]["redirect"] = [f"127.0.0.1:{server.port}"]
    server.write()
    done = server.command("check", check=False)
    assert done.returncode == 1 and "named twice" in done.stderr, done.stderr


@pytest.mark.parametrize("door, other", [("listen", "listen"), ("redirect", "listen"), ("listen", "redirect")])
def test_a_port_of_another_server_is_taken(make_gateway, door, other):
    """Both are of one user, whom the kernel lets share a port: each would get a part of the other's connections."""
    server, second = make_gateway(), make_gateway()
    second.tables["http"][door] = server.tables["http"][other]
    with server, pytest.raises(Refused, match="is in use"):
        second.start()


def test_the_impossible_is_refused_by_check(make_gateway):
    for absent, named in (("auth", "auth"), ("store", "store")):
        server = make_gateway({absent: None})
        done = server.command("check", check=False)
        assert done.returncode == 1 and named in done.stderr, done.stderr


@pytest.mark.parametrize(
    "line, told",
    [
        ("mode = \n", "1:"),
        ('mode = "development"\nmode = "production"\n', "2:"),
        ('mode = "developement"\n', "development"),
        ('mode = "development"\n[limitter]\n', "limiter"),
        ('mode = "development"\n[store]\n[limiter]\nrequests_per_hours = 5\n', "requests_per_hour"),
        ('mode = "development"\n[store]\n[limiter]\nrequests_per_hour = "many"\n', "4:"),
        ('mode = "development"\n[store]\n[limiter]\nrequests_per_hour = -1\n', "4:"),
    ],
)
def test_a_mistake_in_the_configuration_is_shown_where_it_is(make_gateway, line, told):
    server = make_gateway()
    server.write()
    server.file.write_text(line)
    done = server.command("check", check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"gatehouse\.toml:\d+:\d+: error: ", done.stderr), done.stderr
    assert told in done.stderr, done.stderr
    assert "^" in done.stderr, "the caret is missing"


def test_check_touches_nothing(make_gateway):
    server = make_gateway()
    server.write()
    before = sorted(server.directory.rglob("*"))
    assert server.command("check").returncode == 0
    assert sorted(server.directory.rglob("*")) == before


def test_routes_and_version(make_gateway):
    server = make_gateway()
    listed = server.command("routes").stdout
    for route in (
        "/v1/models",
        "/v1/chat/completions",
        "/v1/messages",
        "/v1/messages/count_tokens",
        "/v1/responses",
        "/v1/embeddings",
        "/v1/completions",
        "/readyz",
        "/livez",
        "/openapi.json",
    ):
        assert re.search(rf"{re.escape(route)}\b", listed), route
    assert re.search(r"gatehouse \d+\.\d+", server.command("version").stdout)


def test_usage_errors_end_with_two(make_gateway):
    server = make_gateway()
    for arguments in (["no-such-command"], ["key", "create", "--no-such-option"], ["key"]):
        done = server.command(*arguments, check=False)
        assert done.returncode == 2, (arguments, done)
        assert "gatehouse: error:" in done.stderr


def test_a_command_without_a_server_says_so(make_gateway):
    done = make_gateway().command("key", "list", check=False)
    assert done.returncode == 1 and "gatehouse: error:" in done.stderr and "gatehouse: hint:" in done.stderr


# `gatehouse dev`: nothing to configure.


@pytest.fixture
def development(tmp_path):
    """`gatehouse dev` in an empty directory, twice over if a test wants. It takes its fixed ports."""
    for port in (8443, 8080):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                pytest.skip(f"port {port} is taken on this machine")
    running = []

    def start():
        output = open(tmp_path / f"output{len(running)}", "w+b")
        process = subprocess.Popen(
            [str(binary()), "dev"],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        )
        running.append(process)
        deadline = time.monotonic() + 20
        with httpx2.Client(verify=False) as client:
            while time.monotonic() < deadline and process.poll() is None:
                try:
                    if client.get("https://localhost:8443/readyz").status_code == 200:
                        break
                except httpx2.TransportError:
                    time.sleep(0.05)
        time.sleep(0.3)
        output.seek(0)
        text = output.read().decode()
        assert process.poll() is None, text
        return process, text

    yield start, tmp_path
    for process in running:
        if process.poll() is None:
            process.kill()


def test_dev_needs_nothing_and_can_be_run_again(development):
    start, directory = development
    keys = []
    for _ in range(2):
        process, text = start()
        key = re.search(r"ghk_[0-9A-Za-z]{49}\b", text)
        assert key, text
        keys.append(key[0])
        assert "https://localhost:8443/v1" in text
        assert "curl" in text and "from openai import DefaultHttpxClient, OpenAI" in text
        with httpx2.Client(base_url="https://localhost:8443", verify=False) as client:
            assert client.get("/v1/models").status_code == 401
            for old in keys[:-1]:
                assert client.get("/v1/models", headers={"authorization": f"Bearer {old}"}).status_code == 401, (
                    "an old key still works"
                )
            headers = {"authorization": f"Bearer {keys[-1]}"}
            models = client.get("/v1/models", headers=headers).json()["data"]
            assert models
            body = {"model": models[0]["id"], "messages": [{"role": "user", "content": "hello"}]}
            answer = client.post("/v1/chat/completions", headers=headers, json=body)
            assert answer.json()["choices"][0]["message"]["content"] == "hello"
            assert client.get("http://localhost:8080/").status_code == 308
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    assert keys[0] != keys[1], "the development key was not made fresh"
    for path in [directory / "data", *(directory / "data").rglob("*")]:
        mode = path.lstat().st_mode
        assert stat.S_IMODE(mode) & 0o077 == 0, f"{path} has mode {stat.S_IMODE(mode):o}"
        if stat.S_ISREG(mode):
            assert keys[0].encode() not in path.read_bytes() and keys[1].encode() not in path.read_bytes()


def test_the_lines_that_dev_prints_work_when_pasted(development):
    start, directory = development
    _, text = start()
    commands = [line.strip() for line in text.replace("\\\n", " ").splitlines() if line.strip().startswith("curl ")]
    assert commands, text
    for command in commands:
        done = subprocess.run(["bash", "-c", command], cwd=directory, capture_output=True, text=True, timeout=20)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        assert '"error"' not in done.stdout and done.stdout.strip().startswith("{") or "data:" in done.stdout, (
            done.stdout
        )


def test_dev_listens_on_loopback_only(development):
    start, _ = development
    start()
    listening = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in open(table).read().splitlines()[1:]:
            fields = line.split()
            address, port = fields[1].rsplit(":", 1)
            if fields[3] == "0A" and int(port, 16) in (8443, 8080):
                family = socket.AF_INET if len(address) == 8 else socket.AF_INET6
                raw = b"".join(bytes.fromhex(address[i : i + 8])[::-1] for i in range(0, len(address), 8))
                listening.add(socket.inet_ntop(family, raw))
    assert listening and listening <= {"127.0.0.1", "::1"}, listening
