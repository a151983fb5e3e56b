"""Run commands on this machine."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wheelhouse.errors import WheelhouseError


@dataclass(frozen=True)
class Completed:
    """What a command left: its exit status and what it printed."""

    status: int
    stdout: str
    stderr: str


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> Completed:
    """Run a command to its end; ``env`` is added to the environment, ``timeout`` is in seconds.

    Raises WheelhouseError if the program is missing or the time is up.
    """
    argv = [str(word) for word in command]
    try:
        done = subprocess.run(
            argv,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as error:
        raise WheelhouseError(
            f"The program {argv[0]} is missing.", "Install it and run the same command again."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise WheelhouseError(
            f"{argv[0]} did not end within {timeout:.0f} s.",
            "Run the same command again on a quieter machine.",
        ) from error
    return Completed(done.returncode, done.stdout, done.stderr)


def stream(
    command: Sequence[str | Path],
    *,
    cwd: Path,
    log: Path,
    env: Mapping[str, str] | None = None,
    line: Callable[[str], None] = lambda text: None,
) -> int:
    """Run a command, append all its output to ``log`` and hand each line to ``line``.

    Returns the exit status. The command is ended if this function is interrupted.
    """
    with log.open("a", encoding="utf-8", buffering=1) as record:
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        assert process.stdout is not None
        try:
            for text in process.stdout:
                record.write(text)
                line(text.rstrip("\n"))
            return process.wait()
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
