"""The record of a benchmark: the JSON document that README.md describes.

The document is written anew after each result, so that it holds what is done whatever happens.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

import tflite_bench
from tflite_bench.agreement import Agreement
from tflite_bench.errors import BenchError
from tflite_bench.layers import Layer
from tflite_bench.machine import Machine
from tflite_bench.trial import Measured, Tensor

SCHEMA = 1


def now() -> str:
    """The time, in UTC, to the second."""
    return datetime.now(timezone.utc).replace(microsecond=0).isoformat()


@dataclass(frozen=True)
class Settings:
    """What was asked for."""

    threads: Sequence[int]
    delegates: Sequence[str]
    seconds: float
    runs: int
    warm_up: float
    seed: int


@dataclass(frozen=True)
class Python:
    """What the runtimes ran in."""

    version: str = field(default_factory=platform.python_version)
    implementation: str = field(default_factory=platform.python_implementation)
    numpy: str = np.__version__


@dataclass
class Library:
    """A runtime; ``files`` are SHA-256 of its and its delegates' libraries, once loaded."""

    name: str
    module: str
    version: str
    files: dict[str, str] = field(default_factory=dict)


@dataclass
class Model:
    """A model's file; ``inputs`` is empty until a runtime has opened it."""

    name: str
    bytes: int
    sha256: str
    inputs: Sequence[Tensor] = ()


@dataclass(frozen=True)
class Result:
    """One contestant's figures for one model.

    ``delegates`` is how many nodes of the graph are delegates, ``throttled`` what slowed the
    board meanwhile; both are None if unknown. ``agreement`` is None for the contestant that the
    others are compared with, ``layers`` where nobody asked for them or nothing tells them.
    ``notes`` say why not to trust the figures.
    """

    model: str
    runtime: str
    delegate: str
    threads: int
    delegates: int | None
    agreement: Agreement | None
    measured: Measured
    celsius_before: float | None
    celsius_after: float | None
    throttled: Sequence[str] | None
    layers: Sequence[Layer] | None
    notes: Sequence[str]


@dataclass(frozen=True)
class Failure:
    """A contestant that cannot run a model, why, and what to do next."""

    model: str
    runtime: str
    delegate: str
    threads: int
    reason: str
    advice: str


@dataclass
class Report:
    """The whole document."""

    settings: Settings
    machine: Machine
    runtimes: list[Library]
    models: list[Model]
    started: str = field(default_factory=now)
    finished: str | None = None
    interrupted: bool = False
    python: Python = field(default_factory=Python)
    results: list[Result] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    program: list[str] = field(default_factory=lambda: ["tflite-bench", tflite_bench.__version__])
    schema: int = SCHEMA

    @property
    def good(self) -> bool:
        """Whether all contestants ran all models, to the end, and agreed."""
        agreements = [each.agreement for each in self.results if each.agreement]
        return not self.failures and not self.interrupted and all(x.agrees for x in agreements)

    def warn(self, text: str) -> None:
        """Add a warning, and tell it now, unless it is known."""
        if text not in self.warnings:
            self.warnings.append(text)
            print(f"  warning: {text}", flush=True)

    def save(self, path: Path) -> None:
        """Write the document, whole or not at all; raises BenchError if that is impossible."""
        partial = path.with_name(f"{path.name}.partial")
        try:
            with partial.open("w", encoding="utf-8") as stream:
                json.dump(asdict(self), stream, indent=1, ensure_ascii=False)
                stream.write("\n")
            os.replace(str(partial), str(path))
        except OSError as error:
            raise BenchError(
                f"Cannot write {path}: {error.strerror}.", "Name another file after --json."
            ) from error


def heading(report: Report) -> str:
    """What is printed before all rows."""
    machine, python = report.machine, report.python
    ram = f", {machine.ram_bytes / 1e9:.1f} GB" if machine.ram_bytes else ""
    speed = f" at {machine.max_mhz} MHz" if machine.max_mhz else ""
    return "\n".join(
        [
            f"{machine.board}: {machine.cores} x {machine.cpu}{speed}{ram}",
            f"{machine.os}, kernel {machine.kernel} {machine.architecture}, "
            f"Python {python.version}, NumPy {python.numpy}",
            f"governor {machine.governor or 'unknown'}",
            f"runtimes: {', '.join(each.name for each in report.runtimes)}",
        ]
    )


_COLUMNS = ("median", "5 %", "95 %", "FPS", "load", "first", "peak MB", "°C", "then")


def header(report: Report) -> str:
    """The names of the columns of :func:`row`; times are in milliseconds."""
    names = [f"{name:>8}" for name in _COLUMNS]
    return " ".join([f"{'runtime':{_width(report)}}", "delegate", "threads", *names])


def row(report: Report, result: Result) -> str:
    """A result as a line of the table, its notes behind."""
    measured, times = result.measured, result.measured.times
    peak = measured.peak_bytes / 1e6 if measured.peak_bytes else None
    figures = [
        *(times.median_ms, times.p5_ms, times.p95_ms, times.fps, measured.load_ms),
        *(measured.first_ms, peak, result.celsius_before, result.celsius_after),
    ]
    return " ".join(
        [
            f"{result.runtime:{_width(report)}}",
            f"{result.delegate[:8]:8}",
            f"{result.threads:7}",
            *(f"{_short(figure):>8}" for figure in figures),
            *([" " + ", ".join(result.notes)] if result.notes else []),
        ]
    )


def _width(report: Report) -> int:
    return max(len(each.name) for each in report.runtimes)


def _short(figure: float | None) -> str:
    """Three digits at least, for columns."""
    if figure is None:
        return "-"
    return f"{figure:.3f}" if figure < 10 else f"{figure:.1f}"


def complain(error: BenchError) -> None:
    """Print an error to standard error."""
    print(f"error: {error.what}\n{error.do}", file=sys.stderr)
