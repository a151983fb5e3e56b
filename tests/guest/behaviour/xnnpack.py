"""XNNPACK's options, of a program and of the environment."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from tflite_runtime import _pywrap_tensorflow_interpreter_wrapper as native
from tflite_runtime import interpreter as runtime
from tflite_runtime import xnnpack

from .delegates import delegate
from .models import computed, opened
from .report import Told, step
from .runner import case, in_child

PICTURES = np.random.RandomState(1).rand(3, 96, 96, 3)


def given(**options: Any) -> dict[str, Any]:
    """The argument of an interpreter that computes with XNNPACK so."""
    return {"experimental_delegates": [xnnpack.delegate(**options)]}


def operators(interpreter: Any) -> list[str]:
    interpreter.allocate_tensors()
    return [each["op_name"] for each in interpreter._get_ops_details()]


def classified(kind: str, **options: Any) -> Any:
    """What MobileNet makes of a picture, as numbers of FP32."""
    interpreter = opened(f"mobilenet-0.25-96-{kind}", **options)
    interpreter.allocate_tensors()
    dtype = interpreter.get_input_details()[0]["dtype"]
    values = PICTURES[:1] if dtype is np.float32 else PICTURES[:1] * 100
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], values.astype(dtype))
    interpreter.invoke()
    output = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    return output.astype(np.float32)


def close(one: Any, other: Any) -> bool:
    """Whether two results lie within a fifth of the largest number of each other."""
    return bool(np.abs(one - other).max() <= np.abs(one).max() / 5)


@case
def xnnpack_options() -> dict[str, Told]:
    def outputs(**options: Any) -> object:
        return computed(opened("arithmetic", **given(**options)))

    def loaded(**options: Any) -> object:
        made = runtime.load_delegate(native.__file__, options)
        return computed(opened("arithmetic", experimental_delegates=[made]))

    refused = {str(value): value for value in (-1, 1025, True, "four")}
    return {
        "none": step(outputs),
        "threads": step(outputs, num_threads=2),
        "no_threads": step(outputs, num_threads=0),
        "fp32": step(outputs, precision="fp32"),
        "fp16": step(outputs, precision="fp16"),
        "all": step(outputs, num_threads=2, precision="fp16"),
        "loaded": step(loaded),
        "loaded_all": step(loaded, num_threads=2, precision="fp16"),
        "word": step(outputs, precision="half"),
        "capitals": step(outputs, precision="FP16"),
        "number": step(outputs, precision=16),
        "float": step(outputs, num_threads=2.0),
        **{name: step(outputs, num_threads=value) for name, value in refused.items()},
    }


@case
def xnnpack_options_loaded() -> dict[str, str]:
    """What is said of wrong options; the library's path is before it."""

    def said(options: Any) -> str:
        try:
            runtime.load_delegate(native.__file__, options)
        except ValueError as error:
            return str(error).rpartition("' ")[2]
        return ""

    return {"unknown": said({"precison": "fp16"}), "value": said({"precision": "f16"})}


@case
def xnnpack_is_applied_once() -> object:
    without = runtime.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    twice = [xnnpack.delegate(), xnnpack.delegate(precision="fp16")]
    return [
        operators(opened("arithmetic", **given())),
        operators(opened("arithmetic", num_threads=2, **given(precision="fp16"))),
        operators(opened("arithmetic", experimental_op_resolver_type=without, **given())),
        operators(opened("arithmetic", experimental_delegates=twice)),
    ]


@case
def xnnpack_after_another_delegate() -> object:
    made = [xnnpack.delegate(), delegate()]
    return computed(opened("arithmetic", experimental_delegates=made))


@case
def xnnpack_that_nobody_holds() -> object:
    """An interpreter takes the options at once: of a list that is cleared, and of a generator."""
    listed = [xnnpack.delegate(precision="fp16")]
    cleared = opened("arithmetic", experimental_delegates=listed)
    listed.clear()
    generated = (xnnpack.delegate(precision="fp16") for _ in range(1))
    return [computed(cleared), computed(opened("arithmetic", experimental_delegates=generated))]


