"""How far a command is: which of its long steps begins, and about how long the rest takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from wheelhouse.common import console

Name = tuple[str, str]
"""The kind and the label of a step."""

LONG = 10.0
"""A step that is expected to take so many seconds is announced."""

_WORDS = {
    "cores": "library",
    "cxx": "C++ libraries",
    "extensions": "module",
    "libraries": "library",
    "rootfs": "system",
    "tools": "tool",
    "trees": "sources of",
    "verified": "trials of",
    "wheels": "wheel",
}
"""What messages call the kinds of steps."""


@dataclass
class _Work:
    """What is to be made, and the seconds that each step of it is expected to take."""

    left: dict[Name, float]
    total: int
    begun: set[Name] = field(default_factory=set)

    def announce(self, name: Name) -> None:
        """Say which of the long steps begins, unless it is a short one."""
        if self.left.get(name, 0) >= LONG and name not in self.begun:
            self.begun.add(name)
            kind, label = name
            console.say(
                f"Step {len(self.begun)} of {self.total}: {_WORDS.get(kind, kind)} {label}, "
                f"{about(sum(self.left.values()))} left"
            )


_WORK: list[_Work] = []
"""The work of the command that runs; at most one."""


@contextmanager
def expecting(seconds: Mapping[Name, float]) -> Iterator[None]:
    """Announce these steps while they are made; ``seconds`` is what each is expected to take."""
    total = sum(each >= LONG for each in seconds.values())
    _WORK.append(_Work(dict(seconds), total))
    try:
        yield
    finally:
        _WORK.pop()


@contextmanager
def making(kind: str, label: str) -> Iterator[None]:
    """Announce a step that is made now, if it is a long one that is expected."""
    announce(kind, label)
    yield
    made(kind, label)


def announce(kind: str, label: str) -> None:
    """Say that an expected step begins, if it is a long one."""
    if _WORK:
        _WORK[-1].announce((kind, label))


def made(kind: str, label: str) -> None:
    """Note that an expected step is made."""
    if _WORK:
        _WORK[-1].left.pop((kind, label), None)


def about(seconds: float) -> str:
    """A time in words, as in ``about 9 min``."""
    return f"about {seconds / 60:.0f} min" if seconds >= 90 else "about a minute"


def took(seconds: float) -> str:
    """A time in minutes and seconds, as in ``14 min 9 s``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
