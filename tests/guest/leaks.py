"""Repeat what users repeat and write how memory grew: ``-m guest.leaks REPORT``.

Runs where ``guest.behaviour`` runs. For each scenario, after a warm-up: the growth, in
each quarter of its cycles, of Python's allocated blocks, of the bytes that malloc has given out
(exact, both) and of the process's resident kilobytes, which include the emulator's own. A leak
grows in every quarter; tables of Python, of its allocator and of ctypes grow now and then.
"""

from __future__ import annotations

import gc
import json
import os
import pathlib
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from tflite_runtime import interpreter as runtime

from . import heap

Interpreter: Any = runtime.Interpreter
InterpreterWithCustomOps: Any = runtime.InterpreterWithCustomOps
"""Of any type, for what is private in them is used and what is wrong is given to them."""

CYCLES = 2000
WARM_UP = 200
QUARTERS = 4
PAGE = os.sysconf("SC_PAGE_SIZE") // 1024

if TYPE_CHECKING:
    Cycle = Callable[[], object]

SCENARIOS: dict[str, Callable[[], Cycle]] = {}
ROW = np.arange(8, dtype=np.float32).reshape(1, 8)
FOUR = ROW[:, :4].copy()


def main(report: str) -> None:
    """Run all scenarios and write the report."""
    grown: dict[str, dict[str, list[float]]] = {}
    for name, prepare in SCENARIOS.items():
        start = time.monotonic()
        cycle = prepare()
        repeat(cycle, WARM_UP)
        marks = [used()]
        grown[name] = {kind: [] for kind in marks[0]}
        for _ in range(QUARTERS):
            repeat(cycle, CYCLES // QUARTERS)
            marks.append(used())
            for kind, seen in grown[name].items():
                seen.append(marks[-1][kind] - marks[-2][kind])
        grown[name]["seconds"] = [round(time.monotonic() - start, 2)]
    content = {"cycles": CYCLES, "grown": grown}
    pathlib.Path(report).write_text(json.dumps(content, indent=1), encoding="utf-8")


def repeat(cycle: Cycle, times: int) -> None:
    for _ in range(times):
        cycle()
    gc.collect()


def used() -> dict[str, int]:
    """What is in use now."""
    resident = pathlib.Path("/proc/self/statm").read_text().split()[1]
    return {
        "blocks": sys.getallocatedblocks(),
        "bytes": heap.allocated(),
        "resident": int(resident) * PAGE,
    }


def scenario(prepare: Callable[[], Cycle]) -> Callable[[], Cycle]:
    """Make a function that prepares and returns one cycle a scenario."""
    SCENARIOS[prepare.__name__] = prepare
    return prepare


def once(interpreter: Any) -> Any:
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, FOUR)
    interpreter.invoke()
    return interpreter.get_tensor(3)


@scenario
def interpreter_from_a_file() -> Cycle:
    return lambda: once(Interpreter("chain.tflite"))


@scenario
def interpreter_from_bytes() -> Cycle:
    content = pathlib.Path("chain.tflite").read_bytes()
    return lambda: once(Interpreter(model_content=content))


@scenario
def interpreter_with_a_signature() -> Cycle:
    return lambda: Interpreter("arithmetic.tflite").allocate_tensors()


@scenario
def interpreter_with_registerers() -> Cycle:
    registerers = [lambda address: None, lambda address: address]
    return lambda: InterpreterWithCustomOps(registerers, model_path="chain.tflite")


@scenario
def interpreter_with_a_delegate() -> Cycle:
    path = str(pathlib.Path("delegate.so").resolve())

    def cycle() -> None:
        delegate = runtime.load_delegate(path, {"key": "value"})
        once(Interpreter("chain.tflite", experimental_delegates=[delegate]))

    return cycle


@scenario
def inference() -> Cycle:
    interpreter = Interpreter("chain.tflite")
    interpreter.allocate_tensors()

    def cycle() -> None:
        interpreter.set_tensor(0, FOUR[:, ::-1])
        interpreter.invoke()
        interpreter.get_tensor(3)

    return cycle


@scenario
def reallocation() -> Cycle:
    interpreter = Interpreter("chain.tflite")

    def cycle() -> None:
        for size in (3, 4):
            interpreter.resize_tensor_input(0, [1, size])
            interpreter.allocate_tensors()
        interpreter.reset_all_variables()

    return cycle


@scenario
def views() -> Cycle:
    interpreter = Interpreter("chain.tflite")
    interpreter.allocate_tensors()
    view = interpreter.tensor(0)

    def cycle() -> None:
        view()[...] = 3
        view()[:, 1:].sum()

    return cycle


@scenario
def signature_runner() -> Cycle:
    interpreter = Interpreter("arithmetic.tflite")
    interpreter.allocate_tensors()
    runner = interpreter.get_signature_runner()
    return lambda: runner(left=ROW, right=ROW)


@scenario
def signature_lists() -> Cycle:
    interpreter = Interpreter("arithmetic.tflite")
    return lambda: (interpreter.get_signature_list(), interpreter._get_full_signature_list())


