"""What runs commands and tasks in processes of their own."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from typing import Protocol

from wheelhouse.common.process import Completed

Cli = Callable[..., Completed]
"""Run ``invoke`` with these words as a user does."""

Until = Callable[[Callable[[], object]], None]
"""Wait until a condition holds."""


class Task(Protocol):
    """Start Python code as a task in a process of its own."""

    def __call__(
        self, code: str, through: Sequence[str] = (), **env: str
    ) -> subprocess.Popen[str]: ...


def first_line(process: subprocess.Popen[str]) -> str:
    """What a process says first on standard error."""
    assert process.stderr
    return process.stderr.readline()
