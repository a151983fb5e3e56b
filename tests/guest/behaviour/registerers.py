"""Custom operators."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

from tflite_runtime.interpreter import InterpreterWithCustomOps

from .files import content, library
from .models import computed, opened
from .report import step
from .runner import case


def registered(*registerers: Any, **options: Any) -> Any:
    return InterpreterWithCustomOps(list(registerers), model_path="arithmetic.tflite", **options)


@case
def registerers_by_function() -> object:
    seen: list[Any] = []

    def note(*given: Any) -> str:
        seen.append([type(given[0]) is int, given[0] > 2**16, len(given)])
        return "ignored"

    def fail(address: int) -> None:
        raise KeyError("from the registerer")

    class Called:
        def __call__(self, address: int) -> None:
            seen.append("called")

    told: dict[str, Any] = {
        "function": step(registered, note),
        "two": step(registered, note, note),
        "bytes": step(InterpreterWithCustomOps, [note], model_content=content("arithmetic")),
        "computes": step(lambda: computed(registered(note))),
        "raising": step(registered, fail),
        "no_argument": step(registered, lambda: None),
        "callable": step(registered, Called()),
        "builtin": step(registered, abs),
        "builtin_raising": step(registered, len),
        "method": step(registered, [].append),
        "none": step(registered, None),
        "int": step(registered, 3),
        "class": step(registered, int),
    }
    told["seen"] = seen
    told["tuple"] = step(InterpreterWithCustomOps, (note,), model_path="arithmetic.tflite")
    return told


@case
def registerers_by_name() -> object:
    delegate = library(ctypes.RTLD_GLOBAL)
    resolver = ctypes.c_void_p.in_dll(delegate, "resolver")
    count = ctypes.c_int.in_dll(delegate, "registered")
    seen: list[int] = []
    return {
        "missing": step(registered, "no_such_symbol"),
        "empty": step(registered, ""),
        "umlaut": step(registered, "ä"),
        "surrogate": step(registered, "\udcff"),
        "found": step(lambda: computed(registered("register_nothing"))),
        "same_address": step(
            lambda: registered("register_nothing", seen.append) and seen == [resolver.value]
        ),
        "count": step(lambda: count.value),
        "then_missing": step(registered, "register_nothing", "no_such_symbol"),
    }


@case
def registerers_share_references() -> object:
    def note(address: int) -> None:
        pass

    before = sys.getrefcount(note)
    interpreter = InterpreterWithCustomOps([note], model_path="arithmetic.tflite")
    during = sys.getrefcount(note)
    del interpreter
    return [during - before, sys.getrefcount(note) - before]


@case
def unknown_operator() -> object:
    interpreter = opened("bad-unknown-operator")
    return {
        "allocate": step(interpreter.allocate_tensors),
        "again": step(interpreter.allocate_tensors),
        "invoke": step(interpreter.invoke),
        "nodes": interpreter._get_ops_details(),
    }
