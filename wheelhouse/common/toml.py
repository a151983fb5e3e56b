"""Load a TOML file into frozen structs; anything wrong names the file and the key."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TypeVar

import msgspec

from wheelhouse.common.errors import Kind, WheelhouseError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

T = TypeVar("T")


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """A TOML table with known keys; ``file_name`` is written ``file-name``."""


def load(path: Path, shape: type[T]) -> T:
    """The file's content as a ``shape``.

    Raises WheelhouseError naming the file, and the line or the key, when it does not fit.
    """
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), shape)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise WheelhouseError(
            f"{path.name} is not valid: {error}.", f"Correct that place in {path}.", Kind.USAGE
        ) from error
