# SPDX-License-Identifier: Apache-2.0
"""What the program says of itself to shells and to man(1), read by bash, zsh, fish and groff."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import ROOT, binary

sys.path.insert(0, str(ROOT / "packaging"))
import manual as manual_of_keys  # noqa: E402  (packaging/manual.py)

SHELLS = ["bash", "zsh", "fish"]


def gatehouse(*arguments: str) -> str:
    return subprocess.run(
        [str(binary()), *arguments], capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"]}
    ).stdout


def commands() -> dict[str, set[str]]:
    """Every command and its options, as the help tells them."""
    listed = gatehouse("--help").split("commands:\n")[1].split("\n\n")[0]
    names = [re.split(r"\s{2,}", line.strip())[0] for line in listed.splitlines() if re.match(r"  \S", line)]
    assert len(names) > 30 and "key create" in names and "serve" in names
    return {name: set(re.findall(r"^\s+(?:-\w, )?(--[a-z-]+)", gatehouse(*name.split(), "--help"), re.M)) for name in names}


@pytest.fixture(scope="module")
def table() -> dict[str, set[str]]:
    return commands()


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("completion")
    made = {}
    for shell in SHELLS:
        made[shell] = folder / shell
        made[shell].write_text(gatehouse("completion", shell))
    return made


def shell(name: str, *arguments: str) -> str:
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    done = subprocess.run([name, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout


def bash(script: Path, *words: str) -> list[str]:
    line = " ".join(f"'{word}'" for word in words)
    text = f"source {script}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _gatehouse; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    return shell("bash", "--norc", "-c", text).split()


def fish(script: Path, line: str) -> list[str]:
    out = shell("fish", "--no-config", "-c", f"source {script}; complete -C '{line}'")
    return [row.split("\t")[0] for row in out.splitlines()]


@pytest.mark.parametrize("name, check", [("bash", ["-n"]), ("zsh", ["-n"]), ("fish", ["--no-execute"])])
def test_the_scripts_are_ones(scripts: dict[str, Path], name: str, check: list[str]) -> None:
    shell(name, *check, str(scripts[name]))


def test_zsh_takes_the_script_for_a_completion(scripts: dict[str, Path]) -> None:
    folder = scripts["zsh"].parent / "functions"
    folder.mkdir()
    shutil.copy(scripts["zsh"], folder / "_gatehouse")
    text = f"fpath=({folder} $fpath); autoload -Uz compinit && compinit -D -u && print ${{_comps[gatehouse]}}; autoload +X _gatehouse"
    assert shell("zsh", "-f", "-c", text).strip() == "_gatehouse"


def installed(scripts: dict[str, Path], name: str, place: str) -> Path:
    """A folder of data as the package leaves it, with the one script in it."""
    folder = scripts[name].parent / f"share-{name}"
    (folder / place).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(scripts[name], folder / place)
    return folder


def test_bash_loads_it_by_itself_from_where_the_package_puts_it(scripts: dict[str, Path]) -> None:
    loader = Path("/usr/share/bash-completion/bash_completion")
    if not loader.exists():
        pytest.skip("bash-completion is not installed")
    folder = installed(scripts, "bash", "bash-completion/completions/gatehouse")
    text = f"XDG_DATA_DIRS={folder}; . {loader}; _completion_loader gatehouse || [ $? = 124 ]; complete -p gatehouse"
    assert shell("bash", "--norc", "-c", text).strip() == "complete -F _gatehouse gatehouse"


def test_fish_loads_it_by_itself_from_where_the_package_puts_it(scripts: dict[str, Path]) -> None:
    folder = installed(scripts, "fish", "fish/vendor_completions.d/gatehouse.fish")
    # Fish completes what it can find.
    (folder / "gatehouse").symlink_to(binary())
    text = f"set PATH {folder} $PATH; complete -C 'gatehouse store rot'"
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    done = subprocess.run(
        ["fish", "-c", text],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "XDG_DATA_DIRS": str(folder), "HOME": str(folder), "XDG_CONFIG_HOME": str(folder)},
    )
    assert done.stdout.split("\t")[0].strip() == "rotate", done.stdout + done.stderr


def test_every_command_and_option_is_completed(scripts: dict[str, Path], table: dict[str, set[str]]) -> None:
    zsh = scripts["zsh"].read_text()
    for name, options in table.items():
        *noun, last = name.split()
        assert last in bash(scripts["bash"], "gatehouse", *noun, ""), name
        assert options <= set(bash(scripts["bash"], "gatehouse", *name.split(), "--")), name
        found = re.search(rf"^    '{re.escape(name)}'\*\) next=\((.*)\); _describe -o", zsh, re.M)
        assert found and options <= set(re.findall(r"'(--[a-z-]+):", found[1])), name


def test_fish_completes_what_the_table_says(scripts: dict[str, Path], table: dict[str, set[str]]) -> None:
    nouns = {name.split()[0] for name in table}
    assert nouns <= set(fish(scripts["fish"], "gatehouse "))
    for name in ["key create", "usage", "store rotate", "serve"]:
        assert table[name] <= set(fish(scripts["fish"], f"gatehouse {name} --")), name


def test_the_words_before_decide(scripts: dict[str, Path]) -> None:
    # What an option is followed by is no command.
    assert bash(scripts["bash"], "gatehouse", "--config", "key", "aud") == ["audit"]
    assert set(bash(scripts["bash"], "gatehouse", "setup", "--provider", "")) == {"openai", "anthropic", "builtin"}
    assert set(fish(scripts["fish"], "gatehouse setup --provider ")) == {"openai", "anthropic", "builtin"}


def test_an_unknown_shell_is_refused() -> None:
    done = subprocess.run([str(binary()), "completion", "tcsh"], capture_output=True, text=True)
    assert done.returncode == 2 and "bash, zsh, fish" in done.stderr


def rendered(page: str) -> str:
    """The page as man shows it; groff says nothing against it."""
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed")
    done = subprocess.run(
        ["groff", "-man", "-ww", "-Tutf8", "-P-c", "-P-b", "-P-u", "-rLL=100n"],
        input=page.replace("…", "..."),
        capture_output=True,
        text=True,
        env={**os.environ, "GROFF_ENCODING": "utf8"},
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout


def test_the_manual_page_tells_every_command_and_option(table: dict[str, set[str]]) -> None:
    page = rendered(gatehouse("manual"))
    sections = re.split(r"^   (\S.*)$", page, flags=re.M)
    told = dict(zip(sections[1::2], sections[2::2]))
    for name, options in table.items():
        assert name in told, name
        for option in options - {"--config", "--help"}:
            assert option in told[name].replace("‐\n", "-"), (name, option)


@pytest.mark.parametrize("page", ["gatehouse.1", "gatehouse.toml.5"])
def test_man_shows_the_pages_without_a_warning(page: str, tmp_path: Path) -> None:
    if shutil.which("man") is None:
        pytest.skip("man is not installed")
    text = gatehouse("manual") if page == "gatehouse.1" else manual_of_keys.manual(TOML, "0")
    (tmp_path / page).write_text(text)
    done = subprocess.run(
        ["man", "--warnings", "-l", str(tmp_path / page)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80", "MANPAGER": "cat"},
    )
    assert done.returncode == 0 and done.stderr == "" and "NAME" in done.stdout, done.stderr


TOML = (ROOT / "etc/gatehouse.toml").read_text()
# A key that a module takes from its section.
TAKEN = re.compile(
    r"\bsection\??\.take(?:Optional)?(?:Strings?|Names?|Path|Int|Bool|Duration|Size|Money|Enum|Addresses|URL|Hosts|Origins|"
    r'SecretReference)\(\s*"([a-z_]+)"'
)


def test_every_key_that_the_code_takes_is_in_the_file() -> None:
    code = "\n".join(path.read_text() for path in (ROOT / "Sources").rglob("*.swift"))
    taken = set(TAKEN.findall(code))
    assert len(taken) > 100 and {"listen", "weight", "command"} <= taken
    told = set(re.findall(r"^#?([a-z_]+) += ", TOML, re.M)) | set(re.findall(r"[{,] ([a-z_]+) = ", TOML))
    assert taken - told == set()


def unexplained(page: str) -> list[str]:
    """Keys of the page below whose names nothing is said."""
    lines = page.splitlines()
    found = []
    for number, line in enumerate(lines):
        if line.startswith(".B ") and " = " in line:
            after = next(text for text in lines[number + 1 :] if not text.startswith((".TQ", ".B ")))
            if after.startswith((".TP", ".SH", ".PP")):
                found.append(line)
    return found


def test_the_manual_page_of_the_configuration_explains_every_key() -> None:
    assert unexplained(manual_of_keys.manual(TOML, "0")) == []
    bare = "# --------------------------------- [a]\n\n[a]\n\n# Why.\nb = 1\nc = 2\n\nd = 3\n"
    assert unexplained(manual_of_keys.manual(bare, "0")) == [".B d = 3"]


def test_the_manual_page_of_the_configuration_tells_every_key() -> None:
    page = rendered(manual_of_keys.manual(TOML, "0"))
    keys = re.findall(r"^#? ?([a-z_]+) = ", TOML, re.M)
    assert len(keys) > 50
    for key in keys:
        assert re.search(rf"^ +{key} +=", page, re.M), key
    for section in re.findall(r"^\[([a-z.]+)\]$", TOML, re.M):
        assert re.search(rf"^\[{re.escape(section)}\]$", page, re.M), section
