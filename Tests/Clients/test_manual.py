# SPDX-License-Identifier: Apache-2.0
"""Every command of the manual, in the order of its pages, at a server that the manual's own commands made.

What cannot be run here says why in the line that opens its block, with one of the reasons below; what needs the package is run
by its own proof, in a machine with a real systemd (`make prove-deb`)."""

import os
import re
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from gateway import ROOT, binary, free_port

sys.path.insert(0, str(ROOT / "packaging"))
import pages  # noqa: E402

REASONS = {
    "needs=package": "installs with apt and speaks to systemd",
}
PAGES = sorted(pages.MANUAL.glob("*.md"))


def fences(path):
    for kind, information, lines in pages.blocks(path.read_text()):
        if kind == "fence":
            yield information, "\n".join(lines)


def test_the_pages_in_the_program_are_those_of_the_manual():
    there = {path: path.read_text() for path in pages.PAGES.glob("ManualPages*.swift")}
    assert there == pages.pages(), "run packaging/pages.py"


def test_what_looks_like_a_tag_is_text():
    title, body = pages.rendered("# <script>x</script>\n\n`<b>` **<i>** [<u>](/docs) <img src=x>\n\n```sh\n<pre>\n```\n")
    assert "<script" not in body and "<b>" not in body and "<i>" not in body and "<img" not in body
    assert body.count("&lt;") == 7
    assert "javascript" not in pages.inline("[x](javascript:alert)").replace("[x](javascript:alert)", "")


def test_every_block_says_what_it_is():
    for page in PAGES:
        for information, _ in fences(page):
            assert information in {"sh", "sh background", "sh stopped", "toml"} or (
                information.startswith("sh ") and information[3:] in REASONS
            ), f"{page.name}: {information}"


class Reader:
    """Somebody who follows the manual, page by page, in one directory."""

    def __init__(self, directory):
        self.directory, self.port = directory, free_port()
        self.server = None
        self.variables = directory / "variables"
        self.variables.touch()
        folder = directory / "bin"
        folder.mkdir()
        (folder / "gatehouse").symlink_to(binary())
        self.environment = {"PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(directory)}

    def run(self, script, timeout=60):
        """A block as a shell runs it; what it exports is there for the next one."""
        script = script.replace("8443", str(self.port))
        whole = f"set -euo pipefail\n. {self.variables}\n{script}\nexport -p > {self.variables}\n"
        done = subprocess.run(
            ["bash", "-c", whole],
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout

    def serve(self, command):
        with open(self.directory / "output.log", "ab") as output:
            self.server = subprocess.Popen(
                ["bash", "-c", "exec " + command],
                cwd=self.directory,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        deadline = time.monotonic() + 120
        trust = ssl.create_default_context(cafile=str(self.directory / "tls/cert.pem"))
        while time.monotonic() < deadline:
            assert self.server.poll() is None, (self.directory / "output.log").read_text()
            try:
                with urllib.request.urlopen(f"https://localhost:{self.port}/readyz", timeout=2, context=trust):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        raise AssertionError("the server of the manual is not ready")

    def stop(self):
        if self.server is not None and self.server.poll() is None:
            self.server.send_signal(signal.SIGTERM)
            try:
                assert self.server.wait(20) == 0, (self.directory / "output.log").read_text()[-3000:]
            except subprocess.TimeoutExpired:
                self.server.kill()
                raise


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    reader = Reader(tmp_path_factory.mktemp("manual"))
    yield reader
    if reader.server is not None and reader.server.poll() is None:
        reader.server.kill()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_every_command_of_a_page_works(reader, page, make_gateway):
    ran = 0
    for information, block in fences(page):
        if information.startswith("sh needs="):
            continue
        if information == "toml":
            check(make_gateway, block)
        elif information == "sh background":
            reader.serve(block)
        elif information == "sh stopped":
            reader.stop()
            reader.run(block)
            reader.serve("gatehouse serve")
        else:
            reader.run(block)
        ran += 1
    assert ran or "needs=" in page.read_text(), page.name
    if page == PAGES[-1]:
        reader.stop()


def check(make_gateway, block):
    """An example of a configuration is a whole one."""
    server = make_gateway()
    server.write()
    server.file.write_text(block)
    assert server.command("check").returncode == 0


def test_links_lead_somewhere():
    names = {path.stem.split("-", 1)[1] for path in PAGES}
    for page in PAGES:
        for target in re.findall(r"\]\((/[^)]*)\)", page.read_text()):
            assert target in {"/security", "/openapi.json", "/docs"} or target.removeprefix("/docs/") in names, target
