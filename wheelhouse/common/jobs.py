"""How many compiles may run at once."""

from __future__ import annotations

import os

from wheelhouse.common.errors import WheelhouseError

VARIABLE = "WHEELHOUSE_JOBS"

JOB_BYTES = 1_000_000_000
"""`invoke bench` measures 1.0 GB for two jobs and all around them; twice that leaves room."""


def jobs(processors: int, free_bytes: int) -> int:
    """The number that ``WHEELHOUSE_JOBS`` gives, or what fits so many processors and such memory.

    Raises WheelhouseError if the variable holds no positive number.
    """
    named = os.environ.get(VARIABLE)
    if not named:
        return max(1, min(processors, free_bytes // JOB_BYTES))
    if not named.isdecimal() or int(named) == 0:
        raise WheelhouseError(
            f"{VARIABLE} is {named}, which is no number of jobs.", "Set it to 1 or more."
        )
    return int(named)
