# SPDX-License-Identifier: Apache-2.0
"""Files with the stock openai SDK: uploaded with consent, listed page by page, read whole and in ranges, deleted; and
consent as the command line gives it: in development mode only."""

import os
import socket
import time

import httpx2
import openai
import pytest

from gateway import Gateway
from sdk import SDK

SCOPES = ["files", "threads.read", "threads.write", "account", "chat"]


@pytest.fixture(scope="module")
def keeping(scratch, server_certificate, authority):
    """A gateway of its own, which keeps things, and whose tenant has agreed to files."""
    directory = scratch / "keeping"
    directory.mkdir(mode=0o700)
    tables = {
        "nodes": {"file_bytes_max": "4MiB"},
        "gateway.provider": [{"name": "builtin", "kind": "builtin"}],
        "gateway.model": [{"name": "echo", "provider": "builtin", "upstream": "echo"}],
    }
    with Gateway(directory, server_certificate, authority.certificate, tables) as server:
        server.command("consent", "grant", "--tenant", "default", "files")
        yield server


@pytest.fixture(params=["sync", "async"])
def client(request, keeping, sdk_loop):
    made = SDK(request.param, keeping.base, keeping.create_key("files", SCOPES).key, sdk_loop)
    yield made.openai()
    made.close()


@pytest.fixture
def raw(keeping, trust):
    headers = {"authorization": f"Bearer {keeping.create_key('raw', SCOPES).key}"}
    with httpx2.Client(base_url=keeping.base, headers=headers, verify=trust, timeout=30) as client:
        yield client


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 1_000_000, 4 << 20])
def test_a_file_comes_back_as_it_was(client, size):
    content = os.urandom(size)
    made = client.files.create(file=("résumé \"1\".bin", content), purpose="user_data")
    assert (made.object, made.bytes, made.filename) == ("file", size, 'résumé "1".bin')
    assert made.id.startswith("file_") and made.purpose == "user_data" and made.status == "processed"
    assert client.files.retrieve(made.id) == made
    assert client.files.content(made.id).content == content
    gone = client.files.delete(made.id)
    assert gone.deleted and gone.id == made.id and gone.object == "file"
    for call in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError) as refused:
            call(made.id)
        assert refused.value.body["code"] == "not_found"


def test_a_list_pages_by_itself(client):
    made = [client.files.create(file=(f"{n}.txt", b"x"), purpose="batch").id for n in range(7)]
    client.files.create(file=("other.txt", b"x"), purpose="user_data")
    listed = [file.id for file in client.files.list(purpose="batch", limit=3)]
    assert sorted(listed) == sorted(made)
    oldest_first = [file.id for file in client.files.list(purpose="batch", limit=2, order="asc")]
    assert oldest_first == listed[::-1]
    for id in made:
        client.files.delete(id)


def test_a_term_is_taken(client):
    made = client.files.create(
        file=("a", b"x"), purpose="user_data", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    assert made.expires_at == made.created_at + 3600


def test_too_large_is_refused(client):
    with pytest.raises(openai.APIStatusError) as refused:
        client.files.create(file=("a", bytes((4 << 20) + 1)), purpose="user_data")
    assert refused.value.status_code == 413


def test_ranges(raw):
    content = os.urandom(300_000)
    made = raw.post("/v1/files", files={"file": ("a.bin", content)}, data={"purpose": "user_data"}).json()
    path = f"/v1/files/{made['id']}/content"
    for first, last in [(0, 0), (65_535, 65_536), (1, 299_998), (299_999, 299_999)]:
        answer = raw.get(path, headers={"range": f"bytes={first}-{last}"})
        assert answer.status_code == 206 and answer.content == content[first : last + 1]
        assert answer.headers["content-range"] == f"bytes {first}-{last}/300000"
    assert raw.get(path, headers={"range": "bytes=-5"}).content == content[-5:]
    assert raw.get(path, headers={"range": "bytes=300000-"}).status_code == 416


def begin_upload(server, key, count):
    """Sends some bytes of a form twice as long, on a connection that the caller closes."""
    plain = socket.create_connection(("127.0.0.1", server.port))
    wire = server.trust.wrap_socket(plain, server_hostname="localhost")
    head = (
        f"POST /v1/files HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\ncontent-length: {2 * count}\r\n"
        "content-type: multipart/form-data; boundary=b\r\n\r\n"
        '--b\r\ncontent-disposition: form-data; name="file"; filename="half"\r\n\r\n'
    )
    wire.sendall(head.encode() + bytes(count))
    return wire


def test_an_upload_that_breaks_off_leaves_nothing(keeping, raw):
    begin_upload(keeping, keeping.create_key("broken", SCOPES).key, 2_000_000).close()
    assert all(file["filename"] != "half" for file in raw.get("/v1/files?limit=100").json()["data"])


def test_consent_is_the_tenants(make_gateway, trust):
    """In production nobody consents for a tenant; the command says so and nothing is kept."""
    for mode, granted in [("development", True), ("production", False)]:
        tables = {"mode": mode, "nodes": {}, "gateway.provider": None, "gateway.model": None}
        with make_gateway(tables) as server:
            done = server.command("consent", "grant", "--tenant", "default", "files", check=False)
            assert (done.returncode == 0) == granted, done.stderr
            assert granted or "cannot consent for a tenant" in done.stderr
            headers = {"authorization": f"Bearer {server.create_key('k', SCOPES).key}"}
            with httpx2.Client(base_url=server.base, headers=headers, verify=trust, timeout=30) as client:
                answer = client.post("/v1/files", files={"file": ("a", b"x")}, data={"purpose": "user_data"})
                assert answer.status_code == (200 if granted else 403), answer.text
                zdr = client.post(
                    "/v1/files", files={"file": ("a", b"x")}, data={"purpose": "user_data"}, headers={"x-zdr": "true"}
                )
                assert zdr.json()["error"]["code"] == "consent_required"


def test_half_files_of_a_killed_server_are_swept(make_gateway, trust):
    """What the half had taken up is used again: the same once more makes the tenant's file no larger."""
    server = make_gateway({"nodes": {"sweep_interval": "1s"}}).start()
    server.command("consent", "grant", "--tenant", "default", "files")
    key = server.create_key("k", SCOPES).key

    def bytes_kept():
        return sum(path.stat().st_size for path in (server.data / "tenants").iterdir())

    upload = begin_upload(server, key, 5_000_000)
    deadline = time.monotonic() + 20
    while bytes_kept() < 3_000_000:
        assert time.monotonic() < deadline, "the server writes nothing of the upload"
        time.sleep(0.1)
    server.kill()
    upload.close()
    server.start()
    headers = {"authorization": f"Bearer {key}"}
    with httpx2.Client(base_url=server.base, headers=headers, verify=trust, timeout=30) as client:
        assert client.get("/v1/files").json()["data"] == []
        time.sleep(4)
        for _ in range(2):
            made = client.post("/v1/files", files={"file": ("a", bytes(1_500_000))}, data={"purpose": "user_data"})
            assert made.status_code == 200
    assert server.stop() == 0
    assert bytes_kept() < 7_000_000
