# SPDX-License-Identifier: Apache-2.0
"""Attacks of the table that a box's namespaces and its root hold, tried by a process outside of any box: they get through there, so
the table's verdicts can be both. `AttackControlTests` has those that the other layers hold.

Without a control are D04 (nothing is above a host's root), D05, D06 and D19 (they would be done to this host), D22 and E14 (nobody
gets that far on a kernel of today) and F02 (it would need a network).
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox_house import AbstractListener

TABLE = json.loads((Path(__file__).parent / "sandbox_cases.json").read_text())
CASES = {case["id"]: case for case in TABLE["cases"]}
# With what lets them through: an open file, a secret in the environment, somebody who listens, and root.
AS_ANYBODY = ["C01", "C04", "D01", "D08", "F04"]
AS_ROOT = ["D03", "E02"]


@pytest.mark.parametrize("name", AS_ANYBODY + AS_ROOT)
def test_an_attack_outside_of_a_box_gets_through(name, tmp_path):
    if name in AS_ROOT and os.getuid() != 0:
        pytest.skip("only root has what this one takes")
    code = (TABLE["prelude"] if CASES[name]["prelude"] else "") + CASES[name]["code"]
    # Of its own name: the table's may be listened at by another test.
    code = code.replace("sbx-canary", "sbx-control")
    with AbstractListener("sbx-control"), open(tmp_path / "open", "wb") as file:
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "CANARY_SECRET_TOKEN": "x"},
            pass_fds=[file.fileno()], capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert "ESCAPED" in done.stdout, done
