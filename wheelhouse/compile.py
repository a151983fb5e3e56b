"""Run a ninja build: progress, a log, and the first compiler error when it fails."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Mapping
from pathlib import Path

import psutil

from wheelhouse import console
from wheelhouse.engines import host
from wheelhouse.errors import WheelhouseError
from wheelhouse.toolchain import NINJA

# Measured: the largest compile, XNNPACK's delegate, peaks at 0.9 GB.
JOB_BYTES = 1_200_000_000

_STEP = re.compile(r"\[(\d+)/(\d+)\] ")
_ERROR = re.compile(r"(^|\s)(fatal )?error: ")
_FULL = re.compile("No space left on device|NoSpaceLeft")  # as the C library and as zig says it


def jobs(cores: int, free_bytes: int) -> int:
    """How many compiles may run at once on so many cores and so much free memory."""
    return max(1, min(cores, free_bytes // JOB_BYTES))


def ninja(folder: Path, label: str, log: Path, env: Mapping[str, str]) -> None:
    """Build all of ``folder/build.ninja``, appending to ``log``.

    Raises WheelhouseError with the first compiler error, and OSError if the disk is full. What was
    compiled stays, so that the next run goes on from there.
    """
    count = jobs(len(os.sched_getaffinity(0)), psutil.virtual_memory().available)
    first_error = ""
    full = False
    with console.steps(label) as bar:

        def line(text: str) -> None:
            nonlocal first_error, full
            full = full or bool(_FULL.search(text))
            if step := _STEP.match(text):
                bar.update(int(step[1]), int(step[2]))
            elif not first_error and _ERROR.search(text):
                first_error = text.strip()

        status = host.stream(
            [NINJA, "-C", folder, "-j", str(count)],
            cwd=folder,
            log=log,
            env={**env, "NINJA_STATUS": "[%f/%t] "},
            line=line,
        )
    if status and full:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if status:
        raise failure(label, log, first_error)


def failure(label: str, log: Path, first_error: str) -> WheelhouseError:
    """The error for a failed build step."""
    quoted = f": {first_error}" if first_error else "."
    return WheelhouseError(
        f"{label} failed{quoted}",
        f"The whole log is {log}; mend the cause and run the same command again, it goes on from "
        "there.",
    )
