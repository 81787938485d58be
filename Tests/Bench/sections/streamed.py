# SPDX-License-Identifier: Apache-2.0
"""A chat that is answered in a stream of twenty chunks, which the upstream writes one by one."""

from pairs import compare
from report import Table
from servers import Bench

ORDER = 20


def measure(bench: Bench) -> Table:
    return compare(bench, "Chat, streamed in 20 chunks", stream=True)
