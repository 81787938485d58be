# SPDX-License-Identifier: Apache-2.0
"""What is packed: units, users, folders, and what the program is linked to. The package itself is `make prove-deb`'s."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway import ROOT, binary

UNITS = sorted((ROOT / "etc/systemd").iterdir())

# The most that `systemd-analyze security` may find against each (0 nothing, 10 everything). The keeper makes namespaces and
# mounts in them, which is most of what counts against it.
EXPOSURE = {"gatehouse.service": 1.6, "gatehouse-sandbox@.service": 3.1}


def directives(text: str) -> list[tuple[int, str]]:
    """The lines that say something, with their numbers, of [Service] and [Socket]."""
    found, section = [], ""
    for number, line in enumerate(text.splitlines()):
        if line.startswith("["):
            section = line
        elif line and not line.startswith("#") and section in ("[Service]", "[Socket]"):
            found.append((number, line.split("=")[0]))
    return found


def unexplained(text: str) -> list[str]:
    """Directives above which, and above the ones directly before them, nothing is said."""
    lines = text.splitlines()
    found = []
    for number, name in directives(text):
        above = number - 1
        while lines[above] and not lines[above].startswith(("#", "[")):
            above -= 1
        if not lines[above].startswith("#") or number - above > 4:
            found.append(name)
    return found


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_every_directive_is_explained(unit: Path) -> None:
    text = unit.read_text()
    assert directives(text)
    assert unexplained(text) == []


def test_a_directive_without_a_word_is_found() -> None:
    assert unexplained("[Service]\nType=notify\n\n# Why.\nUser=a\n\nGroup=b\n") == ["Type", "Group"]


def exposure(unit: Path, tmp_path: Path) -> float:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    # A template is judged as one of its instances.
    copy = tmp_path / unit.name.replace("@.", "@one.")
    shutil.copy(unit, copy)
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(copy)], capture_output=True, text=True
    )
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    return float(found[1])


@pytest.mark.parametrize("name", EXPOSURE)
def test_the_units_give_away_little(name: str, tmp_path: Path) -> None:
    assert exposure(ROOT / "etc/systemd" / name, tmp_path) <= EXPOSURE[name]


@pytest.mark.parametrize("name", EXPOSURE)
def test_a_unit_that_gives_away_more_is_told(name: str, tmp_path: Path) -> None:
    open_unit = tmp_path / "open" / name
    open_unit.parent.mkdir()
    text = (ROOT / "etc/systemd" / name).read_text()
    open_unit.write_text(re.sub(r"^(CapabilityBoundingSet|NoNewPrivileges|SystemCall\w+|Protect\w+)=.*\n", "", text, flags=re.M))
    assert exposure(open_unit, tmp_path) > EXPOSURE[name]


def test_the_units_are_ones(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    for unit in UNITS:
        text = unit.read_text().replace("/usr/bin/gatehouse", "/bin/true")
        (tmp_path / unit.name).write_text(re.sub(r"^Documentation=.*\n", "", text, flags=re.M))
    for unit in UNITS:
        done = subprocess.run(
            ["systemd-analyze", "verify", "--recursive-errors=no", "--man=no", str(tmp_path / unit.name.replace("@.", "@one."))],
            capture_output=True,
            text=True,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        )
        told = [line for line in done.stderr.splitlines() if "gatehouse" in line]
        assert done.returncode == 0 and not told, (unit.name, done.stderr)


# What the package depends on, and what Swift's runtime is in a build for development.
LIBRARIES = re.compile(
    r"lib(c|m|gcc_s|stdc\+\+|ssl|crypto|sqlite3|seccomp)\.so\.\d+|ld-linux-\S+\.so\.\d+|lib(swift|Foundation|_?Testing|dispatch|BlocksRuntime)\S*\.so"
)


def test_it_is_linked_to_nothing_else() -> None:
    done = subprocess.run(["readelf", "-d", "-W", str(binary())], capture_output=True, text=True, check=True)
    needed = re.findall(r"\(NEEDED\).*\[(.+)\]", done.stdout)
    assert "libssl.so.3" in needed and "libsqlite3.so.0" in needed
    assert [name for name in needed if not LIBRARIES.fullmatch(name)] == []


def test_the_maintainer_scripts_are_ones() -> None:
    for name in ("postinst", "prerm", "postrm"):
        script = ROOT / f"packaging/debian/gatehouse.{name}"
        assert subprocess.run(["sh", "-n", str(script)]).returncode == 0
        # A failure is one of the package's, and none is passed over.
        assert "\nset -e\n" in script.read_text() and "#DEBHELPER#" in script.read_text()
