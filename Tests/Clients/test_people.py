# SPDX-License-Identifier: Apache-2.0
"""Rows W4 to W6: people, sessions and second factors, with PyJWT, pyotp and a QR reader as clients that we did not write."""

from __future__ import annotations

import concurrent.futures
import hashlib
import http.server
import json
import os
import re
import socket
import ssl
import threading
import time

import httpx2
import jwt
import pyotp
import pytest

from gateway import Gateway
from people import PASSWORD, Person, code, hasten, operator, redeem, user

pytestmark = pytest.mark.usefixtures("gateway")



@pytest.fixture(scope="module")
def server(tmp_path_factory, server_certificate, authority):
    made = Gateway(tmp_path_factory.mktemp("people"), server_certificate, authority.certificate)
    with hasten(made):
        yield made


@pytest.fixture(scope="module")
def ada(server):
    return user(server, "ada@example.org", "owner").login()


# Logging in.


def test_the_first_operator_comes_by_a_token_that_works_once(server):
    token = server.command("operator", "invite").stdout.strip()
    assert token.startswith("ghs_") and token not in server.logs()
    assert code(redeem(server, token)) == "invalid_parameter"  # Without an address nothing is used up.
    assert redeem(server, token, email="root@example.org").status_code == 200
    assert code(redeem(server, token, email="other@example.org")) == "invalid_login"
    person = Person(server, "root@example.org").login()
    assert person.session["role"] == "operator" and person.session["tenant"] is None
    # What the admin socket does, an operator does over HTTPS.
    tenants = person.client.get("/admin/v1/tenants")
    assert tenants.status_code == 200 and tenants.json()["data"][0]["name"] == "default"
    made = person.client.post("/admin/v1/keys", json={"name": "by a person"})
    assert made.status_code == 201
    acts = server.command("audit", "search", "--action", "keys.create", "--json").stdout
    assert person.session["user_id"] in acts
    # And nothing that is a tenant's.
    assert code(person.client.get("/v1/people")) == "insufficient_scope"


def test_unknown_and_wrong_get_one_answer(server, ada):
    answers = []
    for email, password in [(ada.email, "not the password"), ("nobody@example.org", PASSWORD), ("no address", "x")]:
        answer = Person(server, email, password).try_login()
        assert answer.status_code == 401
        error = answer.json()["error"]
        answers.append((error["code"], error["message"], error["param"]))
    assert len(set(answers)) == 1 and answers[0][0] == "invalid_login"
    assert code(ada.try_login(tenant="no-such-tenant")) == "invalid_login"


def test_guards_ask_for_the_role(server, ada):
    member = user(server, "member@example.org").login()
    assert code(member.client.get("/v1/people")) == "insufficient_scope"
    listed = ada.client.get("/v1/people").json()["data"]
    assert {person["email"]: person["role"] for person in listed}["member@example.org"] == "member"
    invited = ada.client.post("/v1/people", json={"email": "bob@example.org", "role": "admin"})
    assert invited.status_code == 201 and invited.json()["status"] == "invited"
    assert code(ada.client.post("/v1/people", json={"email": "BOB@example.org"})) == "conflict"
    assert redeem(server, invited.json()["invitation"]["token"]).status_code == 200
    bob = Person(server, "bob@example.org").login()
    # An admin makes no owner, and changes none.
    assert code(bob.client.post("/v1/people", json={"email": "c@example.org", "role": "owner"})) == "insufficient_scope"
    own = ada.session["user_id"]
    assert code(bob.client.delete(f"/v1/people/{own}")) == "insufficient_scope"
    assert code(bob.client.post(f"/v1/people/{own}/reset")) == "insufficient_scope"
    # The last owner stays one.
    assert code(ada.client.patch(f"/v1/people/{own}", json={"role": "member"})) == "conflict"
    # Another role is in force at once: the sessions of the old one end.
    changed = ada.client.patch(f"/v1/people/{bob.session['user_id']}", json={"role": "member"})
    assert changed.json()["role"] == "member"
    assert code(bob.client.get("/v1/people")) == "invalid_session"
    assert code(bob.login().client.get("/v1/people")) == "insufficient_scope"
    assert ada.client.delete(f"/v1/people/{bob.session['user_id']}").json()["deleted"] is True
    assert code(bob.client.get("/auth/session")) == "invalid_session"
    assert code(bob.try_login()) == "invalid_login"


# Sessions.


