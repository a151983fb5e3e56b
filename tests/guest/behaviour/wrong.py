"""Models and calls that are wrong: each has an exception."""

from __future__ import annotations

import gc
import resource
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tflite_runtime import _pywrap_tensorflow_interpreter_wrapper as native
from tflite_runtime.interpreter import Interpreter

from .files import content
from .models import opened, ready
from .report import step
from .runner import case, in_child, mortal


@case
def wrong_models() -> object:
    paths = sorted(Path().glob("wrong-*.tflite"))
    names = [path.stem.partition("-")[2] for path in paths]
    return {
        name: in_child(lambda path=path: Interpreter(str(path)))  # type: ignore[misc]
        for name, path in zip(names, paths)
    }


HOSTILE: dict[str, list[tuple[str, Any]]] = {
    "ATAN2": [("x1", (2, 0))],
    "BATCH_TO_SPACE_ND": [("x1", [-2, -2]), ("x1", [2**30, 4]), ("x2", [[9, 9], [0, 0]])],
    "BROADCAST_ARGS": [("x0", [2, 7]), ("x1", [3, 3])],
    "DIV": [("x1", [[0, 1, 2], [3, 4, 5]])],
    "EMBEDDING_LOOKUP_SPARSE": [("x1", [[-9, 0]] * 3), ("x1", [[2**30, 0]] * 3)],
    "L2_NORMALIZATION": [("x0", ())],
    "MATRIX_SET_DIAG": [("x1", (2, 0)), ("x1", (2, 2))],
    "MIRROR_PAD": [("x1", [[3, 0], [0, 0]]), ("x1", [[0, -1], [0, 0]])],
    "NON_MAX_SUPPRESSION_V5": [("x2", 2**31 - 1), ("x2", -1)],
    "ONE_HOT": [("x1", -1), ("x1", 2**31 - 1)],
    "PAD": [("x1", [[0, 0], [2**31 - 1, 2**31 - 1], [0, 0], [0, 0]])],
    "POW": [("x0", (1, 1, 1, 1, 1, 2, 3))],
    "RANDOM_UNIFORM": [("x0", [-1, 0]), ("x0", [2**30, 2**30])],
    "RESIZE_BILINEAR": [("x1", [0, 6]), ("x0", (1, 0, 4, 2))],
    "REVERSE_SEQUENCE": [("x1", [1, 9]), ("x1", [-1, 1])],
    "SCATTER_ND": [("x0", [[9], [0]]), ("x0", [[-1], [0]]), ("x2", [2**30, 3])],
    "SLICE": [("x1", [0, 9]), ("x1", [-1, 0]), ("x2", [9, 1]), ("x2", [-2, 1])],
    "SPACE_TO_BATCH_ND": [("x1", [0, 2]), ("x2", [[-4, 0], [0, 0]])],
    "SPARSE_TO_DENSE": [("x0", [[9, 9], [0, 0]]), ("x0", [[0, 0], [0, -1]])],
    "SPLIT": [("x0", (0,)), ("x0", [9])],
    "SPLIT_V": [("x1", [9, -4]), ("x1", [1, 1]), ("x2", [-9])],
    "TILE": [("x1", [2**30 + 1, 1]), ("x1", [-1, 1])],
    "TOPK_V2": [("x1", [9])],
    "TRANSPOSE_CONV": [("x0", [5, 64, 10, 10]), ("x0", [1, 8, 8, 2]), ("x0", [1, 4, 4, 9])],
    "UNSORTED_SEGMENT_SUM": [("x1", [0, 9, 0]), ("x2", -1)],
}
"""By kernel, an input and hostile values for it, or a shape for it, as a tuple."""


@case
def kernels_refuse() -> object:
    def outcome(name: str, changed: str, value: Any) -> str:
        return str(in_child(lambda: hostile(name, changed, value)).content)

    return {
        name: sorted({outcome(name, *change) for change in changes})
        for name, changes in HOSTILE.items()
    }


