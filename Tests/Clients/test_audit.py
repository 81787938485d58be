# SPDX-License-Identifier: Apache-2.0
"""Rows R1, R2, R3 and S8 at the real binary: what stands in the audit log after streams, errors, refusals, kills, full disks
and damaged files, and that somebody else's program can check it."""

import base64
import collections
import concurrent.futures
import contextlib
import json
import os
import random
import shutil
import subprocess
import threading
import time

import httpx2
import pytest

import mock_behaviours
import transparency
from test_node_chat import Nodes

CHAT = "/v1/chat/completions"
ROUNDS = 500 if os.environ.get("GATEHOUSE_PROVE") else 8
SCOPES = ["chat", "embeddings", "audit.read"]


async def mixed(exchange):
    """What the prompt asks for: an error, a cut stream, or an answer."""
    if b"please-fail" in exchange.record.body:
        return await mock_behaviours.status(500)(exchange)
    if b"please-cut" in exchange.record.body and mock_behaviours.is_streamed(exchange):
        return await mock_behaviours.cut_stream(exchange)
    await mock_behaviours.default(exchange)


def body(text, model="openai-small", **more):
    return {"model": model, "max_tokens": 4000, "messages": [{"role": "user", "content": text}], **more}


def client(server, key):
    return httpx2.Client(
        base_url=server.base, verify=server.trust, timeout=30, headers={"authorization": f"Bearer {key}"}
    )


def export(server):
    """Every record of a stopped server, in order."""
    lines = server.command("audit", "export", timeout=120).stdout.splitlines()
    return [json.loads(line) for line in lines]


def by_request(records):
    found = collections.defaultdict(list)
    for record in records:
        if "request_id" in record:
            found[record["request_id"]].append(record)
    return found


class Load(threading.Thread):
    """One client that asks for this and that until its server is gone, and notes what it received whole."""

    def __init__(self, server, key, seed):
        super().__init__(daemon=True)
        self.server, self.key, self.random = server, key, random.Random(seed)
        self.whole = []  # (request id, status, what it was, usage)
        self.stopped = threading.Event()

    def run(self):
        with client(self.server, self.key) as http:
            while not self.stopped.is_set():
                try:
                    self.ask(http)
                except httpx2.HTTPError:
                    if self.stopped.is_set() or self.server.process.poll() is not None:
                        return

    def ask(self, http):
        kind = self.random.choice(["whole", "stream", "fail", "cut", "refused"])
        if kind == "stream" or kind == "cut":
            text = "please-cut" if kind == "cut" else "hello"
            asked = body(text, stream=True, stream_options={"include_usage": True})
            with http.stream("POST", CHAT, json=asked) as answer:
                data = b"".join(answer.iter_raw())
            usage = None
            for line in data.decode().splitlines():
                if line.startswith("data: {"):
                    usage = json.loads(line[6:]).get("usage") or usage
            self.whole.append((answer.headers["x-request-id"], answer.status_code, kind, usage))
            return
        model = "nobody" if kind == "refused" else "openai-small"
        answer = http.post(CHAT, json=body("please-fail" if kind == "fail" else "hello", model))
        usage = answer.json().get("usage")
        self.whole.append((answer.headers["x-request-id"], answer.status_code, kind, usage))


def check(records, whole):
    """Every answer that somebody has whole is written down once; nothing is written twice; what is counted is right."""
    found = by_request(records)
    for request, status, kind, usage in whole:
        mine = found[request]
        kinds = sorted(record["kind"] for record in mine)
        if kind == "refused":
            # After the first ten of a second they are counted together, and a kill takes the count of its second along.
            assert kinds in ([], ["refusal"]), (request, kinds)
            continue
        assert kinds == ["intent", "outcome"], (request, status, kind, kinds)
        outcome = next(record for record in mine if record["kind"] == "outcome")
        if usage and not outcome.get("estimated"):
            assert outcome["input_tokens"] == usage["prompt_tokens"], (kind, outcome, usage)
            assert outcome["output_tokens"] == usage["completion_tokens"], (kind, outcome, usage)
    refused = [request for request, _, kind, _ in whole if kind == "refused"]
    assert len(refused) < 10 or sum(bool(found[request]) for request in refused) >= 10
    for request, mine in found.items():
        kinds = collections.Counter(record["kind"] for record in mine)
        assert all(count == 1 for count in kinds.values()), (request, kinds)
        assert kinds["intent"] == kinds["outcome"] + kinds["act"], (request, kinds)
        for record in mine:
            if record["kind"] == "outcome" and record["outcome"] == "interrupted":
                intent = next(other for other in mine if other["kind"] == "intent")
                assert record["estimated"] is True
                assert record["output_tokens"] == intent["reserved_output_tokens"] >= 4000
    assert [record["sequence"] for record in records] == list(range(len(records)))