def test_pyjwt_reads_the_token_with_the_published_key(server, ada):
    token = ada.session["access_token"]
    keys = ada.client.get("/.well-known/jwks.json").json()
    head = jwt.get_unverified_header(token)
    assert head["alg"] == "EdDSA" and head["typ"] == "at+jwt"
    key = jwt.PyJWKSet.from_dict(keys)[head["kid"]]
    claims = jwt.decode(token, key, algorithms=["EdDSA"], audience="gatehouse", issuer="https://127.0.0.1")
    assert claims["sub"] == ada.session["user_id"] and claims["sid"] == ada.session["id"]
    assert 60 <= claims["exp"] - claims["iat"] <= 3600


def test_each_refresh_token_works_once_and_a_stolen_one_ends_the_session(server):
    person = user(server, "refresh@example.org").login()
    old = person.session["refresh_token"]
    first = person.refresh()
    assert first.status_code == 200 and first.json()["refresh_token"] != old
    # A race, or an answer that got lost: the same token again, at once, gets what the first got.
    again = person.refresh(old)
    assert again.status_code == 200 and again.json()["refresh_token"] == first.json()["refresh_token"]
    person.take(person.refresh(first.json()["refresh_token"]).json())
    assert person.client.get("/auth/session").status_code == 200
    # Two steps back is no race: somebody has a copy.
    assert code(person.refresh(old)) == "invalid_session"
    assert code(person.client.get("/auth/session")) == "invalid_session"
    assert code(person.refresh()) == "invalid_session"


def test_two_refreshes_in_a_race_leave_the_person_logged_in(server):
    person = user(server, "race@example.org").login()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: person.refresh(), range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    person.take(answers[0].json())
    assert person.refresh().status_code == 200


def test_a_made_up_refresh_token_ends_nobodys_session(server):
    person = user(server, "made-up@example.org").login()
    parts = person.session["refresh_token"].split("_", 3)
    for forged in ["_".join(parts[:2] + ["0", "A" * 43]), "_".join(parts[:2] + ["7", parts[3]]), "ghr_x", "x" * 200]:
        assert code(person.refresh(forged)) == "invalid_session"
    assert person.client.get("/auth/session").status_code == 200


def test_logging_out_and_ending_others_is_in_force_at_once(server):
    here, there = user(server, "two@example.org").login(), Person(server, "two@example.org").login()
    listed = here.client.get("/auth/sessions").json()["data"]
    assert [entry["current"] for entry in listed] == [True, False]
    assert here.client.delete(f"/auth/sessions/{there.session['id']}").status_code == 200
    assert code(there.client.get("/auth/session")) == "invalid_session"
    assert code(there.refresh()) == "invalid_session"
    assert here.client.post("/auth/logout").status_code == 200
    assert code(here.client.get("/auth/session")) == "invalid_session"


def test_a_changed_password_ends_every_session(server):
    here, there = user(server, "change@example.org").login(), Person(server, "change@example.org").login()
    new = "eight green herons wait"
    wrong = here.client.post("/auth/password", json={"password": "not it at all", "new_password": new})
    assert code(wrong) == "invalid_login"
    answer = here.client.post("/auth/password", json={"password": PASSWORD, "new_password": new})
    assert answer.status_code == 200
    for old in (here, there):
        assert code(old.client.get("/auth/session")) == "invalid_session"
    here.take(answer.json())
    assert here.client.get("/auth/session").status_code == 200
    assert code(Person(server, "change@example.org").try_login()) == "invalid_login"
    assert Person(server, "change@example.org", new).try_login().status_code == 200


def test_sessions_outlive_the_server(server):
    person = user(server, "restart@example.org").login()
    server.stop()
    server.start()
    assert person.client.get("/auth/session").status_code == 200
    assert person.refresh().status_code == 200


# Cookies.