def hostile(name: str, changed: str, value: Any) -> object:
    """What the kernel says to a changed input, and whether its own values are right after it."""
    interpreter = opened("kernel-" + name)
    right = np.load("kernel-" + name + ".npz")

    def run(values: Mapping[str, Any]) -> None:
        for item in interpreter.get_input_details():
            given = values[item["name"]]
            shape = given if isinstance(given, tuple) else np.shape(given)
            interpreter.resize_tensor_input(item["index"], shape)
        interpreter.allocate_tensors()
        for item in interpreter.get_input_details():
            given = values[item["name"]]
            zeros = np.zeros(given, item["dtype"]) if isinstance(given, tuple) else given
            interpreter.set_tensor(item["index"], np.array(zeros, item["dtype"]))
        interpreter.invoke()

    run(right)
    told = step(run, {**right, changed: value}).content
    run(right)
    return told.get("raises") if isinstance(told, dict) else told


@mortal
def views_hold_the_model() -> object:
    model = bytes(bytearray(content("mobilenet-0.25-96-float32")))
    interpreter = Interpreter(model_content=model)
    constants = [
        index
        for index in range(len(interpreter.get_tensor_details()))
        if not step(interpreter.get_tensor, index).content.get("raises")
    ]
    views = [interpreter.tensor(index)() for index in constants]
    values = [view.copy() for view in views]
    del model, interpreter
    gc.collect()
    filled = [b"\xff" * 100_000 for _ in range(100)]
    same = [np.array_equal(*pair) for pair in zip(views, values)]
    return [len(views) > 20, all(same), len(filled)]


@mortal
def errors_do_not_grow() -> object:
    interpreter = ready("gather")
    interpreter.set_tensor(1, np.array([9, 9], np.int32))
    return len({step(interpreter.invoke).content["message"] for _ in range(200)})


@case
def nul_in_a_path() -> object:
    more = [1, False, False] if hasattr(native.InterpreterWrapper, "NumSubgraphs") else []
    path = "arithmetic.tflite\0x"
    return step(native.CreateWrapperFromFile, path, 1, [], [], False, False, *more)


@mortal
def too_many_threads() -> object:
    return {
        "constructor": step(opened, "arithmetic", num_threads=5000),
        "method": step(opened("arithmetic")._interpreter.SetNumThreads, 5000),
    }


@mortal
def text_that_unicode_has_not() -> object:
    beyond = np.array([0x110000, 0x7FFFFFFF], np.uint32).view("U1")
    interpreter = ready("words")
    return step(interpreter.set_tensor, 0, beyond)


@mortal
def object_arrays_of_rank_0() -> object:
    def put(value: object) -> object:
        interpreter = ready("scalar")
        interpreter.set_tensor(1, np.array(value, object))
        return interpreter.get_tensor(1)

    return {"bytes": step(put, b"x"), "none": step(put, None)}


@mortal
def what_numpy_has_not() -> object:
    """Values of a VARIANT, and an array of 70 dimensions."""
    interpreter = ready("variant")
    interpreter.resize_tensor_input(0, [1] * 70)
    interpreter.allocate_tensors()
    readers = {"get": interpreter.get_tensor, "view": lambda index: interpreter.tensor(index)()}
    return {
        way: {"variant": step(read, 1), "dimensions": step(read, 0).content["raises"]}
        for way, read in readers.items()
    }


@mortal
def memory_that_was_refused() -> object:
    """A shape that needs more memory than there is, and after it one that fits."""
    interpreter = ready("chain")
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = used + (1 << 29)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    limited = resource.getrlimit(resource.RLIMIT_AS)[0] == limit  # an emulator takes none

    def run(rows: int) -> object:
        interpreter.resize_tensor_input(0, [rows, 4])
        interpreter.allocate_tensors()
        interpreter.set_tensor(0, np.ones([rows, 4], np.float32))
        interpreter.invoke()
        return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])

    refused = not limited or "raises" in step(run, 1 << 26).content
    return {"refused": refused, "right": step(run, 2), "again": step(run, 1)}