@pytest.mark.prove
@pytest.mark.once
@pytest.mark.timeout(1800 if ROUNDS > 100 else 240)
def test_a_kill_at_any_moment_loses_and_doubles_nothing(make_gateway, upstream):
    server = make_gateway({"log": {"level": "warning"}})
    seed = random.randrange(1 << 32)
    moments = random.Random(seed)
    print("seed", seed)
    whole, key = [], None
    with upstream.behave(mixed):
        for number in range(ROUNDS):
            server.start()
            key = key or server.create_key("load", SCOPES).key
            loads = [Load(server, key, seed + 10 * number + place) for place in range(4)]
            for load in loads:
                load.start()
            time.sleep(moments.uniform(0.05, 0.8))
            # Now and then it lives long enough to write usage down: else each start would read the log from its first record.
            if number % 20 == 19:
                time.sleep(11)
            server.process.kill()
            server.process.wait()
            for load in loads:
                load.stopped.set()
            for load in loads:
                load.join(35)
                whole += load.whole
    with server:
        pass
    records = export(server)
    check(records, whole)
    assert len(whole) > 5 * ROUNDS
    report = json.loads(server.command("audit", "verify", "--json").stdout)
    assert report["ok"] and report["records"] == len(records)


def test_a_check_that_can_fail():
    """The check above, on records with one missing, doubled, or counted wrong."""
    intent = {"kind": "intent", "request_id": "req_1", "sequence": 0}
    outcome = {"kind": "outcome", "request_id": "req_1", "sequence": 1, "outcome": "answered"}
    outcome |= {"input_tokens": 3, "output_tokens": 5}
    whole = [("req_1", 200, "whole", {"prompt_tokens": 3, "completion_tokens": 5})]
    check([intent, outcome], whole)
    for bad in (
        [intent],
        [outcome | {"sequence": 0}],
        [intent, outcome, outcome | {"sequence": 2}],
        [intent, outcome | {"output_tokens": 4}],
        [],
    ):
        with pytest.raises(AssertionError):
            check(bad, whole)


@pytest.fixture
def written(make_gateway, upstream):
    """A stopped server with a few hundred records, its public key, and a checkpoint from the middle."""
    server = make_gateway({"audit": {"sync": "interval"}})
    with server:
        key = server.create_key("load", SCOPES).key
        verifier = server.command("audit", "key").stdout.strip()
        with client(server, key) as http:
            for number in range(60):
                assert http.post(CHAT, json=body("hello", "echo")).status_code == 200
        server.stop()
    early = (server.data / "audit/checkpoint").read_text()
    with server:
        with client(server, key) as http:
            for number in range(110):
                assert http.post(CHAT, json=body("hello", "echo")).status_code == 200
    return server, verifier, early


def test_somebody_elses_program_verifies_the_log(written):
    server, verifier, early = written
    directory = server.data / "audit"
    count = transparency.verify(directory, verifier, early)
    assert count > 340 and len(transparency.stored_tile(directory, 0, 0)) == 8192
    for sequence in (0, 1, 255, 256, count - 1):
        proof = json.loads(server.command("audit", "prove", str(sequence)).stdout)
        size, top = transparency.checkpoint(proof["checkpoint"], verifier)
        path = [base64.b64decode(value) for value in proof["path"]]
        hashed = base64.b64decode(proof["leaf"])
        assert transparency.leaves(directory)[sequence] == hashed
        assert transparency.check_inclusion(sequence, hashed, size, top, path)
        assert not transparency.check_inclusion(sequence, transparency.leaf(b"another"), size, top, path)
        assert not transparency.check_inclusion((sequence + 1) % size, hashed, size, top, path)