def test_cookies_are_for_the_host_alone_and_need_a_proof(server):
    person = user(server, "cookie@example.org")
    answer = person.try_login(cookies=True)
    assert "access_token" not in answer.json() and "refresh_token" not in answer.json()
    lines = answer.headers.get_list("set-cookie")
    assert len(lines) == 2
    for line in lines:
        assert line.startswith("__Host-gatehouse")
        for word in ("Secure", "HttpOnly", "SameSite=Strict", "Path=/"):
            assert f"; {word}" in line
        assert "Domain" not in line
    proof = {"x-csrf-token": answer.json()["csrf_token"]}
    browser = person.client
    assert browser.get("/auth/session").json()["csrf_token"] == proof["x-csrf-token"]
    for headers in ({}, {"x-csrf-token": "x"}, {**proof, "sec-fetch-site": "cross-site"}, {**proof, "sec-fetch-site": "same-site"}):
        assert code(browser.delete("/auth/sessions", headers=headers)) == "csrf", headers
    assert browser.delete("/auth/sessions", headers=proof).status_code == 200
    assert code(browser.post("/auth/refresh", json={})) == "csrf"
    fresh = browser.post("/auth/refresh", json={}, headers=proof)
    assert fresh.status_code == 200 and len(fresh.headers.get_list("set-cookie")) == 2
    assert browser.post("/auth/logout", headers=proof).status_code == 200
    assert browser.get("/auth/session").status_code == 401


# Passwords.


@pytest.mark.parametrize("password", ["P@ssw0rd", "Passw0rd!23", "TRUSTNO1", "qwertyuiop", "1q2w3e4r5t", "iloveyou2"])
def test_what_everybody_has_is_refused_without_a_network(server, password):
    out = server.command("operator", "invite").stdout.strip()
    answer = redeem(server, out, password, email=f"weak-{len(password)}@example.org")
    assert (answer.status_code, code(answer)) == (422, "leaked_password")


@pytest.mark.parametrize("password", ["short tea", "aaaaaaaaaaaaaaaa", "x" * 1025])
def test_what_is_short_is_refused(server, password):
    out = server.command("operator", "invite").stdout.strip()
    answer = redeem(server, out, password, email="short@example.org")
    assert (answer.status_code, code(answer)) == (400, "invalid_parameter")


class Ranges(http.server.BaseHTTPRequestHandler):
    """A service of leaked passwords that knows one, pads, and remembers what it was asked."""

    known = "nine purple foxes swim"
    asked: list[tuple[str, str | None]] = []

    def do_GET(self):
        Ranges.asked.append((self.path, self.headers.get("add-padding")))
        digest = hashlib.sha1(self.known.encode()).hexdigest().upper()
        lines = [f"{'0' * 34}{n}:0" for n in range(10)]
        unknown = hashlib.sha1(PASSWORD.encode()).hexdigest().upper()
        lines.append(f"{unknown[5:]}:0")  # Padding, if it is asked for.
        if self.path.endswith(digest[:5]):
            lines.append(f"{digest[5:]}:42")
        body = "\r\n".join(lines).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_a_range_service_is_told_five_characters_and_may_be_away(make_gateway):
    service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ranges)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{service.server_address[1]}/range"
    with hasten(make_gateway({"auth": {"leaked_passwords": base}})) as server:
        token = server.command("operator", "invite").stdout.strip()
        assert code(redeem(server, token, Ranges.known, email="a@example.org")) == "leaked_password"
        assert redeem(server, token, email="a@example.org").status_code == 200
        prefixes = [hashlib.sha1(word.encode()).hexdigest().upper()[:5] for word in (Ranges.known, PASSWORD)]
        assert Ranges.asked == [(f"/range/{prefix}", "true") for prefix in prefixes]
        service.shutdown()
        service.server_close()
        token = server.command("operator", "invite").stdout.strip()
        assert code(redeem(server, token, "P@ssw0rd", email="b@example.org")) == "leaked_password"
        assert redeem(server, token, Ranges.known, email="b@example.org").status_code == 200
        server.wait_for_log("leaked passwords")


# Second factors.


def enroll(person: Person) -> tuple[pyotp.TOTP, list[str]]:
    offered = person.client.post("/auth/totp/enroll", json={"password": person.password}).json()
    totp = pyotp.parse_uri(offered["uri"])
    assert totp.secret == offered["secret"] and totp.name == person.email
    confirmed = person.client.post("/auth/totp/confirm", json={"totp": totp.now()})
    assert confirmed.status_code == 200, confirmed.text
    return totp, confirmed.json()["recovery_codes"]


def next_code(totp: pyotp.TOTP) -> str:
    """The code of the step behind the present one, which is taken already and unused yet."""
    return totp.at(time.time() + 30)


