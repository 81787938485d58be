# SPDX-License-Identifier: Apache-2.0
"""Files in and out of boxes: what a tenant keeps is read by a run that names it, and what a run leaves is kept where the tenant
has agreed to that and the request asks for it. And a real session: pandas, numpy and matplotlib read a CSV and draw."""

import base64
import hashlib
import json
import os
import subprocess
from pathlib import Path

import anthropic
import httpx2
import openai
import pytest

from gateway import ROOT
from sandbox_house import SandboxHouse, content, upload
from test_code_interpreter import EXECUTION, MODELS, prompt
from test_sweep import ENDINGS, Sweep, end, marker

VENV = Path(os.environ.get("GATEHOUSE_SANDBOX_VENV", "/opt/gatehouse-test-venv"))
CSV = b"month,sales\n" + b"".join(b"%d,%d\n" % (month, month * month) for month in range(1, 13))
SHARED = {**MODELS, "nodes": {}}
# What takes long on a busy machine: several servers, and libraries that are large.
PROVES = pytest.mark.skipif(not os.environ.get("GATEHOUSE_PROVE"), reason="long: with GATEHOUSE_PROVE=1")


def LONG(test):
    return pytest.mark.prove(pytest.mark.once(PROVES(test)))


@pytest.fixture(scope="module")
def house():
    with SandboxHouse(more=SHARED) as made:
        made.server.command("consent", "grant", "--tenant", "default", "files")
        yield made


@pytest.fixture(autouse=True)
def nothing_left(request):
    yield
    for name in ("house", "drawing"):
        if name in request.fixturenames:
            request.getfixturevalue(name).wait_quiet()


def sdk(house, key=None):
    transport = httpx2.Client(verify=house.trust, timeout=90)
    return openai.OpenAI(base_url=house.server.base + "/v1", api_key=key or house.key, http_client=transport, max_retries=0)


@pytest.fixture(scope="module")
def client(house):
    with sdk(house) as made:
        yield made


@pytest.fixture(scope="module")
def table(client):
    return client.files.create(file=("sales.csv", CSV), purpose="user_data")


def other_tenant(house, *scopes):
    with house.as_user():
        names = [word for scope in scopes or ("executions", "files") for word in ("--scope", scope)]
        made = house.server.command("key", "create", "--name", "other", *names, "--tenant", "globex", "--json")
    return json.loads(made.stdout)["key"]


READ = "import sys; print(open(sys.argv[1]).read().split()[-1])"


def test_a_kept_file_is_read_by_its_own_name_or_another(house, table):
    assert house.run(READ, files=[{"file_id": table.id}], args=["sales.csv"])["stdout"] == "12,144\n"
    named = house.run(READ, files=[{"name": "deep/a.csv", "file_id": table.id}, upload("b", b"x")], args=["deep/a.csv"])
    assert named["stdout"] == "12,144\n" and named["files"] == [], named


def test_a_large_file_comes_whole(house, client):
    # Longer than is read of the store at once.
    data = os.urandom(3 << 20)
    made = client.files.create(file=("a.bin", data), purpose="user_data")
    answer = house.run(
        "import hashlib; print(hashlib.sha256(open('a.bin','rb').read()).hexdigest())", files=[{"file_id": made.id}]
    )
    assert answer["stdout"].strip() == hashlib.sha256(data).hexdigest()


def test_a_name_that_is_no_path_is_not_used(house, client):
    made = client.files.create(file=("../../etc/passwd", b"7"), purpose="user_data")
    answer = house.run("import os; print(os.listdir(), open(os.environ.get('X', os.listdir()[-1])).read() and 1)",
                       files=[{"file_id": made.id}])  # fmt: skip
    assert made.id in answer["stdout"], answer


