"""Delegates."""

from __future__ import annotations

import copy
import ctypes
import gc
import os
import pathlib
import pickle
import sys
from typing import Any

import numpy as np
from tflite_runtime import interpreter as runtime

from .files import DELEGATE, HALF, Named, copied, library
from .models import computed, opened
from .report import Told, step
from .runner import case


def delegate(**options: Any) -> Any:
    return runtime.load_delegate(DELEGATE, options)


@case
def load_delegate_fails() -> dict[str, Told]:
    return {
        "missing": step(runtime.load_delegate, "missing.so"),
        "missing_path": step(runtime.load_delegate, pathlib.Path("missing.so")),
        "no_destroy": step(runtime.load_delegate, HALF),
        "refused_in_no_words": step(lambda: delegate(garbled="")),
        "missing_symbol": step(runtime.load_delegate, "libm.so.6"),
        "no_library": step(runtime.load_delegate, "arithmetic.tflite"),
        "refused": step(lambda: delegate(error="not today")),
        "refused_silently": step(lambda: delegate(error="")),
        "number": step(runtime.load_delegate, 3),
        "bad_options": step(runtime.load_delegate, DELEGATE, "abc"),
    }


@case
def load_delegate_is_quiet() -> object:
    """What is raised where nobody can catch it, as ``__del__`` could do."""
    seen = []
    before: Any = getattr(sys, "unraisablehook", None)  # none in 3.7
    sys.unraisablehook = lambda unraisable: seen.append(str(unraisable.exc_value))
    try:
        told = load_delegate_fails()
        load_delegate_by_path()
        gc.collect()
    finally:
        sys.unraisablehook = before
    return [seen, all("raises" in each.content for each in told.values())]


@case
def load_delegate_by_path() -> object:
    here = pathlib.Path(copied(DELEGATE, "with spaces and ä.so"))
    values = {
        "relative": here,
        "absolute": here.resolve(),
        "bytes": os.fsencode(str(here.resolve())),
        "path_of_bytes": Named(os.fsencode(str(here))),
        "text": str(here.resolve()),
    }

    def outputs(value: Any) -> object:
        made = runtime.load_delegate(value)
        return computed(opened("arithmetic", experimental_delegates=[made]))

    return {name: step(outputs, value) for name, value in values.items()}


@case
def load_delegate_works() -> object:
    counters = library()
    counts = [ctypes.c_int.in_dll(counters, name) for name in ("created", "destroyed", "prepared")]
    start = [count.value for count in counts]

    def since() -> list[int]:
        return [count.value - before for count, before in zip(counts, start)]

    made = delegate(anything=1)
    told = {
        "type": type(made),
        "pointer": [type(made._get_native_delegate_pointer()) is int],
        "made": since(),
    }
    interpreter = opened("arithmetic", experimental_delegates=[made])
    told["applied"] = since()
    told["outputs"] = computed(interpreter)
    del made
    told["held"] = since()
    del interpreter
    gc.collect()
    told["dropped"] = since()
    return told


@case
def delegate_that_fails_to_prepare() -> object:
    made = delegate(prepare=1)
    return {
        "option": step(opened, "arithmetic", experimental_delegates=[made]),
        "native": step(
            opened("arithmetic")._interpreter.ModifyGraphWithDelegate,
            made._get_native_delegate_pointer(),
        ),
        "two": step(opened, "arithmetic", experimental_delegates=[delegate(), made]),
    }


@case
def delegate_by_address() -> object:
    made = delegate()
    pointer = made._get_native_delegate_pointer()
    interpreter = opened("arithmetic")
    return {
        "result": step(interpreter._interpreter.ModifyGraphWithDelegate, pointer),
        "numpy": step(
            opened("arithmetic")._interpreter.ModifyGraphWithDelegate, np.uint64(pointer)
        ),
        "outputs": computed(interpreter),
    }


@case
def delegates_are_not_copied() -> object:
    made = delegate()
    ways = (copy.copy, copy.deepcopy, pickle.dumps)
    return [[step(way, made) for way in ways], computed(opened("arithmetic"))]


@case
def delegates_that_are_none() -> object:
    return {
        "object": step(opened, "arithmetic", experimental_delegates=[object()]),
        "text": step(opened, "arithmetic", experimental_delegates="abc"),
        "none": step(opened, "arithmetic", experimental_delegates=None),
        "empty": step(opened, "arithmetic", experimental_delegates=[]),
    }
