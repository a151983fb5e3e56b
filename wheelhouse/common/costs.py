"""What steps cost: noted when a recipe ends, and expected of those that never ran here.

A note lies in ``costs/`` of the store, by kind and label. It is no part of any key.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date
from functools import cache
from pathlib import Path
from threading import Lock

import msgspec

from wheelhouse.common.files import write_whole
from wheelhouse.common.root import ROOT
from wheelhouse.common.store import Store
from wheelhouse.common.toml import Table, load

FILE = ROOT / "wheelhouse" / "common" / "costs.toml"


_ELSEWHERE = frozenset({"installed", "trials", "verified"})
"""Kinds of steps in sandboxes: bubblewrap ends without waiting, so their CPU time is not known."""


_SIDE_BY_SIDE = frozenset({"cores", "extensions", "libraries", "tools", "verified"})
"""Kinds of steps that use all processors."""


class Cost(msgspec.Struct, frozen=True):
    """What one run of a recipe took, in seconds: of all processors together, and on the clock."""

    cpu: float
    wall: float


class Expected(Table, frozen=True):
    """What a step is expected to cost, in CPU seconds, and where the figure is from."""

    cpu_seconds: float
    source: str
    date: date


class _Meter:
    """The CPU seconds of this process and its ended children, by what runs.

    What runs at the same time, in threads, shares them evenly.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._used: dict[object, float] = {}
        self._last = 0.0

    def start(self, user: object) -> None:
        """Count for ``user`` from now on."""
        with self._lock:
            self._settle()
            self._used[user] = 0.0

    def stop(self, user: object) -> float:
        """The CPU seconds of ``user`` since it started."""
        with self._lock:
            self._settle()
            return self._used.pop(user)

    def add(self, seconds: float) -> None:
        """Count what was used elsewhere."""
        with self._lock:
            for user in self._used:
                self._used[user] += seconds / len(self._used)

    def _settle(self) -> None:
        usages = (resource.getrusage(of) for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        now = sum(usage.ru_utime + usage.ru_stime for usage in usages)
        for user in self._used:
            self._used[user] += (now - self._last) / len(self._used)
        self._last = now


_METER = _Meter()


@contextmanager
def noted(store: Store, kind: str, label: str, folder: Path) -> Iterator[None]:
    """Note what happens within as the cost of a step that fills ``folder``.

    Nothing is noted of what fails, of what goes on with the folder of an interrupted run, nor of
    what bubblewrap runs.
    """
    whole, begun, user = not any(folder.iterdir()), time.monotonic(), object()
    _METER.start(user)
    try:
        yield
    finally:
        cost = Cost(round(_METER.stop(user), 2), round(time.monotonic() - begun, 2))
    if whole and kind not in _ELSEWHERE:
        note(store, kind, label, cost)


def note(store: Store, kind: str, label: str, cost: Cost) -> None:
    """Write what something cost, if the store can be written: that it is done counts more."""
    with suppress(OSError):
        write_whole(_note(store, kind, label), msgspec.json.encode(cost))


def add(cpu_seconds: float) -> None:
    """Count what a process that is no child of this one used for the step that runs."""
    _METER.add(cpu_seconds)


def expected(store: Store, kind: str, label: str) -> float:
    """The CPU seconds that a step took here when it was last made, or else those of the table."""
    with suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode(_note(store, kind, label).read_bytes(), type=Cost).cpu
    return tabled(kind, label)


def expected_time(store: Store, kind: str, label: str, processors: int) -> float:
    """The seconds on the clock that a step took when it was last made here.

    For one that was not, the table's CPU seconds; ``processors`` share those of compiles.
    """
    with suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode(_note(store, kind, label).read_bytes(), type=Cost).wall
    return tabled(kind, label) / (processors if kind in _SIDE_BY_SIDE else 1)


def tabled(kind: str, label: str) -> float:
    """The CPU seconds of the table's row for the kind, and the longest beginning of the label.

    0 for a kind that it does not have.
    """
    rows = table().get(kind, {})
    fit = max((start for start in rows if label.startswith(start)), key=len, default=None)
    return 0.0 if fit is None else rows[fit].cpu_seconds


@cache
def table() -> dict[str, dict[str, Expected]]:
    """The expected costs by kind, and by the beginning of the label."""
    return load(FILE, dict[str, dict[str, Expected]])


def _note(store: Store, kind: str, label: str) -> Path:
    return store.root / "costs" / kind / f"{label}.json"