@pytest.mark.parametrize(
    "files, status, code",
    [
        ([{"file_id": "file_01ARZ3NDEKTSV4RRFFQ69G5FAV"}], 404, "not_found"),
        ([{"file_id": "../x"}], 404, "not_found"),
        ([{"file_id": 7}], 400, "invalid_parameter"),
        ([{"file_id": "TABLE", "content_base64": "eA=="}], 400, "invalid_parameter"),
        ([{"file_id": "TABLE"}, {"file_id": "TABLE"}], 400, "invalid_parameter"),
        ([{"name": "../a", "file_id": "TABLE"}], 400, "invalid_parameter"),
        ([{"name": "a", "file_id": "TABLE"}, {"name": "a", "content_base64": ""}], 400, "invalid_parameter"),
    ],
)
def test_files_that_are_refused(house, table, files, status, code):
    wanted = [{name: table.id if value == "TABLE" else value for name, value in file.items()} for file in files]
    found = house.request("POST", "/v1/executions", {"language": "python", "code": "1", "files": wanted})
    assert (found[0], found[1]["error"]["code"]) == (status, code), found


def test_a_file_is_its_tenants_and_its_scopes(house, table):
    body = {"language": "python", "code": READ, "args": ["sales.csv"], "files": [{"file_id": table.id}]}
    assert house.request("POST", "/v1/executions", body, other_tenant(house))[0] == 404
    status, refused = house.request("POST", "/v1/executions", body, house.create_key(["executions"]))
    assert status == 403 and refused["error"]["code"] == "insufficient_scope"


WRITE = "open('plot.png','wb').write(b'\\x89PNG\\r\\n\\x1a\\nheron'); open('empty','w')"


def test_what_a_run_leaves_is_kept_where_that_is_asked(house, client):
    answer = house.run(WRITE, store=True)
    files = {file["name"]: file for file in answer["files"]}
    assert set(files) == {"plot.png", "empty"}
    assert all("content_base64" not in file and file["file_id"].startswith("file_") for file in files.values())
    assert client.files.content(files["plot.png"]["file_id"]).content == b"\x89PNG\r\n\x1a\nheron"
    assert client.files.retrieve(files["empty"]["file_id"]).bytes == 0
    again = house.run("print(open('plot.png','rb').read()[8:])", files=[{"file_id": files["plot.png"]["file_id"]}])
    assert again["stdout"] == "b'heron'\n"
    assert all("file_id" not in file and "content_base64" in file for file in house.run(WRITE)["files"])


def test_nothing_is_kept_without_consent(house, client):
    def stored():
        return {file.id for file in client.files.list(limit=10_000)}

    before = stored()
    body = {"language": "python", "code": WRITE, "store": True}
    status, refused = house.request("POST", "/v1/executions", body, other_tenant(house))
    assert status == 403 and refused["error"]["code"] == "consent_required", refused
    status, refused = house.request("POST", "/v1/executions", body, house.create_key(["executions"]))
    assert status == 403 and refused["error"]["code"] == "insufficient_scope"
    headers = {"authorization": f"Bearer {house.key}", "x-zdr": "true"}
    with httpx2.Client(base_url=house.server.base, verify=house.trust, headers=headers, timeout=60) as http:
        answer = http.post("/v1/executions", json=body)
        assert answer.status_code == 403 and answer.json()["error"]["code"] == "consent_required"
        chat = {"model": "echo", "messages": [{"role": "user", "content": prompt(WRITE)}], "tools": [{"type": "code_interpreter"}]}
        result = http.post("/v1/chat/completions", json=chat).json()["precontext"][0]["result"]
        assert all("file_id" not in file for file in result["files"]) and len(result["files"]) == 2
    status, answer = house.request("POST", "/v1/chat/completions", {**chat, "store": False})
    assert status == 200 and all("file_id" not in file for file in answer["precontext"][0]["result"]["files"])
    assert stored() == before


def test_a_model_s_program_reads_and_leaves_files(house, client, table):
    tool = {"type": "code_interpreter", "container": {"type": "auto", "file_ids": [table.id]}}
    code = "print(open('sales.csv').read().split()[-1]); open('out.txt','w').write('heron')"
    answer = client.chat.completions.create(model="echo", messages=[{"role": "user", "content": prompt(code)}], tools=[tool])
    result = answer.model_extra["precontext"][0]["result"]
    assert result["stdout"] == "12,144\n", result
    file = result["files"][0]
    assert content(file) == b"heron" and client.files.content(file["file_id"]).content == b"heron"
    for ids, status in [(["file_01ARZ3NDEKTSV4RRFFQ69G5FAV"], 404), ([7], 400), ("x", 400), ([table.id] * 2, 400)]:
        body = {
            "model": "echo", "messages": [{"role": "user", "content": "x"}],
            "tools": [{"type": "code_interpreter", "container": {"type": "auto", "file_ids": ids}}],
        }  # fmt: skip
        assert house.request("POST", "/v1/chat/completions", body)[0] == status, ids


