"""The cases: which there are, and running them, if need be in a child process."""

from __future__ import annotations

import faulthandler
import gc
import json
import os
import pathlib
import platform
import signal
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from tflite_runtime import _pywrap_tensorflow_interpreter_wrapper as native

from .report import Told, tried

Case = TypeVar("Case", bound="Callable[[], object]")

CASES: dict[str, Callable[[], object]] = {}
CHILD_SECONDS = 60


def main(report: str) -> None:
    """Run all cases and write the report."""
    faulthandler.enable()
    seconds, cases = {}, {}
    for name, function in CASES.items():
        start = time.monotonic()
        cases[name] = tried(function)
        seconds[name] = round(time.monotonic() - start, 3)
        gc.collect()
    system = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "file": pathlib.Path(native.__file__).name,
    }
    content = {"system": system, "seconds": seconds, "cases": cases}
    pathlib.Path(report).write_text(json.dumps(content, indent=1), encoding="utf-8")


def case(function: Case) -> Case:
    """Make a function a case."""
    CASES[function.__name__] = function
    return function


def mortal(function: Case) -> Case:
    """Make a function a case that runs in a child process, for it may crash."""
    CASES[function.__name__] = lambda: in_child(function)
    return function


def in_child(function: Callable[[], object]) -> Told:
    """``tried`` in a child process; ``{"signal": number}`` if that killed it."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(CHILD_SECONDS)
        with os.fdopen(writer, "wb") as stream:
            stream.write(json.dumps(tried(function)).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        answer = stream.read()
    status = os.waitpid(child, 0)[1]
    killed = os.WIFSIGNALED(status)
    return Told({"signal": os.WTERMSIG(status)} if killed else json.loads(answer.decode()))
