# SPDX-License-Identifier: Apache-2.0
"""Row W9 over the real binary: the corpora of Tests/Vectors/masking through every way in which a stranger's bytes reach
the server, and none of what they hold on its standard error.

A piece goes in as a header's value, in the query, the path, the model's name, the content, another field, a file's name
and as broken JSON; comes from the upstream as an error in JSON, in plain text and as a field; and is printed on the
server's own standard error as a library would, before the process is ended by a fault. The search itself is tried on a
log that shows everything.
"""

import json
import os
import re
import signal
import time
import urllib.parse
from pathlib import Path

import httpx2
import pytest

import mock_openai

VECTORS = Path(__file__).resolve().parents[1] / "Vectors" / "masking"
MARK = re.compile(r"\\\[(?:email|phone|card|iban|cpf|cnpj|cuit|nif|ssn|redacted)\\\]")


def corpus(half):
    """Pairs of a text and what is shown of it."""
    pairs = []
    for name in ("masking", "redaction"):
        for line in (VECTORS / f"{name}-{half}.tsv").read_text().splitlines():
            if line and not line.startswith("#"):
                _, text, *shown = line.replace("¦", "").replace("␤", "\n").split("\t")
                pairs.append((text, shown[0] if shown else text))
    return pairs


POSITIVES = corpus("positive")
NEGATIVES = corpus("negative")


def hidden(text, shown):
    """The pieces of `text` that `shown` does not show."""
    pattern = MARK.sub("(.+?)", re.escape(shown))
    found = re.fullmatch(pattern, text, re.DOTALL)
    assert found, (text, shown)
    return list(found.groups())


# What stands in the server's own lines anyway (`user`, `admin` …), or in a text that is nothing, proves nothing where
# it is found.
HARMLESS = "\n".join(text for text, _ in NEGATIVES)
PIECES = sorted(
    {piece for pair in POSITIVES for piece in hidden(*pair) if len(piece) >= 8 and piece not in HARMLESS}, key=len
)


def leaks(log):
    """The pieces that stand in the log as they are, or as JSON or a query writes them."""
    found = []
    for piece in PIECES:
        escaped = (json.dumps(piece)[1:-1], json.dumps(piece, ensure_ascii=False)[1:-1])
        if any(form in log for form in (piece, *escaped, urllib.parse.quote(piece))):
            found.append(piece)
    return found


def test_the_search_finds_what_a_log_without_masks_shows():
    assert len(POSITIVES) >= 600 and len(NEGATIVES) >= 600 and len(PIECES) >= 600
    for form in (str, lambda text: json.dumps(text), lambda text: json.dumps(text, ensure_ascii=False)):
        log = "".join(f'{{"level":"info","text":{form(text)}}}\n' for text, _ in POSITIVES)
        assert set(leaks(log)) == set(PIECES)
    shown = "".join(f"{shown}\n" for _, shown in POSITIVES)
    assert leaks(shown) == []


@pytest.fixture
def server(make_gateway):
    """One that writes all its lines."""
    with make_gateway({"log": {"level": "debug"}, "nodes": {}}) as server:
        yield server


@pytest.fixture
def client(server, trust):
    key = server.create_key("masking", ["chat", "files", "threads.read", "threads.write"]).key
    headers = {"authorization": f"Bearer {key}"}
    with httpx2.Client(base_url=server.base, headers=headers, verify=trust, timeout=30) as client:
        yield client


def chat(model, text):
    return {"model": model, "messages": [{"role": "user", "content": text}]}


def settled(server):
    """The log once it has stopped growing: lines are gathered for a moment."""
    before = ""
    while (log := server.logs()) != before:
        before = log
        time.sleep(0.2)
    return log


