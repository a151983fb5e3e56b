"""The one kind of failure that a user is meant to read."""

from __future__ import annotations


class WheelhouseError(Exception):
    """A failure with a remedy.

    ``what`` is one sentence about what went wrong, ``hint`` one about what to do next.
    """

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what, hint)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what}\n{self.hint}"