def test_what_is_published_is_read_as_other_logs_are(written, tmp_path):
    server, verifier, _ = written
    target = tmp_path / "public"
    done = server.command("audit", "publish", str(target), "--json")
    size = transparency.verify_published(target, verifier)
    said = json.loads(done.stdout)
    assert said["size"] == size > 340 and said["new_tiles"] == len([it for it in target.rglob("tile/**/*") if it.is_file()])
    assert json.loads(server.command("audit", "publish", str(target), "--json").stdout)["new_tiles"] == 0
    hashes = b"".join(transparency.leaves(server.data / "audit"))
    read = transparency.tile_path(target, 0, 0).read_bytes() + transparency.tile_path(target, 0, 1, size % 256).read_bytes()
    assert hashes.startswith(read) and len(read) == 32 * size
    for path in (transparency.tile_path(target, 0, 0), transparency.tile_path(target, 0, 1, size % 256)):
        kept = path.read_bytes()
        path.write_bytes(bytes([kept[0] ^ 1]) + kept[1:])
        with pytest.raises(transparency.Wrong):
            transparency.verify_published(target, verifier)
        path.write_bytes(kept)


def test_damage_is_found_by_both(written, tmp_path):
    server, verifier, early = written
    moments = random.Random(4)

    def damaged(name, change):
        copy = tmp_path / name
        shutil.copytree(server.data / "audit", copy / "audit")
        change(copy / "audit")
        done = server.command("audit", "verify", "--directory", str(copy), "--key", verifier, check=False)
        with pytest.raises((transparency.Wrong, ValueError, OSError)):
            transparency.verify(copy / "audit", verifier, early)
        assert done.returncode == 1 and "damaged: " in done.stdout, (name, done.stdout, done.stderr)

    def segments(directory):
        return sorted(directory.glob("*.log"))

    def flip(directory):
        path = segments(directory)[0]
        data = bytearray(path.read_bytes())
        data[moments.randrange(200, len(data))] ^= 1 << moments.randrange(8)
        path.write_bytes(data)

    for number in range(10):
        damaged(f"flip{number}", flip)
    damaged("cut", lambda it: segments(it)[-1].write_bytes(segments(it)[-1].read_bytes()[:-300]))
    damaged("gone", lambda it: segments(it)[-1].unlink())
    damaged("first", lambda it: segments(it)[0].unlink())
    damaged("tile", lambda it: (it / "tile/0/000000000").write_bytes(bytes(8192)))
    damaged("note", lambda it: (it / "checkpoint").write_text(early.replace("\u2014 ", "\u2014 x")))
    fsck = server.command("audit", "fsck")
    assert fsck.returncode == 0


def test_a_roll_back_is_found_by_a_checkpoint_kept_elsewhere(written, tmp_path):
    server, verifier, early = written
    copy = tmp_path / "audit"
    shutil.copytree(server.data / "audit", copy)
    late = tmp_path / "late"
    late.write_text((copy / "checkpoint").read_text())
    (copy / "checkpoint").write_text(early)
    sorted(copy.glob("*.log"))[-1].unlink()
    shutil.rmtree(copy / "tile")
    arguments = ("audit", "verify", "--directory", str(tmp_path), "--key", verifier)
    assert server.command(*arguments).returncode == 0, "from inside it looks whole"
    found = server.command(*arguments, "--against", str(late), check=False)
    assert found.returncode == 1 and "cut or rolled back" in found.stdout
    # Put back on the server, control.db knows.
    shutil.rmtree(server.data / "audit")
    shutil.copytree(copy, server.data / "audit")
    server.write()
    server.launch("--config", str(server.file), "serve")
    assert server.process.wait(20) != 0 and "cut or put back" in server.logs()
    server.command("audit", "begin-anew")
    with server:
        pass


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(place)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no tmpfs can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_on_a_full_disk_nothing_is_asked_and_space_is_noticed(make_gateway, upstream, small_disk):
    server = make_gateway({"data": str(small_disk / "data")})
    server.data = small_disk / "data"
    with server:
        key = server.create_key("load", SCOPES).key
        with client(server, key) as http:
            assert http.post(CHAT, json=body("hello")).status_code == 200
            ballast = small_disk / "ballast"
            with open(ballast, "wb", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(1 << 16))
                        file.flush()
                except OSError:
                    pass
            answer = None
            for _ in range(5000):
                answer = http.post(CHAT, json=body("hello", "echo"))
                if answer.status_code != 200:
                    break
            assert answer.status_code == 503 and answer.json()["error"]["code"] == "audit_unavailable", answer.text
            assert int(answer.headers["retry-after"]) >= 1
            upstream.clear()
            refused = http.post(CHAT, json=body("hello"))
            assert refused.status_code == 503 and not upstream.requests, "nothing leaves the house unrecorded"
            ballast.unlink()
            for _ in range(100):
                if http.post(CHAT, json=body("hello")).status_code == 200:
                    break
                time.sleep(0.1)
            else:
                raise AssertionError("space was not noticed")
    check(export(server), [])


