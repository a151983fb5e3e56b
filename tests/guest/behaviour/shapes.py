"""Shapes that the program or the model changes."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from tflite_runtime.interpreter import OpResolverType

from .models import opened, ready
from .report import Told, step
from .runner import case, mortal


@case
def resize() -> object:
    def resized(name: str, size: Any, **options: Any) -> object:
        interpreter = opened(name)
        result = interpreter.resize_tensor_input(0, size, **options)
        interpreter.allocate_tensors()
        return [result, *(item["shape"] for item in interpreter.get_input_details())]

    return {
        "open": step(resized, "resizable", [1, 8, 9, 3]),
        "open_strict": step(resized, "resizable", (1, 8, 9, 3), strict=True),
        "fixed_of_open_strict": step(resized, "resizable", [2, 8, 9, 3], strict=True),
        "rank_strict": step(resized, "resizable", [8, 9, 3], strict=True),
        "same_strict": step(resized, "chain", [1, 4], strict=True),
        "fixed": step(resized, "chain", [3, 2]),
        "fixed_strict": step(resized, "chain", [3, 4], strict=True),
        "rank": step(resized, "chain", [4]),
        "array": step(resized, "chain", np.array([2, 2])),
        "swapped": step(resized, "chain", np.array([2, 2], ">i8")),
        "strided": step(resized, "chain", np.array([2, 0, 2, 0])[::2]),
        "floats": step(resized, "chain", [2.7, 2.2]),
        "scalar": step(resized, "chain", 4),
        "nothing": step(resized, "chain", []),
        "nested": step(resized, "chain", [[1, 4]]),
        "text": step(resized, "chain", "ab"),
        "none": step(resized, "chain", None),
        "zero": step(resized, "chain", [0, 4]),
        "negative": step(resized, "empty", [-1, 4]),
        "overflow": step(resized, "empty", [2**31 - 1] * 4),
        "beyond_int32": step(resized, "empty", [2**40]),
        "beyond_int32_array": step(resized, "chain", np.array([2**32 + 1, 4])),
        "uint64": step(resized, "chain", np.array([1, 4], np.uint64)),
        "incompatible": step(resized, "arithmetic", [1, 3]),
    }


@mortal
def shapes_that_kernels_refuse() -> object:
    def tried_on(name: str, shape: list[int], allocated: bool) -> str:
        interpreter = opened(name)
        own = interpreter.get_input_details()[0]["shape"]
        if allocated:
            interpreter.allocate_tensors()
        try:
            interpreter.resize_tensor_input(0, shape)
            interpreter.allocate_tensors()
        except RuntimeError:
            interpreter.resize_tensor_input(0, own)
            interpreter.allocate_tensors()
            interpreter.invoke()
            return "refused"
        return "taken"

    return {
        name: [tried_on(name, shape, allocated) for shape in shapes for allocated in (False, True)]
        for name, shapes in {
            "resizable": ([1, 9, 9, 4], [1, 9, 9, 2], [9, 9, 3], [3]),
            "mobilenet-0.25-96-float32": ([1, 96, 96, 4], [1, 96, 96], [2, 96, 96, 1]),
            "mobilenet-0.25-96-int8": ([1, 96, 96, 4], [1, 96, 96]),
            "arithmetic": ([1, 3], [1, 2, 7]),
        }.items()
    }


@mortal
def absurd_sizes() -> object:
    def resized(name: str, size: Any, resolver: Any) -> None:
        interpreter = opened(name, experimental_op_resolver_type=resolver)
        interpreter.resize_tensor_input(0, size)
        interpreter.allocate_tensors()
        interpreter.invoke()

    def fill(interpreter: Any, size: int) -> Told:
        interpreter.set_tensor(0, np.array([size], np.int32))
        return step(interpreter.invoke)

    def filled(*sizes: int) -> object:
        interpreter = ready("fill")
        for size in sizes[:-1]:
            fill(interpreter, size)
        told = fill(interpreter, sizes[-1])
        return [told, interpreter.get_tensor(2)] if sizes[-1] < 9 else told

    start, most = time.monotonic(), 2**31 - 1
    told = {
        "fill": filled(most),
        "fill_after": filled(most, 3),
        **{
            resolver.name: {
                "one": step(resized, "chain", [1, most], resolver),
                "two": step(resized, "chain", [2**16, 2**15], resolver),
                "rows": step(resized, "resizable", [1, most, 3, 3], resolver),
                "batch": step(resized, "mobilenet-0.25-96-int8", [most, 96, 96, 3], resolver),
            }
            for resolver in (OpResolverType.AUTO, OpResolverType.BUILTIN_REF)
        },
    }
    return {**told, "soon": time.monotonic() - start < 10}


@case
def resize_what_is_no_input() -> object:
    interpreter = ready("arithmetic")
    return [
        step(interpreter.resize_tensor_input, 2, [1, 3]),
        step(interpreter.allocate_tensors),
        interpreter.get_output_details()[0]["shape"],
    ]


@case
def resize_natively() -> object:
    values = {
        "list": [1, 4],
        "int64": np.array([1, 4], np.int64),
        "uint32": np.array([1, 4], np.uint32),
        "float": np.array([1.0, 4.0]),
        "swapped": np.array([1, 4], np.int32).astype(">i4"),
        "strided": np.array([1, 0, 4, 0], np.int32)[::2],
        "rank_0": np.array(4, np.int32),
        "rank_2": np.array([[1, 4]], np.int32),
        "empty": np.array([], np.int32),
        "int32": np.array([1, 4], np.int32),
        "none": None,
        "text": "ab",
        "ragged": [[1], [2, 3]],
        "object": object(),
    }

    def resized(value: Any) -> object:
        wrapper = opened("chain")._interpreter
        wrapper.ResizeInputTensor(0, value, False)
        return wrapper.TensorSize(0, 0)

    return {name: step(resized, value) for name, value in values.items()}


@case
def dynamic_outputs() -> object:
    def places(mask: list[list[int]]) -> object:
        interpreter = ready("where")
        before = interpreter.get_output_details()[0]
        interpreter.set_tensor(0, np.array(mask, bool))
        interpreter.invoke()
        after = interpreter.get_output_details()[0]
        found = interpreter.get_tensor(after["index"])
        return [before["shape"], after["shape"], found, step(interpreter.tensor(after["index"]))]

    return {
        "some": step(places, [[1, 0, 0], [0, 1, 1]]),
        "all": step(places, [[1, 1, 1], [1, 1, 1]]),
        "none": step(places, [[0, 0, 0], [0, 0, 0]]),
        "not_run": step(lambda: ready("where").get_tensor(1)),
    }


@case
def dynamic_shape_by_input() -> object:
    interpreter = ready("reshape")
    interpreter.set_tensor(0, np.arange(12, dtype=np.float32).reshape(2, 6))
    told = []
    for shape in ([3, 4], [12, 1], [-1, 2], [5, 5], [4, 3]):
        interpreter.set_tensor(1, np.array(shape, np.int32))
        told.append([step(interpreter.invoke), step(interpreter.get_tensor, 2)])
    return told
