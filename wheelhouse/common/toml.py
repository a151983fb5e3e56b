"""Load TOML files into frozen structs; an error names the file and the key."""

from __future__ import annotations

import sys
from pathlib import Path
from threading import RLock
from typing import TypeVar

import msgspec

from wheelhouse.common.errors import Kind, WheelhouseError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

T = TypeVar("T")

_ONE_AT_A_TIME = RLock()
"""Two threads that convert to a type for the first time crash msgspec."""


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """A TOML table; unknown keys are errors, and a field ``file_name`` is the key ``file-name``."""


def load(path: Path, shape: type[T]) -> T:
    """The content of a TOML file as an instance of ``shape``.

    Raises WheelhouseError naming the file, and the line or the key, if it is not valid.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        with _ONE_AT_A_TIME:
            return msgspec.convert(table, shape)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise WheelhouseError(
            f"{path.name} is not valid: {error}.", f"Correct that place in {path}.", Kind.USAGE
        ) from error
