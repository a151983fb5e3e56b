"""What real boards measured: ``figures/boards`` stores it; index and documentation show it.

Each file there is of one board and day: a list of what ``tflite_bench --json`` wrote, but for what
nobody shows. Of measurements of one model, runtime, delegate and number of threads, it has the
latest alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.root import ROOT

FOLDER = ROOT / "figures" / "boards"

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Text = Annotated[str, Meta(max_length=200)]
Count = Annotated[int, Meta(ge=1)]
Milliseconds = Annotated[float, Meta(gt=0)]


class Machine(Struct, frozen=True):
    """A board and its system; memory in bytes, None where the board does not tell."""

    board: Text
    cpu: Text
    cores: Count
    architecture: str
    ram_bytes: int | None
    governor: str | None
    max_mhz: int | None
    kernel: Text
    os: Text
    emulated: bool


class Python(Struct, frozen=True):
    """What the runtimes ran in."""

    version: str
    numpy: str


class Library(Struct, frozen=True):
    """A runtime; ``files`` are SHA-256 of its loaded libraries."""

    name: Name
    files: Mapping[str, str]


class Model(Struct, frozen=True):
    """A model's file."""

    name: Name
    bytes: Count
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Times(Struct, frozen=True):
    """The times of a number of ``runs``."""

    runs: Count
    median_ms: Milliseconds
    p5_ms: Milliseconds
    p95_ms: Milliseconds

    def __post_init__(self) -> None:
        if not self.p5_ms <= self.median_ms <= self.p95_ms:
            raise ValueError("the median does not lie between the percentiles")


class Measured(Struct, frozen=True):
    """What a contestant needed; ``peak_bytes`` is of the whole process."""

    load_ms: Milliseconds
    first_ms: Milliseconds
    times: Times
    peak_bytes: int | None


class Result(Struct, frozen=True):
    """One contestant's figures for one model.

    ``delegates`` is how many nodes of the graph are delegates. ``notes`` say why not to trust it.
    """

    model: Name
    runtime: Name
    delegate: Name
    threads: Count
    delegates: int | None
    measured: Measured
    celsius_before: float | None
    celsius_after: float | None
    notes: tuple[str, ...]

    @property
    def contestant(self) -> str:
        """For readers: ``tflite-runtime 2.14.1, xnnpack, 1 thread``."""
        threads = f"{self.threads} thread{'s' * (self.threads > 1)}"
        return f"{self.runtime}, {self.delegate}, {threads}"

    @property
    def marks(self) -> tuple[str, ...]:
        """Why not to trust or to compare the figures; empty if there is no reason."""
        idle = self.delegate != "none" and self.delegates == 0
        return (*self.notes, *("the delegate takes no operator",) * idle)


class Report(Struct, frozen=True):
    """A record of tflite-bench, but for what nobody shows."""

    schema: int
    program: tuple[Literal["tflite-bench"], str]
    started: Annotated[datetime, Meta(tz=True)]
    machine: Machine
    python: Python
    runtimes: tuple[Library, ...]
    models: tuple[Model, ...]
    results: tuple[Result, ...]

    def __post_init__(self) -> None:
        models, runtimes = self.digests, {each.name for each in self.runtimes}
        for each in self.results:
            if each.model not in models or each.runtime not in runtimes:
                raise ValueError(f"nothing tells what {each.model} or {each.runtime} is")

    @property
    def digests(self) -> dict[str, str]:
        """The SHA-256 of each model, by name."""
        return {each.name: each.sha256 for each in self.models}

    @property
    def day(self) -> date:
        """The date in UTC."""
        return self.started.astimezone(timezone.utc).date()

    @property
    def conditions(self) -> str:
        """In what state the board was, for readers."""
        it = self.machine
        speed = f" at {it.max_mhz} MHz" if it.max_mhz else ""
        memory = f", {it.ram_bytes / 1e9:.1f} GB" if it.ram_bytes else ""
        return (
            f"{it.cores} × {it.cpu}{speed}{memory}; {it.os}, kernel {it.kernel} "
            f"{it.architecture}; Python {self.python.version}, NumPy {self.python.numpy}; "
            f"governor {it.governor or 'unknown'}; {' '.join(self.program)}"
        )


@dataclass(frozen=True)
class Row:
    """A result with the name that its model has among all that are shown with it."""

    model: str
    result: Result


@dataclass(frozen=True)
class Session:
    """What one board measured on one day in one state, by model, the fastest first."""

    board: str
    day: date
    conditions: str
    rows: tuple[Row, ...]


def sessions(folder: Path = FOLDER) -> list[Session]:
    """What all boards measured, the latest first; raises WheelhouseError for an invalid file."""
    grouped: dict[tuple[date, str, str], list[Report]] = {}
    for path in sorted(folder.glob("*.json")):
        for each in stored(path):
            grouped.setdefault((each.day, each.machine.board, each.conditions), []).append(each)
    return [
        Session(board, day, conditions, _rows(reports))
        for (day, board, conditions), reports in sorted(grouped.items(), reverse=True)
    ]


def stored(path: Path) -> list[Report]:
    """What a file of ``figures/boards`` has, nothing if there is none.

    Raises WheelhouseError for an invalid one.
    """
    if not path.exists():
        return []
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Report])
    except msgspec.MsgspecError as error:
        raise WheelhouseError(
            f"{path.name} is not valid: {error}.", f"Restore {path} from git.", Kind.USAGE
        ) from error


def _rows(reports: Iterable[Report]) -> tuple[Row, ...]:
    """All results; a model's name has its digest behind if another model has the same name."""
    found = [(each, report.digests[each.model]) for report in reports for each in report.results]
    models = {(each.model, digest) for each, digest in found}
    names = [name for name, _ in models]
    rows = [
        Row(each.model + f" ({digest[:8]})" * (names.count(each.model) > 1), each)
        for each, digest in found
    ]
    return tuple(sorted(rows, key=lambda row: (row.model, row.result.measured.times.median_ms)))