FAULTS = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

// Whether this is a file of the audit log, and its disk fails: while a file of that name exists.
static int fails(int file) {
    char name[64], path[4096];
    snprintf(name, sizeof name, "/proc/self/fd/%d", file);
    ssize_t length = readlink(name, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    if (!strstr(path, "/audit/") || access(getenv("FAULT_FILE"), F_OK) != 0) return 0;
    errno = EIO;
    return 1;
}
"""


def preloaded(folder, source):
    """A library that is put before the C library, and the file that switches its faults on."""
    (folder / "fault.c").write_text(FAULTS + source)
    command = ["cc", "-shared", "-fPIC", "-o", str(folder / "fault.so"), str(folder / "fault.c")]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("there is no C compiler here")
    fault = folder / "fault"
    return {"LD_PRELOAD": str(folder / "fault.so"), "FAULT_FILE": str(fault)}, fault


REFUSAL = r"""
// The disk takes nothing of the audit log.
ssize_t pwrite(int file, const void *bytes, size_t count, off_t offset) {
    return fails(file) ? -1 : syscall(SYS_pwrite64, file, bytes, count, offset);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off_t offset) { return pwrite(file, bytes, count, offset); }

ssize_t pwritev(int file, const struct iovec *pieces, int count, off_t offset) {
    return fails(file) ? -1 : syscall(SYS_pwritev, file, pieces, count, offset, 0);
}

ssize_t pwritev64(int file, const struct iovec *pieces, int count, off_t offset) {
    return pwritev(file, pieces, count, offset);
}
"""


@pytest.mark.parametrize("streams", [False, True])
def test_what_cannot_be_written_down_never_leaves(make_gateway, upstream, tmp_path, streams):
    """Records are written at the end of a loop's turn, before anything leaves: where that fails, nothing does."""
    environment, fault = preloaded(tmp_path, REFUSAL)
    server = make_gateway({"http": {"loops": 1}})
    server.environment |= environment
    asked = body("hello", stream=True) if streams else body("hello")

    def ask(http):
        """The answer's id if it came whole, or its status; None where the connection was cut."""
        try:
            answer = http.post(CHAT, json=asked)
        except httpx2.TransportError:
            return None
        if answer.status_code != 200:
            assert answer.status_code == 503 and answer.json()["error"]["code"] == "audit_unavailable", answer.text
            return 503
        return answer.headers["x-request-id"]

    def recover(http):
        fault.unlink()
        for _ in range(100):
            found = ask(http)
            if isinstance(found, str):
                return found
            time.sleep(0.1)
        raise AssertionError("a disk that works again was not noticed")

    async def failing(exchange):
        """The disk breaks while the provider works: the intent is written, the outcome cannot be."""
        fault.touch()
        await mock_behaviours.default(exchange)

    whole = []
    with server:
        key = server.create_key("load", SCOPES).key
        with contextlib.ExitStack() as stack, concurrent.futures.ThreadPoolExecutor(12) as pool:
            clients = [stack.enter_context(client(server, key)) for _ in range(12)]
            whole += pool.map(ask, clients)
            assert all(isinstance(found, str) for found in whole)
            for _ in range(5):
                upstream.clear()
                fault.touch()
                found = list(pool.map(ask, clients))
                assert not any(isinstance(one, str) for one in found) and not upstream.requests, found
                whole.append(recover(clients[0]))
                whole += pool.map(ask, clients)
                with upstream.behave(failing):
                    found = list(pool.map(ask, clients))
                assert not any(isinstance(one, str) for one in found), found
                whole.append(recover(clients[0]))
    records = by_request(export(server))
    for request in whole:
        assert sorted(record["kind"] for record in records[request]) == ["intent", "outcome"], request
    for request, found in records.items():
        kinds = sorted(record["kind"] for record in found)
        assert kinds in (["intent", "outcome"], ["refusal"], ["act", "intent"]), (request, found)
    report = json.loads(server.command("audit", "verify", "--json").stdout)
    assert report["ok"]


FAULT = r"""
// The disk refuses to keep what the audit log has written.
int fdatasync(int file) { return fails(file) ? -1 : syscall(SYS_fdatasync, file); }
"""


@pytest.mark.parametrize("sync", ["interval", "always"])
def test_a_disk_that_keeps_nothing_poisons_the_segment(make_gateway, upstream, tmp_path, sync):
    environment, fault = preloaded(tmp_path, FAULT)
    server = make_gateway({"audit": {"sync": sync}})
    server.environment |= environment
    whole = []
    with server:
        key = server.create_key("load", SCOPES).key
        with client(server, key) as http:

            def ask():
                answer = http.post(CHAT, json=body("hello"))
                if answer.status_code == 200:
                    whole.append((answer.headers["x-request-id"], 200, "whole", answer.json()["usage"]))
                return answer

            assert ask().status_code == 200
            segments = len(list((server.data / "audit").glob("*.log")))
            fault.touch()
            for _ in range(200):
                answer = ask()
                if answer.status_code == 503:
                    break
                time.sleep(0.05)
            assert answer.json()["error"]["code"] == "audit_unavailable", answer.text
            time.sleep(2.5)
            upstream.clear()
            assert ask().status_code == 503 and not upstream.requests, "nothing is admitted"
            assert len(list((server.data / "audit").glob("*.log"))) <= segments + 1, "and no attempt leaves a file"
            fault.unlink()
            for _ in range(100):
                if ask().status_code == 200:
                    break
                time.sleep(0.1)
            else:
                raise AssertionError("a disk that works again was not noticed")
            assert ask().status_code == 200
    records = export(server)
    check(records, whole)
    report = json.loads(server.command("audit", "verify", "--json").stdout)
    assert report["ok"] and report["records"] == len(records)


def test_who_was_asked_in_vain_may_have_counted(make_gateway, upstream):
    async def broken_first(exchange):
        if exchange.record.json["model"] == "mock-small":
            return await mock_behaviours.garbage(exchange)
        await mock_behaviours.default(exchange)

    server = make_gateway()
    for model in server.tables["gateway.model"]:
        if model["name"] == "openai-small":
            model["fallback"] = ["mock-large"]
    with server:
        key = server.create_key("load", SCOPES).key
        with client(server, key) as http, upstream.behave(broken_first):
            answer = http.post(CHAT, json=body("hello"))
            assert answer.status_code == 200, answer.text
    usage = answer.json()["usage"]
    mine = {record["kind"]: record for record in by_request(export(server))[answer.headers["x-request-id"]]}
    intent, outcome = mine["intent"], mine["outcome"]
    assert intent["reserved_output_tokens"] == 8000, "after a kill, both may have counted"
    assert outcome["estimated"] is True and outcome["output_tokens"] == 4000 + usage["completion_tokens"]
    assert outcome["provider"] == "openai" and outcome["upstream_model"] == "mock-large"


@pytest.mark.parametrize("way", ["whole", "streamed", "receipt"])
def test_a_nodes_turn_that_fell_back_counts_both(make_gateway, upstream, trust, way):
    async def broken_first(exchange):
        if exchange.record.json["model"] == "mock-small":
            return await mock_behaviours.garbage(exchange)
        await mock_behaviours.default(exchange)

    server = make_gateway({"nodes": {}})
    for model in server.tables["gateway.model"]:
        if model["name"] == "openai-small":
            model["fallback"] = ["mock-large"]
    with server:
        house = Nodes(server, trust)
        node = house.node("openai-small", limits={"max_output_tokens": 4000})
        with upstream.behave(broken_first):
            if way == "whole":
                house.chat(node, "hello")
            elif way == "streamed":
                house.stream(node, "hello")
            else:
                accepted = house.chat(node, "hello", status=202, mode="async")
                assert house.receipt(accepted)["status"] == "done"
    assert [request.json["model"] for request in upstream.requests] == ["mock-small", "mock-large"]
    calls = [found for found in by_request(export(server)).values() if any(one.get("model") for one in found)]
    assert len(calls) == 1, calls
    intent, outcome = calls[0]
    assert intent["reserved_output_tokens"] == 8000 and intent["node"] == outcome["node"]
    assert outcome["outcome"] == "answered" and outcome["upstream_model"] == "mock-large"
    assert outcome["estimated"] is True and outcome["output_tokens"] > 4000


def test_a_kill_during_a_fallback_settles_at_both(make_gateway, upstream):
    """The first provider answered what nobody can read, the second is at work: either may have counted."""
    asked = threading.Event()

    async def then_silent(exchange):
        if exchange.record.json["model"] == "mock-small":
            return await mock_behaviours.garbage(exchange)
        asked.set()
        await exchange.hang()

    server = make_gateway()
    for model in server.tables["gateway.model"]:
        if model["name"] == "openai-small":
            model["fallback"] = ["mock-large"]
    server.start()
    key = server.create_key("load", SCOPES).key

    def ask():
        with client(server, key) as http, pytest.raises(httpx2.HTTPError):
            http.post(CHAT, json=body("hello"))

    with upstream.behave(then_silent):
        asking = threading.Thread(target=ask)
        asking.start()
        assert asked.wait(60)
        server.process.kill()
        server.process.wait()
        asking.join()
    assert [request.json["model"] for request in upstream.requests] == ["mock-small", "mock-large"]
    with server:
        pass
    mine = [found for found in by_request(export(server)).values() if any(one["kind"] == "intent" and one.get("model") for one in found)]
    assert len(mine) == 1, mine
    intent, outcome = mine[0]
    assert (intent["kind"], outcome["kind"], outcome["outcome"]) == ("intent", "outcome", "interrupted")
    assert outcome["estimated"] is True and outcome["output_tokens"] == intent["reserved_output_tokens"] == 8000


def test_an_epoch_that_somebody_asks_for_is_an_act(make_gateway):
    server = make_gateway()
    with server:
        server.command("store", "rotate", "epoch")
        server.wait_for_log('"message":"rolled"')
    acts = [record for record in export(server) if record.get("action") == "store.rotate.create"]
    assert [act["kind"] for act in acts] == ["intent", "act"] and acts[1]["actor"].startswith("uid ")


@pytest.mark.prove
@pytest.mark.once
@pytest.mark.skipif(not os.environ.get("GATEHOUSE_PROVE"), reason="an epoch lasts a minute at least")
def test_an_epoch_that_ends_by_itself_stands_in_the_log(make_gateway):
    server = make_gateway({"nodes": {}, "store": {"roll_interval": "60s"}})
    with server:
        server.command("tenant", "create", "short")
        server.command("tenant", "delete", "short", "--confirm", "short")
        server.wait_for_log('"message":"rolled"', seconds=180)
    rolled = [record for record in export(server) if record.get("action") == "epoch.roll"]
    assert [record["generation"] for record in rolled] == [2], rolled
    assert (rolled[0]["kind"], rolled[0]["actor_kind"]) == ("house", "house")


def test_a_segment_that_is_removed_stops_the_service(make_gateway, upstream):
    server = make_gateway()
    with server:
        key = server.create_key("load", SCOPES).key
        with client(server, key) as http:
            assert http.post(CHAT, json=body("hello")).status_code == 200
            sorted((server.data / "audit").glob("*.log"))[-1].unlink()
            for _ in range(200):
                answer = http.post(CHAT, json=body("hello"))
                if answer.status_code == 503:
                    break
                time.sleep(0.05)
            assert answer.json()["error"]["code"] == "audit_unavailable"
            upstream.clear()
            assert http.post(CHAT, json=body("hello")).status_code == 503 and not upstream.requests
        server.wait_for_log("was taken away or replaced while it was in use")


def test_a_flood_grows_the_log_by_a_bounded_rate(make_gateway):
    server = make_gateway({"limiter": {"requests_per_hour": 5}})
    with server:
        key = server.create_key("load", SCOPES).key
        began = time.time()
        with client(server, key) as http:
            for _ in range(400):
                http.post(CHAT, json=body("hello", "echo"))
        with client(server, "ghk_wrong") as http:
            for _ in range(200):
                http.post(CHAT, json=body("hello", "echo"))
        seconds = time.time() - began
    records = export(server)
    refused = [record for record in records if record["kind"] in ("refusal", "flood")]
    assert sum(record.get("count", 1) for record in refused) == 595
    assert len(refused) <= (seconds + 2) * 13
    strangers = [record for record in refused if record["code"] == "invalid_api_key"]
    assert len(strangers) <= seconds + 2 and all("address" in record for record in strangers)


def test_what_is_told_and_printed(written):
    server, _, _ = written
    with server:
        lines = server.command("audit", "tail", "-n", "5").stdout.splitlines()
        assert len(lines) == 6 and lines[0].startswith("SEQUENCE")
        found = json.loads(server.command("audit", "search", "--action", "keys.create", "--json").stdout)
        assert [record["kind"] for record in found] == ["act", "intent"]
        assert server.command("audit", "search", "--since", "yesterday", check=False).returncode == 1
    assert server.command("audit", "prove", "no", check=False).returncode == 2
    text = server.command("audit", "verify").stdout
    assert text.startswith("RECORDS")