def picture(svg: str) -> str | None:
    """What a reader of QR codes sees."""
    zxingcpp = pytest.importorskip("zxingcpp")
    side = int(re.search(r'viewBox="0 0 (\d+)', svg)[1])
    scale = 4
    pixels = bytearray(b"\xff" * (side * scale) ** 2)
    for x, y, width in re.findall(r"M(\d+),(\d+)h(\d+)v1", svg):
        for row in range(int(y) * scale, int(y) * scale + scale):
            start = row * side * scale + int(x) * scale
            pixels[start : start + int(width) * scale] = bytes(int(width) * scale)
    view = memoryview(bytes(pixels)).cast("B", shape=[side * scale, side * scale])
    found = zxingcpp.read_barcodes(view)
    return found[0].text if found else None


def test_a_second_factor_by_pyotp_from_enrolment_to_recovery(server):
    person, other = user(server, "totp@example.org").login(), Person(server, "totp@example.org").login()
    offered = person.client.post("/auth/totp/enroll", json={"password": PASSWORD}).json()
    assert picture(offered["qr_svg"]) == offered["uri"]
    # Nothing is asked for until it is confirmed.
    assert Person(server, person.email).try_login().status_code == 200
    totp, codes = enroll(person)
    # Whoever was in without it is out; who confirmed it is not.
    assert code(other.client.get("/auth/session")) == "invalid_session"
    assert person.client.get("/auth/session").json()["user"]["totp"] is True
    assert code(person.try_login()) == "totp_required"
    assert code(person.try_login(totp="000000")) == "invalid_login"
    fresh = next_code(totp)
    assert person.try_login(totp=fresh).status_code == 200
    assert code(person.try_login(totp=fresh)) == "invalid_login"  # Once.
    assert code(person.try_login(password="wrong wrong wrong", totp=fresh)) == "invalid_login"
    assert len(set(codes)) == 10
    assert person.try_login(recovery_code=codes[0].lower()).status_code == 200
    assert code(person.try_login(recovery_code=codes[0])) == "invalid_login"
    gone = person.client.post("/auth/totp/disable", json={"password": PASSWORD, "recovery_code": codes[1]})
    assert gone.status_code == 200
    assert person.try_login().status_code == 200


def test_of_twenty_with_one_code_one_is_let_in(server):
    person = user(server, "twenty@example.org").login()
    totp, codes = enroll(person)
    for proof in ({"totp": next_code(totp)}, {"recovery_code": codes[3]}):
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            people = [Person(server, person.email, address=f"127.0.7.{place + 1}") for place in range(20)]
            answers = list(pool.map(lambda each: each.try_login(**proof), people))
        assert sorted(answer.status_code for answer in answers)[0] == 200
        assert sum(answer.status_code == 200 for answer in answers) == 1
        # The others: wrong, locked, or asked to come again.
        assert {code(answer) for answer in answers} <= {None, "invalid_login", "locked", "concurrency_exceeded"}


def test_wrong_codes_lock_the_codes_and_not_the_recovery_codes(server):
    person = user(server, "locked@example.org").login()
    totp, codes = enroll(person)
    seen = [code(Person(server, person.email, address=f"127.0.8.{n}").try_login(totp="000000")) for n in range(1, 8)]
    assert seen == ["invalid_login"] * 5 + ["locked"] * 2
    elsewhere = Person(server, person.email, address="127.0.8.99")
    assert code(elsewhere.try_login(totp=next_code(totp))) == "locked"
    assert elsewhere.try_login(recovery_code=codes[0]).status_code == 200


def test_a_role_that_needs_a_second_factor_can_do_nothing_else_first(make_gateway):
    with hasten(make_gateway({"auth": {"require_totp": ["operator"]}})) as server:
        person = operator(server)
        assert person.session["must_enroll_totp"] is True
        assert code(person.client.get("/admin/v1/tenants")) == "totp_required"
        enroll(person)
        assert person.client.get("/admin/v1/tenants").status_code == 200
        gone = person.client.post(
            "/auth/totp/disable", json={"password": PASSWORD, "totp": "000000", "recovery_code": None}
        )
        assert code(gone) in ("invalid_login", "totp_required")


# Guessing.


def test_guessing_is_stopped_where_it_is_done_and_the_owner_gets_in_elsewhere(server):
    person = user(server, "victim@example.org")
    thief = Person(server, person.email, "wrong wrong wrong", address="127.0.9.1")
    seen = [thief.try_login() for _ in range(7)]
    assert [code(answer) for answer in seen] == ["invalid_login"] * 5 + ["rate_limit_exceeded"] * 2
    assert int(seen[-1].headers["retry-after"]) > 0
    # Also with the right password, from there; and from elsewhere the owner is let in.
    assert code(Person(server, person.email, address="127.0.9.1").try_login()) == "rate_limit_exceeded"
    assert Person(server, person.email, address="127.0.9.2").try_login().status_code == 200


