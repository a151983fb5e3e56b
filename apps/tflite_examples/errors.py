"""The error that a user can do something about."""

from __future__ import annotations


class ExampleError(Exception):
    """Its text is one line: what is wrong, and what to do next."""


def first_line(error: BaseException) -> str:
    """The first line of an error's text, without a full stop; its kind if it has none."""
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")
