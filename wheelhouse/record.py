"""The record that lies beside a wheel: what it was tried on, and whether that vouches for it.

Only this module writes, reads and judges records.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Annotated

import msgspec

from wheelhouse.common.errors import WheelhouseError
from wheelhouse.common.store import file_digest
from wheelhouse.package import products


class _Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of a record."""


class Check(_Struct, frozen=True):
    """One thing that was tried, whether it was right, and what was seen."""

    name: str
    passed: bool
    seen: str


class Trial(_Struct, frozen=True):
    """The checks of one wheel on one system and board beside one NumPy."""

    system: str
    board: str
    numpy: str
    checks: tuple[Check, ...]

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that did not pass."""
        return tuple(check for check in self.checks if not check.passed)


class Companion(_Struct, frozen=True):
    """Another wheel that was installed beside the tried one; ``sha256`` in hex."""

    wheel: str
    sha256: str


class Record(_Struct, frozen=True, kw_only=True):
    """What ``invoke verify`` wrote beside a wheel; ``date`` has a time zone.

    ``engine`` is ``host`` or ``docker``, ``runtime`` the ``tflite_runtime`` that a delegate was
    tried with. Records of earlier releases have neither.
    """

    wheel: str
    sha256: str
    date: Annotated[datetime, msgspec.Meta(tz=True)]
    engine: str | None = None
    reference: str
    runtime: Companion | None = None
    trials: tuple[Trial, ...]


class Demand(Enum):
    """Which systems a wheel must have been tried on."""

    TODAY = "every system that this checkout's matrix names for it"
    ITS_RELEASE = "the systems that the matrix of its release named, which may be fewer"


@dataclass(frozen=True)
class Vouched:
    """A record that vouches for its wheel, and its bytes.

    ``today`` tells whether the wheel was tried on every system that this checkout's matrix names
    for it, so whether :attr:`Demand.TODAY` is met.
    """

    record: Record
    text: bytes
    today: bool


class UnverifiedError(Exception):
    """Why a wheel is not verified: the end of a sentence that begins with its name."""


def beside(wheel: Path) -> Path:
    """Where the record of a wheel lies."""
    return wheel.with_name(f"{wheel.name}.verified.json")


def write_trial(trial: Trial, path: Path) -> None:
    """Write one trial, JSON."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(trial), indent=1))


def read_trial(text: bytes) -> Trial:
    """The trial that :func:`write_trial` wrote; raises msgspec.DecodeError for other text."""
    return msgspec.json.decode(text, type=Trial)


def write(record: Record, path: Path) -> None:
    """Write a record, JSON."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=1))


def read(text: bytes) -> Record:
    """The record that :func:`write` wrote, of this release or an earlier one.

    Raises UnverifiedError naming the field that is missing, unknown or wrong.
    """
    try:
        return msgspec.json.decode(text, type=Record)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnverifiedError(f"has an unreadable record: {error}") from error


def vouch(wheel: Path, demand: Demand) -> Vouched:
    """The record beside a wheel, if it is about these very bytes and every check in it passed.

    Raises UnverifiedError if it is not, and WheelhouseError if the systems of this checkout's
    matrix are demanded of a wheel that is for none of its targets.
    """
    path = beside(wheel)
    if path.is_symlink() or not path.is_file():
        raise UnverifiedError("was never verified: its record is not beside it")
    text = path.read_bytes()
    record = read(text)
    if (record.wheel, record.sha256) != (wheel.name, file_digest(wheel)):
        raise UnverifiedError("is not the file that its record is about")
    _passed(record)
    today = True
    try:
        _complete(wheel, record)
    except (UnverifiedError, WheelhouseError):
        if demand is Demand.TODAY:
            raise
        today = False
    return Vouched(record, text, today)


def _passed(record: Record) -> None:
    if not record.trials or not all(trial.checks for trial in record.trials):
        raise UnverifiedError("has a record of a trial with no check at all")
    for trial in record.trials:
        for check in trial.failed:
            raise UnverifiedError(f"did not pass a check on {trial.system}: {check.name}")


def _complete(wheel: Path, record: Record) -> None:
    wanted = {system.name for system in products.systems_of(wheel)}
    if untried := sorted(wanted - {trial.system for trial in record.trials}):
        raise UnverifiedError(f"was not tried on {', '.join(untried)}")
