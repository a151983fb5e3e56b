"""Run commands on this machine, in the environment of :mod:`surroundings`."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from wheelhouse.common import surroundings
from wheelhouse.common.errors import Kind, WheelhouseError

PYTHON = (sys.executable, "-I", "-m")
"""The words that run a module of the locked requirements.

Their scripts would not do: each names the Python that it was installed with by its path.
"""

_PATIENCE = 10.0
"""The seconds in which an interrupted command should end."""

_ERROR = re.compile(r"(^|\s)(fatal )?error: |^CMake Error|^E: ", re.IGNORECASE)
_PROGRESS = re.compile(r"\[\d+/\d+\] |ninja: (Entering|build stopped)")
_FAILED = "FAILED: "
_LABEL = re.compile("^(error|E): ", re.IGNORECASE)


@dataclass(frozen=True)
class Completed:
    """A command that has ended: its exit status and what it printed."""

    status: int
    stdout: str
    stderr: str


class StoppedError(Exception):
    """A command was stopped; the message is the reason."""


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> Completed:
    """Run a command to its end; ``env`` is added to the environment, ``timeout`` is in seconds.

    Raises WheelhouseError if the program cannot be started or does not end in time.
    """
    argv = [str(word) for word in command]
    try:
        with _startable(argv[0]):
            done = subprocess.run(
                argv,
                cwd=cwd,
                env={**_environment(), **(env or {})},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=timeout,
                check=False,
            )
    except subprocess.TimeoutExpired as error:
        raise WheelhouseError(
            f"{argv[0]} did not end within {timeout:.0f} s.",
            "Run the same command again on a quieter machine.",
        ) from error
    return Completed(done.returncode, done.stdout, done.stderr)


def run_watched(
    command: Sequence[str | Path], *, env: Mapping[str, str], problem: Callable[[], str]
) -> Completed:
    """Run a command to its end, or until ``problem``, called each half second, tells one.

    ``env`` is added to the environment. Raises StoppedError with the problem, and WheelhouseError
    if the program cannot be started. The programs that it started are stopped with it.
    """
    argv = [str(word) for word in command]
    with _startable(argv[0]):
        process = subprocess.Popen(
            argv,
            env={**_environment(), **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    with process:
        try:
            while True:
                with suppress(subprocess.TimeoutExpired):
                    out, err = process.communicate(timeout=0.5)
                    return Completed(process.returncode, out, err)
                if found := problem():
                    raise StoppedError(found)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()


def stream(
    command: Sequence[str | Path],
    *,
    cwd: Path,
    log: Path,
    env: Mapping[str, str] | None = None,
    line: Callable[[str], None] = lambda text: None,
) -> int:
    """Run a command, append its output to the file ``log`` and call ``line`` with each line.

    Returns the exit status. Terminates the command if interrupted. Raises WheelhouseError if the
    program cannot be started.
    """
    argv = [str(word) for word in command]
    with log.open("a", encoding="utf-8", buffering=1) as record:
        with _startable(argv[0]):
            process = subprocess.Popen(
                argv,
                cwd=cwd,
                env={**_environment(), **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
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


def show(command: Sequence[str | Path], *, cwd: Path) -> int:
    """Run a command with this process's standard streams; returns its exit status.

    If interrupted, let it end by itself, too.
    """
    argv = [str(word) for word in command]
    with _startable(argv[0]):
        process = subprocess.Popen(argv, cwd=cwd, env=_environment())
    try:
        return process.wait()
    except KeyboardInterrupt:
        _interrupt(process)
        raise


def _interrupt(process: subprocess.Popen[bytes]) -> None:
    """A terminal interrupts all its processes; where one of them was told alone, tell the other."""
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        process.wait()


class Ended(Protocol):
    """A command that has ended, on this machine or in a container."""

    @property
    def status(self) -> int:
        """Its exit status."""

    @property
    def stdout(self) -> str:
        """What it printed to standard output."""

    @property
    def stderr(self) -> str:
        """What it printed to standard error."""


def failure(
    what: str, done: Ended, log: Path, hint: str, reason: str = "", kind: Kind = Kind.OTHER
) -> WheelhouseError:
    """The error to raise for a failed command; ``what`` is as in "It could not be downloaded".

    The error quotes ``reason``, or else the first error in the command's output. All of the output
    is written to ``log``.
    """
    output = done.stdout + done.stderr
    log.write_text(output, encoding="utf-8")
    quoted = reason or failure_reason(done.status, output.splitlines())
    return WheelhouseError(f"{what}: {quoted}", f"{hint} The whole log is {log}.".lstrip(), kind)


def failure_reason(status: int, lines: Sequence[str]) -> str:
    """Why a command failed: the signal that ended it, the first error it printed, or its status."""
    if status < 0:
        return f"it was ended by {signal.Signals(-status).name}"
    return first_error(lines) or f"exit status {status}"


def first_error(lines: Sequence[str]) -> str:
    """The first line that reports an error, or else the last that is not empty; "" for none.

    A line that ends with a colon, as CMake's do, is joined with the next. The command that ninja
    repeats after ``FAILED:`` is skipped; the line ``FAILED:`` itself, with the status, is not.
    """
    last = ""
    for text, before in zip(lines, ("", *lines), strict=False):
        if before.startswith(_FAILED):
            last = before
        elif _ERROR.search(text):
            return _LABEL.sub("", _sentence(text, lines[lines.index(text) + 1 :]))
        elif text.strip() and not _PROGRESS.match(text):
            last = text.strip()
    return last


def _sentence(text: str, rest: Sequence[str]) -> str:
    following = next(filter(str.strip, rest), "") if text.endswith(":") else ""
    return f"{text.strip()} {following.strip()}".strip()


def _environment() -> dict[str, str]:
    try:
        return surroundings.environment()
    except surroundings.ConfigurationError as error:
        raise WheelhouseError(
            f"pip's configuration cannot be read: {error}", "Correct that file.", Kind.MACHINE
        ) from error


@contextmanager
def _startable(program: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise WheelhouseError(
            f"The program {program} is missing.",
            "Install it and run the same command again.",
            Kind.MACHINE,
        ) from error
    except (PermissionError, NotADirectoryError) as error:
        raise WheelhouseError(
            f"The program {program} cannot be started: {error.strerror}.",
            "Correct that and run the same command again.",
            Kind.MACHINE,
        ) from error
