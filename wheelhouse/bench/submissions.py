"""Check what tflite-bench measured on boards, and merge it into ``figures/boards``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from wheelhouse import boards
from wheelhouse.boards import Report
from wheelhouse.common import console
from wheelhouse.common.errors import Kind, WheelhouseError
from wheelhouse.common.files import alone_in, write_whole

SCHEMA = 1
"""The version of tflite-bench's record that is understood."""

FIRST = datetime(2026, 1, 1, tzinfo=timezone.utc)
"""No result is older: an earlier date is that of a board whose clock was not set."""

_MEASURE = "On the board, run `python3 -m tflite_bench model.tflite --json out.json` again."
_EMULATORS = re.compile("qemu|linux,dummy-virt", re.IGNORECASE)


def add(paths: Sequence[Path], folder: Path = boards.FOLDER) -> None:
    """Check files of ``tflite_bench --json`` and merge them into ``figures/boards``.

    Raises WheelhouseError for the first that is refused; nothing is then written.
    """
    for report in [read(path) for path in paths]:
        path = folder / file_of(report)
        with alone_in(folder):
            write(path, merge([*boards.stored(path), report]))
        marked = sum(bool(each.marks) for each in report.results)
        told = f"results: {len(report.results)}, marked as doubtful: {marked}"
        console.say(f"{path} has the measurements of {report.machine.board}; {told}")


def read(path: Path) -> Report:
    """Read a result as a board's program wrote it; raises WheelhouseError if it is refused."""
    content = path.read_bytes()
    try:
        schema = msgspec.json.decode(content, type=_Head).schema
        if schema != SCHEMA:
            raise WheelhouseError(
                f"{path.name} has version {schema} of tflite-bench's record; {SCHEMA} is known.",
                "Measure with the tflite-bench of this checkout, or take a newer checkout.",
                Kind.USAGE,
            )
        report = msgspec.json.decode(content, type=Report)
    except msgspec.MsgspecError as error:
        raise WheelhouseError(
            f"{path.name} is no result of tflite-bench: {error}.", _MEASURE, Kind.USAGE
        ) from error
    if reason := _refused(report):
        raise WheelhouseError(f"{path.name} is refused: {reason}.", _MEASURE, Kind.USAGE)
    return report


class _Head(Struct):
    program: tuple[Literal["tflite-bench"], str]
    schema: int


def _refused(report: Report) -> str:
    """Why a valid record is no result of a board; empty if it is one."""
    machine = report.machine
    if machine.emulated or _EMULATORS.search(machine.board):
        return "its processor is emulated, so its times are none of a board"
    if machine.architecture in ("x86_64", "i686"):
        return "it was measured on a PC, and only boards are shown"
    if machine.board == "unknown" or not _slug(machine.board):
        return "it does not name the board"
    if not FIRST < report.started < datetime.now(timezone.utc) + timedelta(days=1):
        return f"the board's clock was wrong: {report.day}"
    return "" if report.results else "nothing was measured"


def merge(reports: Iterable[Report]) -> list[Report]:
    """The reports, oldest first, with the latest of equal measurements alone."""
    seen: set[tuple[str, str, str, int]] = set()
    kept = []
    for report in sorted(reports, key=lambda report: report.started, reverse=True):
        by_key = {
            (report.digests[each.model], each.runtime, each.delegate, each.threads): each
            for each in report.results
        }
        left = tuple(each for key, each in by_key.items() if key not in seen)
        seen |= by_key.keys()
        kept += [replace(report, results=left)] if left else []
    return kept[::-1]


def write(path: Path, reports: Sequence[Report]) -> None:
    """Write a file of ``figures/boards``, whole or not at all."""
    write_whole(path, msgspec.json.format(msgspec.json.encode(reports), indent=1) + b"\n")


def file_of(report: Report) -> str:
    """The name of the file for a report's board and day."""
    return f"{_slug(report.machine.board)}-{report.day}.json"


def _slug(board: str) -> str:
    return re.sub("[^a-z0-9]+", "-", board.lower()).strip("-")
