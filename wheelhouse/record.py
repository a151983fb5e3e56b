"""The record that lies beside a wheel: what it was tried on, and whether that vouches for it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from wheelhouse import matrix, products, verify
from wheelhouse.emulator import systems
from wheelhouse.emulator.systems import System
from wheelhouse.store import file_digest
from wheelhouse.verify import Trial


class Record(msgspec.Struct, frozen=True):
    """What ``invoke verify`` wrote beside a wheel."""

    wheel: str
    sha256: str
    date: datetime
    reference: str
    trials: tuple[Trial, ...]


def beside(wheel: Path) -> Path:
    """Where the record of a wheel lies."""
    return wheel.with_name(f"{wheel.name}.verified.json")


def wanted(wheel: Path) -> list[System]:
    """The systems that a wheel file must be tried on: a delegate's on all.

    Raises WheelhouseError if it is for no target of the matrix.
    """
    delegate = products.is_delegate(wheel)
    target = matrix.targets()[0] if delegate else verify.target_of(wheel)
    return [systems.system(name) for name in target.systems]


def unverified(wheel: Path) -> str:
    """Why a wheel's record does not vouch for it; nothing if it does.

    Raises WheelhouseError if the wheel is for no target of the matrix.
    """
    path = beside(wheel)
    if not path.is_file():
        return "has no record of its verification."
    try:
        record = msgspec.json.decode(path.read_bytes(), type=Record)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "has a record that cannot be read."
    if (record.wheel, record.sha256) != (wheel.name, file_digest(wheel)):
        return "has the record of another wheel."
    if any(trial.failed or not trial.checks for trial in record.trials):
        return "did not pass all checks."
    names = {system.name for system in wanted(wheel)}
    untried = sorted(names - {trial.system for trial in record.trials})
    return f"was not tried on {', '.join(untried)}." if untried else ""