@case
def xnnpack_in_many_interpreters() -> object:
    """One delegate in several interpreters, of one thread after another and of four at once."""
    options = given(precision="fp16")
    alone = classified("float32", **given(precision="fp16"))
    results = [classified("float32", **options) for _ in range(2)]

    def work() -> None:
        results.extend(classified("float32", **options) for _ in range(3))

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return [len(results), all(np.array_equal(result, alone) for result in results)]


@case
def xnnpack_in_fp16() -> object:
    """That FP16 is near FP32, and that models which are not for it are left as they are."""
    options = given(precision="fp16")

    def same(kind: str) -> bool:
        return np.array_equal(classified(kind), classified(kind, **options))

    floating = classified("float32"), classified("float32", **options)
    variables = [variable(**each) for each in ({}, options)]
    return {
        "close": close(*floating),
        "int8": same("int8"),
        "uint8": same("uint8"),
        "dynamic": step(same, "dynamic"),
        "operator": step(largest, **options),
        "variable": np.array_equal(*variables),
    }


def largest(**options: Any) -> Any:
    """What an operator computes that XNNPACK does not have in FP16; only 2.22 runs it."""
    interpreter = opened("argmax", **options)
    interpreter.allocate_tensors()
    values = np.arange(16, dtype=np.float32) + 2049.5  # FP16 holds no odd number this large
    interpreter.set_tensor(0, values.reshape(1, 4, 4, 1))
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).ravel().tolist()


def variable(**options: Any) -> Any:
    """A number that FP16 does not hold, set and read by two signatures."""
    interpreter = opened("resources", **options)
    interpreter.allocate_tensors()
    interpreter.get_signature_runner("assign")(value=np.array([1.1, 2.2], np.float32))
    added = np.array([10, 20], np.float32)
    return interpreter.get_signature_runner("read")(added=added)["total"]


@case
def xnnpack_in_fp16_with_weights_of_an_input() -> object:
    """A product whose weights and bias are not constants."""
    interpreter = opened("dense", **given(precision="fp16"))
    interpreter.allocate_tensors()
    for each in interpreter.get_input_details():
        interpreter.set_tensor(each["index"], np.full(each["shape"], 0.5, np.float32))
    interpreter.invoke()
    output = interpreter.get_output_details()[0]["index"]
    return interpreter.get_tensor(output).ravel().tolist()


@case
def xnnpack_in_signature_runners() -> object:
    """An interpreter whose program does not call allocate_tensors()."""
    interpreter = opened("branches", **given(precision="fp16"))
    runner = interpreter.get_signature_runner("total")
    runner(x=np.ones((1, 4, 4, 2), np.float32))
    return interpreter._get_ops_details()[-1]["op_name"]


@case
def shapes_that_xnnpack_refuses() -> dict[str, Told]:
    interpreter = opened("products")

    def products(*shape: int) -> list[object]:
        if len(shape) != len(interpreter.get_tensor(0)):
            interpreter.resize_tensor_input(0, [len(shape)])
            interpreter.allocate_tensors()
        interpreter.set_tensor(0, np.array(shape, np.int32))
        interpreter.invoke()
        outputs = interpreter.get_output_details()
        return [outputs[0]["shape"], *(interpreter.get_tensor(each["index"]) for each in outputs)]

    def sums(*shape: int) -> object:
        for index in (0, 1):
            resized.resize_tensor_input(index, shape)
        resized.allocate_tensors()
        for index in (0, 1):
            resized.set_tensor(index, np.full(shape, 2 + index, np.float32))
        resized.invoke()
        return resized.get_tensor(2)

    resized = opened("arithmetic")
    steps: dict[str, Callable[[], object]] = {
        "uses": partial(operators, interpreter),
        "two": partial(products, 2, 2),
        "none": partial(products, 0, 2),
        "seven": partial(products, 1, 1, 1, 1, 1, 2, 2),
        "again": partial(products, 1, 2),
        "left": partial(operators, interpreter),
        "empty": partial(sums, 0, 8),
        "one": partial(sums, 1, 1),
        "resized": partial(sums, 1, 1, 1, 1, 1, 1, 2),
        "resized_again": partial(sums, 1, 2),
    }
    return {name: step(each) for name, each in steps.items()}


