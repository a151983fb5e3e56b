"""What is written to standard error."""

from __future__ import annotations

import os
from functools import partial

import tflite_runtime
from tflite_runtime import _pywrap_tensorflow_interpreter_wrapper as native

from .models import ready
from .report import step
from .runner import case, in_child


@case
def log_levels() -> object:
    """For each level, what making an interpreter writes, in a process that made none before."""

    def written(level: str) -> list[str]:
        with open("log.txt", "w+b") as log:  # noqa: PTH123 (its descriptor)
            os.dup2(log.fileno(), 2)
            tflite_runtime.set_log_level(level)
            ready("arithmetic")
            log.seek(0)
            return sorted({line.decode() for line in log.read().splitlines()})

    levels = ("verbose", "info", "warning", "error", "silent", "ERROR")
    return {
        **{level: in_child(partial(written, level)) for level in levels},
        "wrong": step(tflite_runtime.set_log_level, "loud"),
        "empty": step(tflite_runtime.set_log_level, ""),
        "number": step(tflite_runtime.set_log_level, 3),
        "none": step(tflite_runtime.set_log_level, None),
        "native": step(native.SetLogLevel, None),
    }
