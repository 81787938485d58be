# SPDX-License-Identifier: Apache-2.0
"""What the TLS door speaks, as others judge it (row T1 of the promises): testssl.sh, and openssl version by version. The
same judgments are passed on a server that is weak on purpose, and must fail there."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import httpx2
import pytest

from certificates import Authority
from gateway import free_port
from mock_upstream import MockUpstream

MINIMA = ["1.3", "1.2"]

# Findings that are not "OK" or plain information, and why each may stand.
ACCEPTED = {
    "engine_problem": "of testssl's own openssl: it has no GOST",
    "sessionresumption_ticket": "of testssl's own s_client, which does not always come through; says nothing of safety",
}
HARMLESS = ("OK", "INFO")


@pytest.fixture(scope="module")
def servers(tmp_path_factory, request):
    """A gateway for each minimum, with a certificate like a real one: some months long, with a place for revocations."""
    import gateway as gateways

    directory = tmp_path_factory.mktemp("tls")
    authority = Authority(directory)
    pair = authority.leaf("judged", days=90, revocations="http://localhost/ca.crl")
    made = {}
    for minimum in MINIMA:
        own = directory / minimum
        own.mkdir(mode=0o700)
        tables = {
            "http": {"tls": {"certificate": pair[0], "key": pair[1], "minimum": minimum}},
            "gateway.provider": [{"name": "builtin", "kind": "builtin"}],
            "gateway.model": [{"name": "echo", "provider": "builtin"}],
        }
        made[minimum] = gateways.Gateway(own, pair, authority.certificate, tables).start()
    yield made
    for server in made.values():
        assert server.stop() == 0


@pytest.fixture(scope="module")
def weak(tmp_path_factory, authority):
    """A server that speaks what nobody should: TLS 1.0 to 1.2, CBC and no forward secrecy, the client's order. Its port."""
    directory = tmp_path_factory.mktemp("weak")
    key, certificate = directory / "rsa.key", directory / "rsa.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate]
        + ["-days", "90", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
        check=True,
        capture_output=True,
    )
    port = free_port()
    process = subprocess.Popen(
        ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-key", key, "-cert", certificate, "-www", "-quiet"]
        + ["-no_tls1_3", "-cipher", "AES128-SHA:AES128-SHA256:ECDHE-RSA-AES128-SHA@SECLEVEL=0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield port
    process.kill()
    process.wait()


# testssl.sh


def start_testssl(directory: Path, port: int, authority: Path | None, *sections: str) -> tuple[subprocess.Popen, Path]:
    directory.mkdir()
    report = directory / "report.json"
    command = ["testssl", "--quiet", "--color", "0", "--warnings", "batch", "--nodns", "min", "--ip", "one", *sections]
    command += ["--add-ca", str(authority)] if authority else []
    process = subprocess.Popen(
        [*command, "--jsonfile", str(report), f"localhost:{port}"],
        stdin=subprocess.DEVNULL,
        stdout=open(directory / "output", "wb"),
        stderr=subprocess.STDOUT,
        env={**os.environ, "TERM": "dumb"},
    )
    return process, report


@pytest.fixture(scope="module")
def reports(servers, weak, tmp_path_factory):
    """Three runs side by side, some 50 s together: protocols, ciphers, forward secrecy, server defaults, vulnerabilities."""
    if not shutil.which("testssl"):
        pytest.fail("testssl is not installed (make test installs it)")
    directory = tmp_path_factory.mktemp("testssl")

    def start(minimum, again=""):
        server = servers[minimum]
        authority = server.directory.parent / "ca.pem"
        return start_testssl(directory / (minimum + again), server.port, authority, "-p", "-s", "-f", "-S", "-U")

    def finish(process, report):
        process.wait(300)
        return json.loads(report.read_text())

    started = {minimum: start(minimum) for minimum in MINIMA}
    started["weak"] = start_testssl(directory / "weak", weak, None, "-p", "-s", "-f")
    found = {name: finish(*each) for name, each in started.items()}
    for minimum in MINIMA:
        # "WARN" is what testssl could not find out, which on a busy machine happens; it gets another try, alone.
        if any(": WARN: " in objection for objection in objections(found[minimum])):
            found[minimum] = finish(*start(minimum, " again"))
    return found


def objections(report: list[dict]) -> list[str]:
    """What testssl found that is neither fine nor accepted."""
    return [
        f"{finding['id']}: {finding['severity']}: {finding['finding']}"
        for finding in report
        if finding["severity"] not in HARMLESS and finding["id"] not in ACCEPTED
    ]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("minimum", MINIMA)
def test_testssl_objects_to_nothing(reports, minimum):
    report = reports[minimum]
    assert objections(report) == []
    found = {finding["id"]: finding for finding in report}
    assert len(found) > 60, "testssl did not come to its end"
    assert found["TLS1_3"]["severity"] == "OK"
    assert found["PFS"]["severity"] == "OK"
    for old in ("SSLv2", "SSLv3", "TLS1", "TLS1_1"):
        assert found[old]["severity"] in HARMLESS and "not offered" in found[old]["finding"]
    assert ("not offered" in found["TLS1_2"]["finding"]) == (minimum == "1.3")


@pytest.mark.timeout(400)
def test_testssl_objects_to_a_weak_server(reports):
    wrong = " ".join(objections(reports["weak"]))
    for weakness in ("TLS1:", "TLS1_1:", "cipherlist_AVERAGE:", "cipherlist_STRONG:"):
        assert weakness in wrong, wrong


# openssl


def speaks(port: int, *options: str) -> bool:
    """Whether a handshake with these options of `openssl s_client` comes to its end."""
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost", *options],
        input=b"",
        capture_output=True,
        timeout=20,
    )
    return b"Cipher is (NONE)" not in done.stdout and b"Cipher is" in done.stdout


LAX = ["-cipher", "ALL:@SECLEVEL=0"]
OFFERS = [
    # What is offered, and by which minimum it is taken.
    (["-tls1_3"], {"1.3", "1.2"}),
    (["-tls1_3", "-ciphersuites", "TLS_AES_256_GCM_SHA384"], {"1.3", "1.2"}),
    (["-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"], {"1.3", "1.2"}),
    (["-tls1_2"], {"1.2"}),
    (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"], {"1.2"}),
    (["-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"], {"1.2"}),
    (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"], set()),  # CBC
    (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-SHA384:@SECLEVEL=0"], set()),  # CBC
    (["-tls1_2", "-cipher", "AES128-SHA:@SECLEVEL=0"], set()),  # no forward secrecy
    (["-tls1_2", "-cipher", "eNULL:@SECLEVEL=0"], set()),
    (["-tls1_1", *LAX], set()),
    (["-tls1", *LAX], set()),
]


@pytest.mark.parametrize("options, takers", OFFERS, ids=[" ".join(options) for options, _ in OFFERS])
def test_what_openssl_can_agree_on(servers, options, takers):
    assert {minimum for minimum, server in servers.items() if speaks(server.port, *options)} == takers


def test_openssl_agrees_on_more_with_a_weak_server(weak):
    for options in (["-tls1", *LAX], ["-tls1_1", *LAX], ["-tls1_2", "-cipher", "AES128-SHA:@SECLEVEL=0"]):
        assert speaks(weak, *options)
    assert not speaks(weak, "-tls1_3")


# Outbound. Certificates that prove nothing are in test_conduct.py.


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
@pytest.mark.parametrize("version", ["TLSv1_1", "TLSv1_2", "TLSv1_3"])
def test_a_provider_of_an_old_version_is_not_talked_to(make_gateway, authority, trust, version):
    """A provider that speaks TLS 1.1 and nothing newer; and one that speaks 1.2 or 1.3, with whom it works."""
    import ssl

    with MockUpstream(*authority.leaf("old")) as upstream:
        upstream.context.set_ciphers("ALL:@SECLEVEL=0")
        upstream.context.minimum_version = upstream.context.maximum_version = ssl.TLSVersion[version]
        assert speaks(upstream.port, "-tls1_1", *LAX) == (version == "TLSv1_1")
        server = make_gateway(
            {
                "gateway.provider": [
                    {
                        "name": "old",
                        "kind": "openai",
                        "base_url": f"https://localhost:{upstream.port}/v1",
                        "key": "env:CANARY_OPENAI",
                        "ca": str(authority.certificate),
                    }
                ],
                "gateway.model": [{"name": "old", "provider": "old", "upstream": "mock-small"}],
            }
        )
        with server:
            headers = {"authorization": f"Bearer {server.create_key().key}"}
            with httpx2.Client(base_url=server.base, headers=headers, verify=trust, timeout=20) as client:
                content = {"model": "old", "messages": [{"role": "user", "content": "hi"}]}
                answer = client.post("/v1/chat/completions", json=content)
        if version == "TLSv1_1":
            assert answer.status_code == 502 and answer.json()["error"]["code"] == "upstream_error", answer.text
            assert not upstream.requests
        else:
            assert answer.status_code == 200, answer.text
            assert upstream.last.secure.startswith(version.replace("_", "."))
