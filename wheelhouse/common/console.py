"""Everything that the user sees: progress, notices, tables and failures.

Progress, notices and failures go to standard error; standard output has only results.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from wheelhouse.common.errors import WheelhouseError

_err = Console(stderr=True, highlight=False, soft_wrap=True)
_out = Console(highlight=False, soft_wrap=True)


class UnwritableError(Exception):
    """Standard output or standard error is closed or cannot be written."""


class _Stream:
    """A standard stream that raises UnwritableError, not the OSError that a file may raise."""

    def __init__(self, stream: Any, name: str) -> None:
        self._stream = stream
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with self._as_unwritable():
            return int(self._stream.write(text))

    def flush(self) -> None:
        with self._as_unwritable():
            self._stream.flush()

    @contextmanager
    def _as_unwritable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            # Discard what is buffered: Python would fail to flush it at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
            raise UnwritableError(f"{self._name} cannot be written: {error.strerror}.") from error


@contextmanager
def guarded_streams() -> Iterator[None]:
    """Raise UnwritableError as soon as standard output or standard error cannot be written."""
    before = sys.stdout, sys.stderr
    try:
        for name, title in (("stdout", "Standard output"), ("stderr", "Standard error")):
            if getattr(sys, name) is None:
                raise UnwritableError(f"{title} is closed.")
            setattr(sys, name, _Stream(getattr(sys, name), title))
        yield
    finally:
        guards = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = before
        for stream in guards:
            if isinstance(stream, _Stream):
                stream.flush()


def write_error(text: str) -> None:
    """Write an error to standard error without rich; do nothing if that fails too."""
    with suppress(OSError, AttributeError):
        sys.stderr.write(f"error: {text}\n")
        sys.stderr.flush()


def say(text: str) -> None:
    """Print a line about what happens now to standard error."""
    _err.print(escape(text))


def warn(text: str) -> None:
    """Print a warning to standard error; the work goes on."""
    _err.print(f"[yellow]warning:[/] {escape(text)}")


def fail(error: WheelhouseError) -> None:
    """Print a failure and what to do next to standard error."""
    _err.print(f"[bold red]error:[/] {escape(error.what)}\n[bold]next:[/] {escape(error.hint)}")
    if error.topic:
        _err.print(f"[bold]more:[/] docs/howto/troubleshooting.md#{error.topic}")


def result(text: str) -> None:
    """Print one line of a result to standard output."""
    _out.print(escape(text))


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table to standard output."""
    grid = Table(*columns, title=title, title_justify="left")
    for row in rows:
        grid.add_row(*(escape(cell) for cell in row))
    _out.print(grid)


class Bar:
    """A progress bar; only a terminal shows it."""

    def __init__(self, progress: Progress, label: str) -> None:
        self.label = label
        self.done = 0
        self._progress = progress
        self._task = progress.add_task(escape(label), total=None)

    def update(self, done: int, total: int | None = None) -> None:
        """Show ``done`` of ``total``, both in the bar's unit; ``total`` is None while unknown."""
        self.done = done
        self._progress.update(self._task, completed=done, total=total)


class _Tenths(Bar):
    """A progress bar of which each tenth is a line where standard error is no terminal."""

    _told = 0

    def update(self, done: int, total: int | None = None) -> None:
        super().update(done, total)
        tenth = done * 10 // total if total else 0
        if tenth > self._told and not _err.is_terminal:
            self._told = tenth
            say(f"{self.label}: {done} of {total}")


@contextmanager
def download(label: str) -> Iterator[Bar]:
    """Show a download's progress in bytes; a line at its end where there is no terminal."""
    with _bar(DownloadColumn(), TransferSpeedColumn()) as progress:
        bar = Bar(progress, label)
        yield bar
    if not _err.is_terminal:
        say(f"Fetched {label}, {decimal(bar.done)}")


@contextmanager
def steps(label: str) -> Iterator[Bar]:
    """Show progress in steps done of all, with the time left."""
    with _bar(MofNCompleteColumn()) as progress:
        yield _Tenths(progress, label)


def _bar(*columns: ProgressColumn) -> Progress:
    label = TextColumn("{task.description}")
    return Progress(
        label,
        BarColumn(),
        *columns,
        TimeRemainingColumn(),
        console=_err,
        disable=not _err.is_terminal,
    )