def test_anthropics_shape_names_the_files(house):
    with httpx2.Client(verify=house.trust) as transport:
        claude = anthropic.Anthropic(base_url=house.server.base, api_key=house.key, http_client=transport, max_retries=0)
        message = claude.messages.create(
            model="echo", max_tokens=1000, tools=[EXECUTION],
            messages=[{"role": "user", "content": prompt("open('a','w').write('heron')", "code_execution")}],
        )  # fmt: skip
    output = message.content[1].content.content[0]
    assert output.type == "code_execution_output"
    status, file = house.request("GET", f"/v1/files/{output.file_id}")
    assert status == 200 and file["bytes"] == 5


def test_anthropics_upload_puts_a_file_into_the_container(house, table):
    code = prompt("print(open('sales.csv').read().split()[-1])", "code_execution")

    def ask(blocks, tools):
        messages = [
            {"role": "user", "content": blocks}, {"role": "assistant", "content": "I have it."},
            {"role": "user", "content": code},
        ]  # fmt: skip
        return claude.messages.create(model="echo", max_tokens=1000, tools=tools, messages=messages)

    block = {"type": "container_upload", "file_id": table.id}
    with httpx2.Client(verify=house.trust) as transport:
        claude = anthropic.Anthropic(base_url=house.server.base, api_key=house.key, http_client=transport, max_retries=0)
        # The same file twice is one file: every turn has the blocks of those before it.
        message = ask([block, {**block, "cache_control": {"type": "ephemeral"}}], [EXECUTION])
        assert message.content[1].content.stdout == "12,144\n", message
        for wrong, tools, status, words in [
            ({**block, "file_id": "file_01ARZ3NDEKTSV4RRFFQ69G5FAV"}, [EXECUTION], 404, ""),
            ({**block, "file_id": 7}, [EXECUTION], 400, "file_id"),
            ({**block, "path": "/etc"}, [EXECUTION], 400, "path"),
            (block, [], 400, "messages[0].content[0]"),
        ]:
            with pytest.raises(anthropic.APIStatusError) as refused:
                ask([wrong], tools)
            assert refused.value.status_code == status and words in str(refused.value), refused.value


# What is on the disk.


@LONG
@ENDINGS
@pytest.mark.parametrize("agreed", [False, True])
def test_nothing_of_a_run_reaches_the_disk_unless_it_is_kept(ending, agreed):
    text, name = marker(), marker()
    with SandboxHouse({"warm": 1}, more={**SHARED, "log": {"level": "debug"}}) as made:
        if agreed:
            made.server.command("consent", "grant", "--tenant", "default", "files")
        code = f"import sys\nopen('{name}','w').write('{text}')\nprint('{text}', sys.argv, sys.stdin.read())\nraise OSError('{text}')"
        session = made.request("POST", "/v1/executions/sessions", {})[1]["id"]
        everything = {"args": [text], "stdin": text, "files": [upload(text, text.encode())]}
        for more in ({}, {"session_id": session}, {"limits": {"wall_ms": 700}}):
            ended = made.run(code, **everything, **more)
            assert text in ended["stdout"] and text in ended["stderr"], ended
        made.run(f"import os, time\nos.write(1, b'{text}')\ntime.sleep(9)", limits={"wall_ms": 300})
        list(made.events({"language": "python", "code": code, "stream": True, **everything}))
        status, _ = made.request("POST", "/v1/executions", {"language": "python", "code": code, "store": True, **everything})
        assert status == (200 if agreed else 403)
        body = {"model": "echo", "messages": [{"role": "user", "content": prompt(code)}], "tools": [{"type": "code_interpreter"}]}
        assert made.request("POST", "/v1/chat/completions", body)[0] == 200
        made.wait_quiet()
        end(made.server, ending)
        found = Sweep(made.server, text, name)
        # What was kept was sealed: it is found by whoever has the keys, and by nobody else.
        assert found.kinds(text) == found.kinds(name) == ({"fields"} if agreed else set())


