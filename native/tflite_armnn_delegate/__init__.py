"""The Arm NN delegate for TensorFlow Lite.

::

    import tflite_armnn_delegate, tflite_runtime.interpreter as tfl

    delegate = tflite_armnn_delegate.load(num_threads=4)
    interpreter = tfl.Interpreter("model.tflite", experimental_delegates=[delegate])
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

__all__ = ["BACKENDS", "LOG_LEVELS", "MAX_THREADS", "load", "path"]

BACKENDS = ("CpuAcc", "CpuRef")
"""Arm Compute Library's Neon kernels, and Arm NN's reference, which knows more but is slow."""

LOG_LEVELS = ("trace", "debug", "info", "warning", "error", "fatal")

MAX_THREADS = 64
"""Arm NN leaves a larger number unheeded."""

_RUNTIMES = ("tflite_runtime", "ai_edge_litert")
_HERE = Path(__file__).resolve().parent


def path() -> str:
    """Where the library is, for C++ and for ``load_delegate``."""
    return str(_HERE / "libarmnnDelegate.so")


def load(
    *,
    backends: str | Sequence[str] | None = None,
    num_threads: int | None = None,
    reduce_fp32_to_fp16: bool = False,
    fast_math: bool = False,
    profiling: bool = False,
    log_level: str | None = None,
    **unknown: NoReturn,
) -> Any:
    """A delegate for ``Interpreter(..., experimental_delegates=[delegate])``.

    ``backends``: of ``BACKENDS``, the first that supports an operator runs it; None lets the
    delegate choose by the model.
    ``num_threads``: 1 to ``MAX_THREADS``; None is one for each processor. The threads are the
    process's: all its interpreters share them, and each uses as many of them as its delegate says.
    ``reduce_fp32_to_fp16``: compute FP32 models in FP16, where the processor can (a Raspberry Pi 5
    can), else in FP32.
    ``fast_math``: let convolutions be computed by faster, less exact algorithms (Winograd).
    ``profiling``: after each inference print the time of every layer, JSON, to standard output.
    ``log_level``: print Arm NN's own log from this of ``LOG_LEVELS`` on to standard output.

    Raises TypeError or ValueError for an option or a value that there is not, naming those that
    there are, and ImportError if neither tflite-runtime nor ai-edge-litert is installed.
    """
    if unknown:
        raise TypeError(_unknown("option", sorted(unknown)[0], load.__kwdefaults__ or ()))
    options = {
        "number-of-threads": str(_threads(num_threads)),
        "reduce-fp32-to-fp16": _flag("reduce_fp32_to_fp16", reduce_fp32_to_fp16),
        "enable-fast-math": _flag("fast_math", fast_math),
        "enable-internal-profiling": _flag("profiling", profiling),
    }
    if backends is not None:
        options["backends"] = ",".join(_backends(backends))
    if log_level is not None:
        options["logging-severity"] = _one_of("log level", log_level, LOG_LEVELS)
    return _interpreter().load_delegate(path(), options)


def _backends(named: str | Sequence[str]) -> list[str]:
    names = named.split(",") if isinstance(named, str) else list(named)
    if not names:
        raise ValueError(f"backends is empty; there are {', '.join(BACKENDS)}")
    return [_one_of("backend", name, BACKENDS) for name in names]


def _threads(number: int | None) -> int:
    if number is None:
        return min(len(os.sched_getaffinity(0)), MAX_THREADS)
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError(f"num_threads must be an int or None, not {number!r}")
    if not 1 <= number <= MAX_THREADS:
        raise ValueError(f"num_threads must be 1 to {MAX_THREADS}, not {number}")
    return number


def _flag(name: str, value: bool) -> str:
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {value!r}")
    return "1" if value else "0"


def _one_of(kind: str, value: str, valid: Sequence[str]) -> str:
    if value not in valid:
        raise ValueError(_unknown(kind, value, valid))
    return value


def _unknown(kind: str, value: object, valid: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(value), list(valid), n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"There is no {kind} {value!r}; there are {', '.join(valid)}.{hint}"


def _interpreter() -> Any:
    """The module of an installed runtime, first of one that is in use."""
    for name in sorted(_RUNTIMES, key=lambda name: name not in sys.modules):
        try:
            return importlib.import_module(f"{name}.interpreter")
        except ModuleNotFoundError as error:
            if error.name not in (name, f"{name}.interpreter"):
                raise
    raise ImportError(
        "tflite_armnn_delegate needs TensorFlow Lite: "
        "`pip install tflite-runtime` or `pip install ai-edge-litert`"
    )


def __getattr__(name: str) -> str:
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    (info,) = _HERE.parent.glob(f"{__name__}-*.dist-info")
    return info.stem.split("-")[1]
