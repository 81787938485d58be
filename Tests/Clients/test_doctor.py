# SPDX-License-Identifier: Apache-2.0
"""`gatehouse doctor` on the real binary: what it finds beside a server that runs, beside one that does not, and where
something is wrong."""

import datetime
import json
import re

import pytest


def examine(server):
    done = server.command("doctor", "--json", check=False, timeout=120)
    answer = json.loads(done.stdout)
    assert answer["object"] == "doctor" and set(answer) == {"object", "worst", "findings"}
    for finding in answer["findings"]:
        assert set(finding) == {"code", "level", "reason", "mend"} and re.fullmatch(r"[a-z]+\.[a-z-]+", finding["code"])
        assert finding["level"] in ("ok", "note", "warning", "fault")
        assert finding["level"] in ("ok", "note") or finding["mend"], finding
    levels = {finding["level"] for finding in answer["findings"]}
    expected = 1 if "fault" in levels else 3 if "warning" in levels else 0
    assert done.returncode == expected, (done.returncode, levels)
    return {finding["code"]: finding for finding in answer["findings"]}


def test_beside_a_server_that_runs(make_gateway):
    server = make_gateway()
    with server:
        found = examine(server)
        for code in ("file.configuration", "file.data", "file.root-key", "server.running", "audit.chain"):
            assert found[code]["level"] == "ok", found[code]
        assert found["backup.age"]["level"] == found["store.slots"]["level"] == "warning"
        server.command("backup", "create")
        server.command("store", "slots", "add", "--recovery")
        found = examine(server)
        assert found["backup.age"]["level"] == found["store.slots"]["level"] == "ok"
        text = server.command("doctor", check=False, timeout=120).stdout
        assert "server.running" in text and str(server.root_key.read_text().strip()) not in text
    assert examine(server)["server.running"]["level"] == "note"


def test_files_that_others_may_read(make_gateway):
    server = make_gateway()
    with server:
        server.root_key.chmod(0o644)
        (server.data / "control.db").chmod(0o664)
        found = examine(server)
        assert found["file.root-key"]["level"] == "fault" and "chmod" in found["file.root-key"]["mend"]
        assert found["file.data"]["level"] == "warning" and "control.db" in found["file.data"]["reason"]
        server.root_key.chmod(0o600)


def test_an_audit_log_that_was_changed(make_gateway):
    server = make_gateway()
    with server:
        server.create_key("one")
    segment = max((server.data / "audit").glob("*.log"), key=lambda path: path.stat().st_size)
    content = bytearray(segment.read_bytes())
    place = next(index for index in range(600, len(content)) if content[index])
    content[place] ^= 1
    segment.write_bytes(content)
    found = examine(server)
    assert found["audit.chain"]["level"] == "fault", found["audit.chain"]


@pytest.mark.parametrize("days, level", [(-1, "fault"), (5, "warning"), (90, "ok")])
def test_the_end_of_a_certificate(make_gateway, tmp_path, days, level):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(7)
    made = made.not_valid_before(now - datetime.timedelta(days=9))
    certificate = made.not_valid_after(now + datetime.timedelta(days=days, hours=1)).sign(key, hashes.SHA256())
    (tmp_path / "c.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "k.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    (tmp_path / "k.pem").chmod(0o600)
    server = make_gateway()
    server.tables["http"]["tls"] = {"certificate": str(tmp_path / "c.pem"), "key": str(tmp_path / "k.pem")}
    server.write()
    assert examine(server)["tls.expiry"]["level"] == level


def test_without_a_configuration_that_can_be_read_the_host_is_looked_at(make_gateway):
    server = make_gateway()
    server.write()
    server.file.write_text("mode = 7\n")
    found = examine(server)
    assert found["file.configuration"]["level"] == "fault" and "host.kernel" in found
