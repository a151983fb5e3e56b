"""The verification record beside a wheel: which checks ran where, and whether they suffice.

Only this module writes, reads and judges records.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from isal import igzip

from wheelhouse.common.errors import WheelhouseError
from wheelhouse.common.store import file_digest

PACKED = ".gz"
"""How the name of a record ends that an index serves, beyond that of :func:`path_for`."""

_LARGEST = 64 << 20
"""Bytes; a larger record is refused before it fills the memory."""


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
    ``beyond``: the instructions that the emulator executed as well and the board does not have, as
    in ``i8mm``; absent if it has exactly the board's.
    """

    system: str
    board: str
    numpy: str
    checks: tuple[Check, ...]
    beyond: tuple[str, ...] = ()

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
    ``verifier``: the digest of the code that tried it, in hex; absent in records of earlier
    releases.
    ``reference``: the name and version of the package that computed the expected outputs.
    ``runtime``: the ``tflite_runtime`` wheel that another one was verified with; else absent.
    ``trials``: one for each system, board and NumPy.
    """

    wheel: str
    sha256: str
    date: Annotated[datetime, msgspec.Meta(tz=True)]
    engine: Literal["host", "docker"] | None = None
    verifier: str | None = None
    reference: str
    runtime: Companion | None = None
    trials: tuple[Trial, ...]


@dataclass(frozen=True)
class Place:
    """Where a wheel is tried: a system, a board, and a NumPy, which is ``own`` or ``newest``."""

    system: str
    board: str
    numpy: str

    @classmethod
    def of(cls, trial: Trial) -> Place:
        """The place of a trial in a record."""
        return cls(trial.system, trial.board, trial.numpy.rpartition("(")[2].rstrip(")"))

    def __str__(self) -> str:
        return f"{self.system} as {self.board} with its {self.numpy} NumPy"


@dataclass(frozen=True)
class Expected:
    """What this checkout's verifier records of a wheel.

    ``checks`` are the names of the checks of each trial, ``verifier`` is the digest of its code.
    """

    checks: Mapping[Place, Sequence[str]]
    verifier: str


Verifier = Callable[[Path, str], Expected]
"""Tells what is expected of a wheel that was verified with an engine, ``host`` or ``docker``.

It raises WheelhouseError for a wheel that is no product of this checkout, and UnverifiedError for
one from whose content it cannot tell.
"""


class Demand(Enum):
    """What a record must have."""

    TODAY = "all trials and checks that this checkout's verifier makes, and its digest"
    ITS_RELEASE = "at least one check in each trial: what an earlier release tried is not known"


@dataclass(frozen=True)
class Vouched:
    """A record that was accepted; ``text`` is its file's content.

    ``today`` tells whether the record meets :attr:`Demand.TODAY`.
    """

    record: Record
    text: bytes
    today: bool


class UnverifiedError(Exception):
    """A wheel has no acceptable record; the message follows the wheel's name in a sentence."""


class OtherVerifierError(UnverifiedError):
    """A record was made by another version of the verifier."""


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


def vouch(wheel: Path, demand: Demand, verifier: Verifier) -> Vouched:
    """The record beside a wheel, if it meets ``demand``.

    It must name the wheel's file name and SHA-256, and all its checks must have passed. Raises
    UnverifiedError if it does not or the wheel is not there, and WheelhouseError if
    :attr:`Demand.TODAY` is asked of a wheel that is no product of this checkout.
    """
    text = _text_beside(wheel)
    record = read(text)
    if (record.wheel, record.sha256) != (wheel.name, file_digest(wheel)):
        raise UnverifiedError("is not the file that its record is about")
    _passed(record)
    if demand is Demand.ITS_RELEASE and not record.verifier:
        return Vouched(record, text, today=False)
    today = True
    try:
        _complete(record, verifier(wheel, record.engine or ""))
    except (UnverifiedError, WheelhouseError):
        if demand is Demand.TODAY:
            raise
        today = False
    return Vouched(record, text, today)


def _text_beside(wheel: Path) -> bytes:
    if not wheel.is_file():
        raise UnverifiedError("is not there")
    plain = path_for(wheel)
    path = plain if plain.exists() else plain.with_name(f"{plain.name}{PACKED}")
    if path.is_symlink() or not path.is_file():
        raise UnverifiedError("was never verified: its record is not beside it")
    try:
        if path.stat().st_size > _LARGEST:
            raise UnverifiedError("has a record that is too large")
        if path == plain:
            return path.read_bytes()
        with gzip.open(path) as stream:
            text = stream.read(_LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UnverifiedError(f"has an unreadable record: {error}") from error
    if len(text) > _LARGEST:
        raise UnverifiedError("has a record that is too large")
    return text


def packed(text: bytes) -> bytes:
    """A record's text as an index serves it; equal texts give equal bytes."""
    return igzip.compress(text, 2, mtime=0)


def _passed(record: Record) -> None:
    if not record.trials or not all(trial.checks for trial in record.trials):
        raise UnverifiedError("has a record of a trial with no check at all")
    for trial in record.trials:
        for check in trial.failed:
            raise UnverifiedError(f"did not pass a check on {trial.system}: {check.name}")


def _complete(record: Record, expected: Expected) -> None:
    """Raise UnverifiedError unless a record has exactly what is expected."""
    if record.verifier != expected.verifier:
        raise OtherVerifierError("was tried by another version of the verifier")
    made = {Place.of(trial): [check.name for check in trial.checks] for trial in record.trials}
    _complete_places(made.keys(), expected.checks.keys())
    if len(made) != len(record.trials):
        raise UnverifiedError("has two trials of one kind in its record")
    for place, names in made.items():
        _complete_checks(place, names, expected.checks[place])


def _complete_places(made: Set[Place], wanted: Set[Place]) -> None:
    lost = {place.system for place in wanted} - {place.system for place in made}
    if lost:
        raise UnverifiedError(f"was not tried on {', '.join(sorted(lost))}")
    for place in sorted(wanted - made, key=str):
        raise UnverifiedError(f"was not tried on {place}")
    for place in sorted(made - wanted, key=str):
        raise UnverifiedError(f"has a trial that this checkout does not make: {place}")


def _complete_checks(place: Place, made: Sequence[str], wanted: Sequence[str]) -> None:
    for name in (each for each in wanted if each not in made):
        raise UnverifiedError(f"was tried on {place} without the check: {name}")
    for name in (each for each in made if each not in wanted):
        raise UnverifiedError(f"has a check that this checkout does not make: {name}")
    if [*made] != [*wanted]:
        raise UnverifiedError(f"has checks twice or in another order, on {place}")
