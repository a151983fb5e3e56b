"""Files that the models lie beside, and what a path can name."""

from __future__ import annotations

import ctypes
import os
import pathlib
from typing import Any

DELEGATE = str(pathlib.Path("delegate.so").resolve())
HALF = str(pathlib.Path("half.so").resolve())
"""A delegate's library that has no function to destroy one."""


def content(name: str) -> bytes:
    """A model's bytes."""
    return pathlib.Path(name + ".tflite").read_bytes()


def library(mode: int = ctypes.DEFAULT_MODE) -> Any:
    """The compiled delegate as a plain library."""
    return ctypes.CDLL(DELEGATE, mode)


class Named:
    """An ``os.PathLike`` object that is nothing more."""

    def __init__(self, name: object) -> None:
        self.name = name

    def __fspath__(self) -> object:
        return self.name


def copied(name: Any, to: Any) -> Any:
    """The name of a copy of a file; a library in use must not be written again."""
    if not os.path.exists(to):  # noqa: PTH110 (a path of bytes)
        with open(to, "wb") as file:  # noqa: PTH123
            file.write(pathlib.Path(name).read_bytes())
    return to


def unreadable() -> str:
    """The name of a model that its owner may not read."""
    path = pathlib.Path("unreadable.tflite")
    if not path.exists():
        path.write_bytes(content("arithmetic"))
        path.chmod(0)
    return str(path)


def empty_file() -> str:
    """The name of an empty file."""
    pathlib.Path("empty-file.tflite").write_bytes(b"")
    return "empty-file.tflite"


def pipe() -> str:
    """The name of a pipe that nobody writes to."""
    path = pathlib.Path("pipe.tflite")
    if not path.exists():
        os.mkfifo(str(path))
    return str(path)