def memory(server: Gateway) -> tuple[int, int]:
    """What the process has now and had at most, in MiB."""
    text = (server.descriptors("status")).read_text()
    return tuple(int(re.search(rf"{name}:\s+(\d+) kB", text)[1]) // 1024 for name in ("VmRSS", "VmHWM"))


def policies(server: Gateway, name: str) -> set[int]:
    """The scheduling policies of the threads of this name (sched(7))."""
    tasks = [task for task in server.descriptors("task").iterdir() if (task / "comm").read_text().startswith(name)]
    return {os.sched_getscheduler(int(task.name)) for task in tasks}


@pytest.mark.timeout(600)  # On a busy machine the few that are hashed, at low priority, take their time.
def test_five_hundred_logins_at_once_stay_within_the_hashers_memory(make_gateway):
    """One is hashed, a few wait, the others are told to come again; the gateway goes on meanwhile. At the real cost."""
    with make_gateway() as server:
        key = server.create_key().key
        before, _ = memory(server)
        wires = [connection(server, f"127.1.{n // 250}.{n % 250 + 1}") for n in range(500)]
        for number, wire in enumerate(wires):
            body = json.dumps({"email": f"nobody{number}@example.org", "password": PASSWORD}).encode()
            head = f"POST /auth/login HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\nconnection: close\r\n"
            wire.sendall(f"{head}content-type: application/json\r\n\r\n".encode() + body)
        others, end = [], time.monotonic() + 1
        with httpx2.Client(base_url=server.base, verify=server.trust, timeout=30) as client:
            while time.monotonic() < end:
                others.append(client.get("/v1/models", headers={"authorization": f"Bearer {key}"}).status_code)
        answers = [b"".join(iter(lambda wire=wire: wire.recv(65536), b"")) for wire in wires]
        codes = [json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] for answer in answers]
        assert set(codes) == {"invalid_login", "concurrency_exceeded"}
        assert all(b"\r\nretry-after:" in text for text, code in zip(answers, codes) if code != "invalid_login")
        assert codes.count("concurrency_exceeded") > 400
        assert set(others) == {200}
        # Everybody else comes first.
        assert policies(server, "passwords") == {os.SCHED_IDLE} and policies(server, "loop-") == {os.SCHED_OTHER}
        # One hash at a time, and none cheaper than 128 MiB.
        assert before + 100 < memory(server)[1] < before + 128 + 96, memory(server)


def connection(server: Gateway, address: str) -> ssl.SSLSocket:
    raw = socket.create_connection(("127.0.0.1", server.port), 300, (address, 0))
    return server.trust.wrap_socket(raw, server_hostname="localhost", suppress_ragged_eofs=True)


def test_a_long_address_makes_a_large_picture_that_is_read(server):
    email = "a" * 60 + "." + "b" * 60 + "@" + "c" * 60 + ".example.org"
    person = user(server, email).login()
    offered = person.client.post("/auth/totp/enroll", json={"password": PASSWORD}).json()
    assert picture(offered["qr_svg"]) == offered["uri"]


def test_a_restore_ends_sessions_links_and_recovery_codes(make_gateway):
    """What was ended since the backup must not come back with it."""
    with hasten(make_gateway()) as server:
        person, admin = user(server, "restored@example.org").login(), operator(server)
        _, codes = enroll(person)
        link = server.command("operator", "invite").stdout.strip()
        server.command("backup", "create", timeout=60)
        person.login(recovery_code=codes[0])
        before = person.session["refresh_token"]
        server.stop()
        old = server.data.rename(server.directory / "old")
        server.command("backup", "restore", "--from", str(old / "backup"), timeout=60)
        server.start()
        assert code(person.client.get("/auth/session")) == "invalid_session"
        assert code(person.refresh(before)) == "invalid_session"
        assert code(admin.refresh()) == "invalid_session"
        assert code(person.try_login(recovery_code=codes[0])) == "invalid_login"  # Used after the backup.
        assert code(redeem(server, link, email="late@example.org")) == "invalid_login"
        admin.login()
        server.stop()
        server.start()
        # Once: who logged in since stays.
        assert admin.client.get("/auth/session").status_code == 200
