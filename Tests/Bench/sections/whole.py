# SPDX-License-Identifier: Apache-2.0
"""A chat that is answered in one piece."""

from pairs import compare
from report import Table
from servers import Bench

ORDER = 10


def measure(bench: Bench) -> Table:
    return compare(bench, "Chat, answered whole", stream=False)