@scenario
def details() -> Cycle:
    interpreter = Interpreter("mobilenet-0.25-96-int8.tflite")

    def cycle() -> None:
        interpreter.get_input_details()
        interpreter.get_output_details()
        interpreter._get_tensor_details(2, 0)
        interpreter._get_op_details(1)
        interpreter._native_handle()

    return cycle


@scenario
def details_of_sparse_tensors() -> Cycle:
    interpreter = Interpreter("sparse.tflite")
    return lambda: interpreter._get_tensor_details(2, 0)


@scenario
def strings() -> Cycle:
    interpreter = Interpreter("words.tflite")
    interpreter.allocate_tensors()
    values = np.array(["one", "two"]), np.array([b"three", "four"], object)

    def cycle() -> None:
        for value in values:
            interpreter.set_tensor(0, value)
            interpreter.invoke()
            interpreter.get_tensor(1)

    return cycle


@scenario
def what_is_copied_otherwise() -> Cycle:
    """Arrays of another byte order; tensors that NumPy has no view of."""
    types = Interpreter("types.tflite")
    types.allocate_tensors()
    index = {item["name"]: item["index"] for item in types.get_input_details()}
    swapped = np.zeros((2, 3), np.float32).astype(">f4")
    small = np.zeros((2, 3), np.int8)
    words = Interpreter("words.tflite")
    words.set_tensor(0, np.array(["one", "two"]))

    def cycle() -> None:
        types.set_tensor(index["float32"], swapped)
        types.set_tensor(index["int4"], small)
        types.get_tensor(index["int4"])
        types.tensor(index["int4"])()
        words.tensor(0)()

    return cycle


@scenario
def refused_tensors() -> Cycle:
    gather, words = Interpreter("gather.tflite"), Interpreter("words.tflite")
    gather.allocate_tensors()
    types = Interpreter("types.tflite")
    types.allocate_tensors()
    wrong: tuple[Cycle, ...] = (
        lambda: gather.set_tensor(0, np.zeros(3, np.float32)),
        lambda: gather._get_tensor_details(0, 9),
        lambda: words.get_tensor(0),
        lambda: words.tensor(0)(),
        lambda: types.set_tensor(6, np.full((2, 3), 8, np.int8)),
    )

    def cycle() -> None:
        for action in wrong:
            try:
                action()
            except ValueError:
                continue
            raise AssertionError(action)

    return cycle


@scenario
def refused_delegates() -> Cycle:
    path = str(pathlib.Path("delegate.so").resolve())
    wrong = (("missing.so",), ("libm.so.6",), (path, "abc"), (path, {"error": "no"}))

    def cycle() -> None:
        for given in wrong:
            try:
                runtime.load_delegate(*given)
            except (AttributeError, OSError, ValueError):
                continue
            raise AssertionError(given)

    return cycle


@scenario
def refused_arguments() -> Cycle:
    interpreter = Interpreter("chain.tflite")
    interpreter.allocate_tensors()
    native = interpreter._interpreter
    wrong = (
        *((native.GetTensor, ("x",)), (native.GetTensor, ()), (native.GetTensor, (2**40,))),
        *((native.SetTensor, (0, ROW)), (native.SetTensor, (0, FOUR.astype(int)))),
        *((native.SetTensor, (0, None)), (native.SetTensor, (0, [[1], [2, 3]]))),
        *((native.SetTensor, (99, FOUR)), (native.GetTensor, (99,)), (native.NodeInputs, (99,))),
        *((native.ResizeInputTensor, (0, ROW, True)), (native.Invoke, (7,))),
        *((native.GetSubgraphIndexFromSignature, ("x",)), (type(native), ())),
    )

    def cycle() -> None:
        for method, arguments in wrong:
            try:
                method(*arguments)
            except (TypeError, ValueError, RuntimeError):
                continue
            raise AssertionError(method)

    return cycle


@scenario
def refused_strings() -> Cycle:
    interpreter = Interpreter("words.tflite")
    interpreter.allocate_tensors()
    wrong = np.array(["\udcff", "b"]), np.array([1, 2], object), ["a", "b"]

    def cycle() -> None:
        for value in wrong:
            try:
                interpreter.set_tensor(0, value)
            except ValueError:
                continue
            raise AssertionError(value)

    return cycle


@scenario
def refused_models() -> Cycle:
    bad = pathlib.Path("bad-noise.tflite").read_bytes()

    def fail(address: int) -> None:
        raise KeyError(address)

    wrong: tuple[Cycle, ...] = (
        lambda: Interpreter("missing.tflite"),
        lambda: Interpreter("bad-truncated.tflite"),
        lambda: Interpreter(model_content=bad),
        lambda: Interpreter(model_content=bytearray(bad)),
        lambda: InterpreterWithCustomOps([fail], model_path="chain.tflite"),
        lambda: InterpreterWithCustomOps(["no_such_symbol"], model_path="chain.tflite"),
        lambda: InterpreterWithCustomOps([3], model_path="chain.tflite"),
    )

    def cycle() -> None:
        for make in wrong:
            try:
                make()
            except (KeyError, TypeError, ValueError):
                continue
            raise AssertionError(make)

    return cycle


if __name__ == "__main__":
    main(*sys.argv[1:])