# A real session.

DRAW = """
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

table = pd.read_csv("sales.csv")
fit = np.polyfit(table["month"], table["sales"], 2)
print(np.round(fit, 6).tolist())
figure, axes = plt.subplots(figsize=(4, 3), dpi=100)
axes.plot(table["month"], table["sales"], "o", label="sales")
axes.plot(table["month"], np.polyval(fit, table["month"]), label="fit")
axes.legend()
figure.savefig("plot.png")
"""


@pytest.fixture(scope="module")
def drawing():
    """A house whose Python is that of the environment with the libraries."""
    if not (VENV / "bin/python3").exists():
        pytest.skip(f"there is no {VENV}; `make venv-sandbox` makes it")
    if VENV.is_relative_to(ROOT) and VENV.parts[1] in ("work", "tmp", "root"):
        pytest.skip("a box has a folder of its own there")
    sandbox = {"wall": "60s", "cpu": "60s", "memory": "512MiB", "warm": 1, "warm_modules": ["numpy", "matplotlib.pyplot"]}
    language = [{"name": "python", "command": f"{VENV}/bin/python3", "file": "main.py", "read": [str(VENV)]}]
    with SandboxHouse(sandbox, more={**SHARED, "sandbox.language": language}) as made:
        made.server.command("consent", "grant", "--tenant", "default", "files")
        yield made


def opens(png):
    """Pillow reads every pixel of it."""
    program = "import sys, io; from PIL import Image; i = Image.open(io.BytesIO(sys.stdin.buffer.read())); i.load(); print(i.format, i.size)"
    done = subprocess.run([VENV / "bin/python3", "-c", program], input=png, capture_output=True, timeout=60, check=True)
    return done.stdout.decode().strip() == "PNG (400, 300)"


@LONG
def test_an_uploaded_table_becomes_a_plot(drawing):
    with sdk(drawing) as client:
        made = client.files.create(file=("sales.csv", CSV), purpose="user_data")
        answer = drawing.run(DRAW, files=[{"file_id": made.id}], store=True)
        assert answer["status"] == "ok" and answer["stdout"].startswith("[1.0, "), answer
        [file] = answer["files"]
        assert (file["name"], file["media_type"]) == ("plot.png", "image/png")
        assert opens(client.files.content(file["file_id"]).content)


@LONG
def test_the_same_by_a_model_and_the_stock_sdk(drawing):
    with sdk(drawing) as client:
        made = client.files.create(file=("sales.csv", CSV), purpose="user_data")
        tool = {"type": "code_interpreter", "container": {"type": "auto", "file_ids": [made.id]}}
        answer = client.chat.completions.create(
            model="echo", messages=[{"role": "user", "content": prompt(DRAW)}], tools=[tool]
        )
        assert answer.choices[0].finish_reason == "stop" and "status: ok" in answer.choices[0].message.content, answer
        [file] = answer.model_extra["precontext"][0]["result"]["files"]
        assert opens(base64.b64decode(file["content_base64"]))
        assert opens(client.files.content(file["file_id"]).content)


@LONG
def test_numpy_is_there_before_the_program(drawing):
    drawing.wait_ready()
    # Importing what is there already takes no time worth counting.
    answer = drawing.run("import numpy, matplotlib.pyplot; print(int(numpy.arange(10).sum()))")
    assert answer["stdout"] == "45\n", answer
    assert "gatehouse_sandbox_runs_warm_total 0" not in drawing.metrics()
    # Of the rest a program that draws nothing has no trace, which it would have to wait for at its end.
    drawing.wait_ready()
    alone = drawing.run("import numpy, sys; print('mat' + 'plotlib' in sys.modules, len(sys.modules) > 100)")
    assert alone["stdout"] == "False True\n", alone
