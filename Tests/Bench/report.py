# SPDX-License-Identifier: Apache-2.0
"""Tables, verdicts, and where they are written."""

from __future__ import annotations

import dataclasses
import statistics
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
MET, WITHIN, MISSED = "met", "met within spread", "**missed**"


@dataclasses.dataclass
class Table:
    """What one section found."""

    title: str
    columns: list[str]
    rows: list[list[str]]
    note: str = ""
    data: Any = None
    """The figures behind the table, for the JSON."""
    more: list[Table] = dataclasses.field(default_factory=list)
    """Others of the same section, which stand below it."""

    def markdown(self) -> str:
        lines = ["| " + " | ".join(self.columns) + " |", "|---|" + "---:|" * (len(self.columns) - 1)]
        lines += ["| " + " | ".join(row) + " |" for row in self.rows]
        own = f"**{self.title}**\n\n" + "\n".join(lines) + (f"\n\n{self.note}" if self.note else "")
        return "\n\n".join([own, *(table.markdown() for table in self.more)])

    @property
    def missed(self) -> list[str]:
        own = [f"{self.title}: {row[0]}" for row in self.rows if any(MISSED in cell for cell in row)]
        return own + [line for table in self.more for line in table.missed]


@dataclasses.dataclass
class Spread:
    """A figure measured several times."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))

    def text(self, digits: int = 0, unit: str = "") -> str:
        return f"{self.median:,.{digits}f}{unit}"

    def ranged(self, digits: int = 2, unit: str = "×") -> str:
        return f"{self.median:.{digits}f}{unit} ({self.least:.{digits}f}–{self.most:.{digits}f})"


def at_most(spread: Spread, bar: float) -> str:
    return MET if spread.median <= bar else WITHIN if spread.least <= bar else MISSED


def at_least(spread: Spread, bar: float) -> str:
    return MET if spread.median >= bar else WITHIN if spread.most >= bar else MISSED


def percentile(histogram: dict[int, int], share: float) -> int:
    """The value below or at which this share of the samples lies."""
    left = share * sum(histogram.values())
    for value in sorted(histogram):
        left -= histogram[value]
        if left <= 0:
            return value
    return 0


def page(facts: dict[str, str], tables: list[str]) -> str:
    head = (
        f"Measured on {facts['date']} by `make bench`: {facts['processor']}, {facts['cores']} cores, {facts['system']}, "
        f"Linux {facts['kernel']}, {facts['openssl']}, {facts['nginx']}, wrk {facts['wrk']}, commit {facts['commit']}. "
        "One loop against one worker, each alone on one core; load and upstream on the other. "
        "Ranges are those of the interleaved pairs."
    )
    return "\n\n".join([head, *tables])


def write_between_markers(file: Path, text: str) -> None:
    before, begin, rest = file.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"bench: error: {file.name} has no lines {BEGIN} and {END}")
    file.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")
