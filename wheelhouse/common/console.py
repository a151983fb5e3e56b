"""Everything that the user sees: progress, notices, tables and failures.

Progress and notices go to standard error, so that standard output holds results alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from rich.console import Console
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
    """Standard output or standard error that takes nothing more; no user could read the rest."""


class _Stream:
    """An open standard stream whose failure is not taken for that of a file."""

    def __init__(self, stream: Any, name: str) -> None:
        self._stream = stream
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with self._told():
            return int(self._stream.write(text))

    def flush(self) -> None:
        with self._told():
            self._stream.flush()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            # What is left in the buffer goes nowhere, or Python would complain of it at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
            raise UnwritableError(f"{self._name} cannot be written: {error.strerror}.") from error


@contextmanager
def guarded_streams() -> Iterator[None]:
    """Raise UnwritableError as soon as standard output or standard error can take no more."""
    before = sys.stdout, sys.stderr
    try:
        for name, told in (("stdout", "Standard output"), ("stderr", "Standard error")):
            if getattr(sys, name) is None:
                raise UnwritableError(f"{told} is closed.")
            setattr(sys, name, _Stream(getattr(sys, name), told))
        yield
    finally:
        guards = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = before
        for stream in guards:
            if isinstance(stream, _Stream):
                stream.flush()


def write_error(text: str) -> None:
    """Tell why nothing more can be told, where that can still be read."""
    with suppress(OSError, AttributeError):
        sys.stderr.write(f"error: {text}\n")
        sys.stderr.flush()


def say(text: str) -> None:
    """Tell what happens now."""
    _err.print(escape(text))


def warn(text: str) -> None:
    """Tell what the user should know although the work goes on."""
    _err.print(f"[yellow]warning:[/] {escape(text)}")


def fail(error: WheelhouseError) -> None:
    """Show a failure and what to do next."""
    _err.print(f"[bold red]error:[/] {escape(error.what)}\n[bold]next:[/] {escape(error.hint)}")


def result(text: str) -> None:
    """Print one line of the result to standard output."""
    _out.print(escape(text))


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table to standard output."""
    grid = Table(*columns, title=title, title_justify="left")
    for row in rows:
        grid.add_row(*(escape(cell) for cell in row))
    _out.print(grid)


class Bar:
    """A running progress bar; ``update`` takes the amounts done and, once known, in all.

    Where there is no terminal to redraw, ``lines`` says each tenth on a line of its own.
    """

    def __init__(self, progress: Progress, label: str, lines: bool) -> None:
        self._progress = progress
        self._label = label
        self._lines = lines and not _err.is_terminal
        self._tenth = 0
        self._task = progress.add_task(escape(label), total=None)

    def update(self, done: int, total: int | None = None) -> None:
        """Show ``done`` of ``total``, both in the bar's own unit."""
        self._progress.update(self._task, completed=done, total=total)
        tenth = done * 10 // total if total else 0
        if self._lines and tenth > self._tenth:
            self._tenth = tenth
            say(f"{self._label}: {done} of {total}")


@contextmanager
def download(label: str) -> Iterator[Bar]:
    """Show a download's progress in bytes."""
    with _bar(DownloadColumn(), TransferSpeedColumn()) as progress:
        yield Bar(progress, label, lines=False)


@contextmanager
def steps(label: str) -> Iterator[Bar]:
    """Show a build's progress in steps done of all, with the time left."""
    with _bar(MofNCompleteColumn()) as progress:
        yield Bar(progress, label, lines=True)


def _bar(*columns: ProgressColumn) -> Progress:
    label = TextColumn("{task.description}")
    return Progress(label, BarColumn(), *columns, TimeRemainingColumn(), console=_err)