@case
def constants_after_resizing() -> object:
    """What GATHER reads of a constant in FP16, of which there is another one for XNNPACK."""
    interpreter, told = opened("products"), []
    for shape in ((3, 2), (5, 1, 2), (1, 2)):
        interpreter.resize_tensor_input(0, [len(shape)])
        interpreter.allocate_tensors()
        interpreter.set_tensor(0, np.array(shape, np.int32))
        interpreter.invoke()
        told.append(interpreter.get_tensor(interpreter.get_output_details()[1]["index"]))
    return told


@case
def xnnpack_after_resizing() -> object:
    """Results of one picture and of several, each near those of an interpreter without options."""
    pairs = opened("resizable", **given(precision="fp16")), opened("resizable")
    told = []
    for count in (1, 3, 2):
        results = []
        for interpreter in pairs:
            index = interpreter.get_input_details()[0]["index"]
            shape = [count, *interpreter.get_input_details()[0]["shape"][1:]]
            interpreter.resize_tensor_input(index, shape)
            interpreter.allocate_tensors()
            values = np.arange(np.prod(shape)).reshape(shape) % 7
            interpreter.set_tensor(index, values.astype(np.float32))
            interpreter.invoke()
            output = interpreter.get_output_details()[0]["index"]
            results.append(interpreter.get_tensor(output))
        told.append([len(results[0]), close(*results)])
    return told


def threads() -> int:
    """How many threads this process has; those that end are waited for."""
    before, now = 0, -1
    while before != now:
        before = now
        time.sleep(0.1)
        now = len(os.listdir("/proc/self/task"))  # noqa: PTH208
    return now


def started(**options: Any) -> int:
    """How many threads an interpreter starts."""
    before = threads()
    interpreter = opened("mobilenet-0.25-96-float32", **options)
    interpreter.allocate_tensors()
    interpreter.invoke()
    return threads() - before


@case
def xnnpack_threads() -> object:
    """The threads that are started: the interpreter's own, but for the delegate's number."""
    return [
        [started(**given()), started(num_threads=3, **given())],
        [started(**given(num_threads=2)), started(num_threads=3, **given(num_threads=0))],
        [started(**given(num_threads=3)), started(num_threads=3, **given(num_threads=2))],
        [started(**given(num_threads=3, precision="fp16"))],
    ]


@case
def xnnpack_threads_in_a_forked_child() -> object:
    interpreter = opened("arithmetic", **given(num_threads=2))
    interpreter.allocate_tensors()
    return in_child(interpreter.invoke)


@case
def xnnpack_in_the_environment() -> object:
    """The threads that are started, and what is ignored, once for two interpreters."""

    def told(options: Any, variables: Any) -> object:
        with open("ignored.txt", "w+b") as log:  # noqa: PTH123 (its descriptor)
            os.dup2(log.fileno(), 2)
            os.environ.update(variables)
            computed(opened("arithmetic"))
            number = started(**options)
            log.seek(0)
            lines = log.read().decode().splitlines()
        return [number, [line for line in lines if "ignored" in line]]

    variables = {
        "threads": {"TFLITE_NUM_THREADS": "3"},
        "no_threads": {"TFLITE_NUM_THREADS": "0"},
        "wrong_threads": {"TFLITE_NUM_THREADS": "many"},
        "given_threads": {"TFLITE_NUM_THREADS": "3"},
        "empty": {"TFLITE_NUM_THREADS": "", "TFLITE_XNNPACK_PRECISION": ""},
        "fp16": {"TFLITE_XNNPACK_PRECISION": "fp16"},
        "wrong_precision": {"TFLITE_XNNPACK_PRECISION": "half"},
    }
    options = {"given_threads": {"num_threads": 2}}
    return {
        name: in_child(partial(told, options.get(name, {}), values))
        for name, values in variables.items()
    }
