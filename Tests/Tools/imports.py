#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The direction of imports, checked against Package.swift.

* What a target imports, it depends on: in Package.swift, by name, not by way of another target.
* No module depends on another module; only Appliance and tests see two at once.
* Foundation is nowhere in Sources, and neither is anything that brings it.
* A type with members that others inline says so: in a `package` type that is not `@usableFromInline` the compiler takes
  `@inlinable` for nothing, without a word.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Rooms below the modules; every other target in Sources/Modules is a module.
GROUND = {
    "CLinux",
    "CSQLite",
    "COpenSSL",
    "CSeccomp",
    "Platform",
    "Bytes",
    "JSON",
    "TOML",
    "Arguments",
    "Crypto",
    "SQLite",
    "Log",
    "EventLoop",
    "TLS",
    "HTTP",
    "Configuration",
    "Core",
}
TOOLCHAIN = {"Swift", "Glibc", "Synchronization", "Testing", "_Builtin_intrinsics", "PackageDescription"}
FORBIDDEN = {"Foundation", "FoundationEssentials", "FoundationNetworking", "Dispatch", "XCTest"}
IMPORT = re.compile(
    r"^\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:(?:public|package|internal|fileprivate|private)\s+)?import\s+"
    r"(?:(?:struct|class|enum|protocol|func|var|let|typealias|actor)\s+)?(\w+)"
)


def imports(file: Path) -> list[tuple[int, str]]:
    """Line numbers and names. Text inside multi-line strings and block comments is not code."""
    found, quoted, commented = [], False, False
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if line.count('"""') % 2:
            quoted = not quoted
            continue
        commented = (commented or "/*" in line) and "*/" not in line
        if not quoted and not commented and (match := IMPORT.match(line)):
            found.append((number, match[1]))
    return found


TYPE = re.compile(r"^(?P<before>.*?)\b(?:struct|class|enum|extension|protocol|actor)\s+(?P<name>\w+)")


def not_inlined(file: Path) -> list[tuple[int, str]]:
    """Types of a file, by the line of their first `@inlinable` member, whose members nobody can inline."""
    found, current = [], ""
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if not line.startswith((" ", "/")) and (match := TYPE.match(line)):
            is_lost = "package" in match["before"] and "@usableFromInline" not in match["before"]
            current = match["name"] if is_lost else ""
        elif current and "@inlinable" in line:
            found.append((number, current))
            current = ""
    return found


def judge(targets: dict[str, dict], root: Path) -> tuple[list[str], str]:
    """Every fault, and a summary, of the targets that `swift package dump-package` tells of."""
    needs = {
        name: {next(iter(dependency.values()))[0] for dependency in target["dependencies"]}
        for name, target in targets.items()
    }
    modules = {
        name
        for name, target in targets.items()
        if (target["path"] or "").startswith("Sources/Modules/") and name not in GROUND
    }
    faults, files = [], 0
    for name in modules:
        faults += [
            f"Package.swift: error: module {name} depends on module {other}" for other in sorted(needs[name] & modules)
        ]
    for name in GROUND & set(targets):
        faults += [
            f"Package.swift: error: {name} is below the modules and depends on {other}"
            for other in sorted(needs[name] & modules)
        ]
    for name, target in sorted(targets.items()):
        if target["type"] == "system":
            continue
        in_sources = target["path"].startswith("Sources/")
        used = set()
        for file in sorted((root / target["path"]).rglob("*.swift")):
            files += 1
            faults += [
                f"{file.relative_to(root)}:{number}: error: {kind} is not @usableFromInline, so this is not inlined"
                for number, kind in not_inlined(file)
            ]
            for number, imported in imports(file):
                place = f"{file.relative_to(root)}:{number}: error:"
                used.add(imported)
                if imported in FORBIDDEN and in_sources:
                    faults.append(f"{place} {imported} may not be imported in Sources")
                elif imported in targets and imported not in needs[name]:
                    faults.append(f"{place} {name} imports {imported}, which Package.swift does not let it")
                elif imported not in targets and imported not in TOOLCHAIN | FORBIDDEN:
                    faults.append(f"{place} {imported} is neither a target nor part of the toolchain")
    covered = {file for t in targets.values() if t["path"] for file in (root / t["path"]).rglob("*.swift")}
    for file in sorted((root / "Sources").rglob("*.swift")):
        if file not in covered:
            faults.append(f"{file.relative_to(root)}: error: belongs to no target")
    if files == 0 or not modules:
        faults.append("error: nothing was found to check")
    return faults, f"{files} files, {len(targets)} targets, {len(modules)} modules"


def main() -> int:
    dumped = subprocess.run(["swift", "package", "dump-package"], cwd=ROOT, check=True, capture_output=True, text=True)
    faults, summary = judge({target["name"]: target for target in json.loads(dumped.stdout)["targets"]}, ROOT)
    print("\n".join(faults) if faults else f"imports: {summary}: all one way")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
