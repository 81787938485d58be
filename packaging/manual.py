#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""manual.py FILE VERSION: gatehouse.toml(5) from etc/gatehouse.toml, which explains every key where it stands."""

import re
import sys

RULE = re.compile(r"^# -{20,} \[(.+)\]$")
KEY = re.compile(r"^(# ?)?([a-z_]+ = .+|\[\[?[a-z.]+\]\]?)$")


def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq")
    return "\\&" + text if text[:1] in (".", "'") else text


def paragraphs(lines):
    """Comment lines as paragraphs; what is indented stands as it is."""
    result, text = [], []

    def flush():
        if text:
            result.append((False, " ".join(text)))
            text.clear()

    for line in lines:
        if not line.strip():
            flush()
        elif line.startswith("    "):
            flush()
            result.append((True, line.strip()))
        else:
            text.append(line.strip())
    flush()
    return result


def write(out, lines):
    for verbatim, text in paragraphs(lines):
        out += [".PP", ".RS", ".nf", roff(text), ".fi", ".RE"] if verbatim else [".PP", roff(text)]


def manual(source, version):
    out = [
        '.\\" SPDX-License-Identifier: Apache-2.0',
        f'.TH GATEHOUSE.TOML 5 "" "gatehouse {version}" "File Formats"',
        ".SH NAME",
        "gatehouse.toml \\- configuration of gatehouse",
        ".SH DESCRIPTION",
    ]
    comment, keys, section = [], [], None

    def flush():
        """Keys that stand together, with what is said above the first of them; or a text of its own."""
        if not keys:
            write(out, comment)
        for index, key in enumerate(keys):
            out.extend([".TQ" if index else ".TP", f".B {roff(key)}"])
        for index, (verbatim, text) in enumerate(paragraphs(comment) if keys else []):
            if index:
                out.append(".IP")
            out.extend([".nf", roff(text), ".fi"] if verbatim else [roff(text)])
        comment.clear()
        keys.clear()

    for line in source.splitlines():
        rule, key = RULE.match(line), KEY.match(line)
        if rule or not line.strip():
            flush()
        if rule:
            section = rule[1]
            out.append(f'.SH "[{roff(section)}]"')
        elif key:
            if key[2] != f"[{section}]":
                keys.append(key[2])
        elif line.startswith("#"):
            if keys:
                flush()
            comment.append(line[2:] if line.startswith("# ") else line[1:])
    flush()
    out += [
        ".SH FILES",
        "/usr/share/gatehouse/gatehouse.toml is this page as a file: every key at its default.",
        ".SH SEE ALSO",
        ".BR gatehouse (1)",
    ]
    return "\n".join(out) + "\n"


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        sys.stdout.write(manual(file.read(), sys.argv[2]))
