# SPDX-License-Identifier: Apache-2.0
"""The checks of `make check` can fail."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Tools"))
import imports  # noqa: E402
import suites  # noqa: E402


def target(name, *needs, path=None, kind="regular"):
    dependencies = [{"byName": [need, None]} for need in needs]
    return {"name": name, "type": kind, "path": path or f"Sources/Modules/{name}", "dependencies": dependencies}


def judge(tmp_path, sources, targets):
    for file, text in sources.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text)
    return imports.judge({t["name"]: t for t in targets}, tmp_path)[0]


HOUSE = [target("Bytes"), target("Log", "Bytes"), target("Guard", "Log"), target("Auth", "Log")]


@pytest.mark.parametrize(
    "text, fault",
    [
        ("import Log\n", None),
        ("package import Log\n", None),
        ('let x = """\nimport Auth\n"""\n', None),
        ("// import Auth\n", None),
        ("import Synchronization\n", None),
        ("import Auth\n", "Guard imports Auth"),
        ("import Bytes\n", "Guard imports Bytes"),  # Reachable by way of Log, and still not allowed.
        ("@preconcurrency package import Auth\n", "Guard imports Auth"),
        ("import struct Auth.Key\n", "Guard imports Auth"),
        ("import Foundation\n", "Foundation may not"),
        ("#if canImport(Foundation)\n  import Foundation\n#endif\n", "Foundation may not"),
        ("import Vapor\n", "neither a target"),
    ],
)
def test_the_direction_of_imports(tmp_path, text, fault):
    faults = judge(tmp_path, {"Sources/Modules/Guard/A.swift": text}, HOUSE)
    assert (not faults) if fault is None else (len(faults) == 1 and fault in faults[0]), faults


@pytest.mark.parametrize(
    "declaration, lost",
    [
        ("package struct A {", True),
        ("@safe package final class A: Sendable {", True),
        ("@usableFromInline package struct A {", False),
        ("extension Int {", False),
    ],
)
def test_a_type_that_hides_what_others_should_inline_is_named(tmp_path, declaration, lost):
    text = f"{declaration}\n    @inlinable package func f() {{}}\n}}\n"
    faults = judge(tmp_path, {"Sources/Modules/Guard/A.swift": text}, HOUSE)
    assert bool(faults) == lost and all("A is not @usableFromInline" in fault for fault in faults), faults


def test_a_module_that_depends_on_a_module_is_named(tmp_path):
    faults = judge(
        tmp_path, {"Sources/Modules/Guard/A.swift": ""}, [*HOUSE[:2], target("Guard", "Auth"), target("Auth")]
    )
    assert any("Guard depends on module Auth" in fault for fault in faults)


def test_a_file_of_no_target_is_named(tmp_path):
    files = {"Sources/Modules/Guard/A.swift": "", "Sources/Lost/B.swift": ""}
    assert any("belongs to no target" in fault for fault in judge(tmp_path, files, HOUSE))


def test_the_sum_of_the_suites_counts_what_failed(tmp_path):
    (tmp_path / "x.xml").write_text(
        '<testsuites><testsuite><testcase classname="s" name="a"/>'
        '<testcase classname="s" name="b"><failure message="one&#10;  is not two"/></testcase>'
        f'<testcase classname="s" name="c"><error>{"x" * 999}</error></testcase>'
        '<testcase name="d"><skipped/></testcase></testsuite></testsuites>'
    )
    told = ["s b: one is not two", "s c: " + "x" * suites.SHOWN_CHARACTERS]
    assert suites.counted(tmp_path / "x.xml") == (1, told, 1)
