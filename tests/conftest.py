from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from wheelhouse.engines.host import Completed

REPO = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def repo() -> Path:
    return REPO


@pytest.fixture(scope="session")
def cli() -> Callable[..., Completed]:
    """Run ``invoke`` as a user does; ``through`` is a command to start it with."""

    def run(*words: str, through: tuple[str, ...] = (), cwd: Path = REPO, **env: str) -> Completed:
        done = subprocess.run(
            [*through, sys.executable, "-m", "invoke", *words],
            cwd=cwd,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return Completed(done.returncode, done.stdout, done.stderr)

    return run