def test_no_way_in_leads_to_the_log(server, client):
    for text, _ in POSITIVES:
        quoted = urllib.parse.quote(text, safe="")
        field = text.replace("\n", " ").encode()
        client.post(f"/v1/chat/completions?q={quoted}&{quoted}=1", json=chat("echo", text), headers={"x-note": field})
        client.post("/v1/chat/completions", json={**chat(text, text), "user": text, "metadata": {text: text}})
        client.post("/v1/chat/completions", content=f'{{"model": "echo", {text}'.encode())
        client.get(f"/v1/threads/{quoted}")
        client.get(f"/nothing/{quoted}")
        client.post("/v1/files", data={"purpose": text}, files={"file": (text.replace("\n", " "), b"x", "text/plain")})
        client.get("/v1/models", headers={"authorization": b"Bearer " + field, "cookie": field, "user-agent": field})
    log = settled(server)
    assert log.count('"message":"served"') > 2000 and '"message":"refused"' in log
    assert leaks(log) == []


def test_what_an_upstream_says_stays_out_of_the_log(server, client, upstream):
    current = ""

    async def in_json(exchange):
        await exchange.respond(500, mock_openai.error(500, current))

    async def in_text(exchange):
        await exchange.respond(400, current.encode(), {"content-type": "text/plain"})

    async def in_garbage(exchange):
        await exchange.respond(200, b'{"id": "' + current.encode())

    async def not_http(exchange):
        await exchange.raw(current.encode() + b"\r\n\r\n")
        exchange.cut()

    for behaviour in (in_json, in_text, in_garbage, not_http):
        with upstream.behave(behaviour):
            # Every fourth case each: an upstream that fails is left alone for a while.
            for text, _ in POSITIVES[::4]:
                current = text
                client.post("/v1/chat/completions", json=chat("openai-small", "hi"))
    log = settled(server)
    assert '"message":"failed"' in log
    assert leaks(log) == []


def test_routes_stand_as_templates(server, client):
    thread = "thr_01KAJ9V6Z8Q4M3N2P1R5S7T9W0"
    assert client.get(f"/v1/threads/{thread}").status_code == 404
    client.get(f"/v1/nothing/{thread}")
    log = settled(server)
    assert "/v1/threads/{" in log and thread not in log and "/v1/nothing" not in log


def test_what_is_printed_in_the_server_is_masked_and_its_last_words_too(make_gateway):
    server = make_gateway()
    server.start()
    # As a library in it has it.
    descriptor = os.open(server.descriptors() / "2", os.O_WRONLY)
    for number, (text, _) in enumerate(POSITIVES + NEGATIVES):
        data = (text + "\n.\n").encode()
        cut = number % len(data)
        for piece in (data[:cut], data[cut:]):
            if piece:
                os.write(descriptor, piece)
        if number % 50 == 0:
            time.sleep(0.02)
    log = settled(server)
    assert leaks(log) == []
    assert log.count('"message":"printed"') > 1200
    for text, _ in NEGATIVES:
        assert '"text":' + json.dumps(text, ensure_ascii=False) in log, text
    os.write(descriptor, b"Fatal error: cause: ana.last@example.com password=hunter2Z9")
    server.process.send_signal(signal.SIGILL)
    assert server.process.wait(20) == -signal.SIGILL
    log = server.logs()
    assert "Fatal error: cause: [email] password=[redacted]" in log and "hunter2Z9" not in log
    # Neither a backtrace with registers and memory, nor a core.
    assert "Registers" not in log and "Backtrac" not in log
    assert not list(server.directory.rglob("core*"))
    os.close(descriptor)


def test_the_server_is_not_dumpable(server):
    limits = Path(f"/proc/{server.process.pid}/limits").read_text()
    assert re.search(r"^Max core file size +0 +0 ", limits, re.MULTILINE)
    # What is not dumpable belongs to root (proc(5)), whoever runs it.
    assert os.stat(f"/proc/{server.process.pid}/mem").st_uid == 0


def test_a_command_that_fails_to_start_still_speaks(make_gateway):
    """Standard error is given back before the last words of a start that fails."""
    server = make_gateway({"store": {"unlock": ["file:/no/such/key"]}})
    server.write()
    done = server.command("serve", check=False)
    assert done.returncode != 0 and "gatehouse: error:" in done.stderr
