"""The verification record beside a wheel: which checks ran where, and whether they suffice.

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
    """A part of a record; unknown fields are refused."""


class Check(_Struct, frozen=True):
    """One check of a trial.

    ``name``: what was checked.
    ``passed``: whether the wheel passed.
    ``seen``: the observed value, in words.
    """

    name: str
    passed: bool
    seen: str


class Trial(_Struct, frozen=True):
    """The checks of one wheel on one system and board, with one NumPy.

    ``system``: the system's name, as in ``Raspberry Pi OS 12``.
    ``board``: the board's name, as in ``Raspberry Pi 5``.
    ``numpy``: NumPy's version and where it came from, as in ``1.24.2 (own)``.
    ``checks``: the checks, in the order in which they were made.
    """

    system: str
    board: str
    numpy: str
    checks: tuple[Check, ...]

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that did not pass."""
        return tuple(check for check in self.checks if not check.passed)


class Companion(_Struct, frozen=True):
    """Another wheel that was installed with the verified one.

    ``wheel``: its file name.
    ``sha256``: the SHA-256 of its bytes, in hex.
    """

    wheel: str
    sha256: str


class Record(_Struct, frozen=True, kw_only=True):
    """What ``invoke verify`` writes beside a wheel.

    ``wheel``: the wheel's file name.
    ``sha256``: the SHA-256 of its bytes, in hex.
    ``date``: when it was verified, with a time zone.
    ``engine``: ``host`` or ``docker``; absent in records of earlier releases.
    ``reference``: the name and version of the package that computed the expected outputs.
    ``runtime``: the ``tflite_runtime`` wheel that another one was verified with; else absent.
    ``trials``: one for each system, board and NumPy.
    """

    wheel: str
    sha256: str
    date: Annotated[datetime, msgspec.Meta(tz=True)]
    engine: str | None = None
    reference: str
    runtime: Companion | None = None
    trials: tuple[Trial, ...]


class Demand(Enum):
    """Which systems a wheel must have been verified on."""

    TODAY = "every system that this checkout's matrix names for it"
    ITS_RELEASE = "the systems that the matrix of its release named, which may be fewer"


@dataclass(frozen=True)
class Vouched:
    """A record that was accepted; ``text`` is its file's content.

    ``today`` tells whether the record meets :attr:`Demand.TODAY`: whether the wheel was verified on
    every system that this checkout's matrix names for it.
    """

    record: Record
    text: bytes
    today: bool


class UnverifiedError(Exception):
    """A wheel has no acceptable record; the message follows the wheel's name in a sentence."""


def path_for(wheel: Path) -> Path:
    """The path of a wheel's record, which may not exist."""
    return wheel.with_name(f"{wheel.name}.verified.json")


def write_trial(trial: Trial, path: Path) -> None:
    """Write one trial, JSON."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(trial), indent=1))


def read_trial(text: bytes) -> Trial:
    """The trial that :func:`write_trial` wrote; raises msgspec.DecodeError for other text."""
    return msgspec.json.decode(text, type=Trial)


def write(record: Record, path: Path) -> None:
    """Write a record as JSON."""
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
    """The record beside a wheel, if it meets ``demand``.

    It must name the wheel's file name and SHA-256, and all its checks must have passed. Raises
    UnverifiedError if it does not or the wheel is not there, and WheelhouseError if
    :attr:`Demand.TODAY` is asked of a wheel that is for no target of this checkout's matrix.
    """
    path = path_for(wheel)
    if not wheel.is_file():
        raise UnverifiedError("is not there")
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
    required = {system.name for system in products.systems_of(wheel)}
    if missing := sorted(required - {trial.system for trial in record.trials}):
        raise UnverifiedError(f"was not tried on {', '.join(missing)}")
