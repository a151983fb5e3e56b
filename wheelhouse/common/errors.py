"""Failures that are reported to the user, with an exit status for each kind."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum


class Kind(IntEnum):
    """The kind of a failure; its number is the exit status of ``./inv``.

    docs/reference/exit-codes.md lists them.
    """

    OTHER = 1
    USAGE = 2
    MACHINE = 3
    FETCH = 4
    COMPILE = 5
    AUDIT = 6
    VERIFICATION = 7
    ENGINE = 8
    DISK = 9
    INDEX = 10
    INTERRUPTED = 130


class WheelhouseError(Exception):
    """A failure to report to the user.

    ``what`` says in one sentence what went wrong, ``hint`` in one or two what to do next. ``topic``
    is the anchor of a section of docs/howto/troubleshooting.md, or empty.
    """

    def __init__(self, what: str, hint: str, kind: Kind = Kind.OTHER, topic: str = "") -> None:
        super().__init__(what, hint, kind, topic)
        self.what = what
        self.hint = hint
        self.kind = kind
        self.topic = topic

    def __str__(self) -> str:
        return f"{self.what}\n{self.hint}"


def unknown(kind: str, name: str, known: Sequence[str]) -> WheelhouseError:
    """The error that nothing of a kind has a name; it tells the nearest of those known."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0)
    return WheelhouseError(
        f"There is no {kind} named {name!r}.",
        f"Did you mean {near[0]!r}? Known are: {', '.join(known)}.",
        Kind.USAGE,
    )


def require_known(word: str, words: Sequence[str], what: str, option: str) -> None:
    """Raise WheelhouseError naming the nearest of ``words`` if ``word`` is none of them.

    ``what`` says what the words name, ``option`` where the user wrote the word.
    """
    if word not in words:
        near = difflib.get_close_matches(word, words, n=1, cutoff=0)[0]
        raise WheelhouseError(
            f"There is no {what} {word}; did you mean {near}?",
            f"Give {option} one of these: {', '.join(words)}.",
            Kind.USAGE,
        )


@contextmanager
def failures_of(kind: Kind) -> Iterator[None]:
    """Set the kind of each WheelhouseError whose kind is OTHER; also a decorator."""
    try:
        yield
    except WheelhouseError as error:
        if error.kind is Kind.OTHER:
            error.kind = kind
        raise
