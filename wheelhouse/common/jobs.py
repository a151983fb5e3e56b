"""The number of compiles that run at once."""

from __future__ import annotations

import os

from wheelhouse.common.errors import WheelhouseError

VARIABLE = "WHEELHOUSE_JOBS"

JOB_BYTES = 1_000_000_000
"""Bytes of memory to allow for each compile: twice what `invoke bench` measures.

It measures 1.0 GB for two jobs and all other processes of a build.
"""

PREPROCESSED = 4
"""How many processors of other machines one of this machine keeps busy.

It preprocesses what they compile: docs/howto/distributed-compiling.md has the figures.
"""


def jobs(processors: int, free_bytes: int, elsewhere: int = 0) -> int:
    """The value of ``WHEELHOUSE_JOBS``, or as many jobs as the processors and free memory allow.

    ``elsewhere`` is the number of other machines' processors that take jobs. Raises
    WheelhouseError if the variable is no positive integer.
    """
    named = os.environ.get(VARIABLE)
    if not named:
        here = max(1, min(processors, free_bytes // JOB_BYTES))
        return here + min(elsewhere, PREPROCESSED * here)
    if not named.isdecimal() or int(named) == 0:
        raise WheelhouseError(
            f"{VARIABLE} is {named}, which is not a number of jobs.", "Set it to 1 or more."
        )
    return int(named)
