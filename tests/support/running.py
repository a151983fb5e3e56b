"""Types of fixtures that run commands and tasks in other processes."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from wheelhouse.common.process import Completed
from wheelhouse.common.step import Step
from wheelhouse.common.store import Store

Cli = Callable[..., Completed]
"""Run ``invoke`` with the given words as a user does."""

Copied = Callable[[Step, Store], Path]
"""Copy what a step makes, and its seal, from the user's own cache into another one."""

Until = Callable[[Callable[[], object]], None]
"""Wait until a condition holds."""


class Task(Protocol):
    """Start Python code as a task in a new process."""

    def __call__(
        self, code: str, through: Sequence[str] = (), **env: str
    ) -> subprocess.Popen[str]: ...


def first_line(process: subprocess.Popen[str]) -> str:
    """The first line of a process's standard error."""
    assert process.stderr
    return process.stderr.readline()
