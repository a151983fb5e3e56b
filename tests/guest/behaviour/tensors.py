"""Which values a tensor takes, and what it gives back."""

from __future__ import annotations

import array
from typing import Any

import numpy as np

from .models import ROW, opened, ready
from .report import step
from .runner import case


@case
def wrong_indices() -> object:
    interpreter = ready("arithmetic")
    told = {}
    for index in (99, -1, 2**31, "0", 0.0, None):
        told[repr(index)] = {
            "get": step(interpreter.get_tensor, index),
            "set": step(interpreter.set_tensor, index, ROW),
            "view": step(interpreter.tensor(index)),
            "resize": step(interpreter.resize_tensor_input, index, [1, 8]),
        }
    wrapper = interpreter._interpreter
    told["subgraph"] = {
        "allocate": step(wrapper.AllocateTensors, 9),
        "allocate_-2": step(wrapper.AllocateTensors, -2),
        "invoke": step(wrapper.Invoke, 9),
        "get": step(wrapper.GetTensor, 0, 9),
        "get_-1": step(wrapper.GetTensor, 0, -1),
        "set": step(wrapper.SetTensor, 0, ROW, 9),
        "resize": step(wrapper.ResizeInputTensor, 0, np.array([1, 8], np.int32), False, 9),
        "view": step(wrapper.tensor, wrapper, 0, 9),
    }
    return told


@case
def wrong_values() -> object:
    interpreter = ready("arithmetic")
    values = {
        "rank": ROW[0],
        "rank_3": ROW[np.newaxis],
        "size": ROW[:, :7],
        "batch": np.zeros((2, 8), np.float32),
        "none": None,
        "text": "abc",
        "object": object(),
        "ragged": [[1], [2, 3]],
        "failing": type("Failing", (), {"__array__": lambda *_: 1 / 0})(),
        "structured": np.zeros((1, 8), [("a", "f4")]),
        "datetime": np.zeros((1, 8), "M8[s]"),
        "dict": {},
    }
    return {name: step(interpreter.set_tensor, 0, value) for name, value in values.items()}


@case
def wrong_types() -> object:
    interpreter = ready("arithmetic")
    names = [*"?bBhHiIlLqQedgFDGO", "S3", "U3", "V4", "m8", ">f4"]
    return {name: step(interpreter.set_tensor, 0, np.zeros((1, 8), name)) for name in names}


@case
def every_type() -> object:
    interpreter = ready("types")
    told = {}
    for item in interpreter.get_input_details():
        name, index = item["name"], item["index"]
        value = np.array([[0, 1, 2], [3, 4, 5]], element(name))
        told[name] = [
            step(interpreter.set_tensor, index, value),
            step(interpreter.get_tensor, index),
            interpreter.tensor(index)().dtype.str,
        ]
    return told


def element(name: str) -> str:
    """NumPy's type for an element of a tensor."""
    return "int8" if name == "int4" else name


@case
def every_layout_of_every_type() -> object:
    """For each type, the layouts that another value is read from."""
    interpreter = ready("types")
    told = {}
    for item in interpreter.get_input_details():
        name, index = item["name"], item["index"]
        value = np.array([[0, 1, 0], [1, 4, 5]], element(name))
        swapped = value.astype(value.dtype.newbyteorder())
        wide = np.zeros((4, 9), value.dtype)
        wide[::2, ::3] = value
        layouts = {
            "plain": value,
            "swapped": swapped,
            "swapped_fortran": np.asfortranarray(swapped),
            "fortran": np.asfortranarray(value),
            "strided": wide[::2, ::3],
            "strided_swapped": wide.astype(swapped.dtype)[::2, ::3],
            "reversed": value[::-1, ::-1].copy()[::-1, ::-1],
            "memoryview": memoryview(value),  # type: ignore[arg-type] # a buffer since 3.12
            "__array__": type("Arrayed", (), {"__array__": lambda self, *_, v=swapped: v})(),
        }
        told[name] = [way for way, given in layouts.items() if not same(interpreter, index, given)]
    return told


def same(interpreter: Any, index: int, given: Any) -> bool:
    """Whether the tensor has that value once it was set to it."""
    view = interpreter.tensor(index)()
    if view.flags.writeable:
        view.fill(0)
    interpreter.set_tensor(index, given)
    return bool(np.array_equal(interpreter.get_tensor(index), np.asarray(given)))


@case
def integers_of_one_size() -> object:
    """C's integers: NumPy calls two of them the same, but has an array type for each."""
    interpreter = ready("types")
    index = {item["name"]: item["index"] for item in interpreter.get_input_details()}
    told = {}
    for letter in "lqLQiI":
        value = np.array([[0, 1, 2], [3, 4, 5]], letter)
        name = value.dtype.name
        interpreter.set_tensor(index[name], value)
        told[letter] = interpreter.get_tensor(index[name])
    return told


@case
def int4() -> object:
    interpreter = ready("types")
    index = [item["name"] for item in interpreter.get_input_details()].index("int4")
    value = np.array([[-8, -1, 0], [1, 6, 7]], np.int8)
    put = step(interpreter.set_tensor, index, value)
    view = interpreter.tensor(index)()
    others = {
        "below": np.array([[0, 0, 0], [0, 0, -9]], np.int8),
        "above": np.array([[8, 0, 0], [0, 0, 0]], np.int8),
        "packed": np.zeros(3, np.int8),
        "flat": np.zeros(6, np.int8),
        "turned": np.zeros((3, 2), np.int8),
        "uint8": np.zeros((2, 3), np.uint8),
        "int32": np.zeros((2, 3), np.int32),
    }
    told = {
        "dtype": interpreter.get_tensor(index).dtype.str,
        "set": put,
        "get": interpreter.get_tensor(index),
        "view": view.copy(),
        "view_writeable": view.flags.writeable,
        **{name: step(interpreter.set_tensor, index, value) for name, value in others.items()},
        "unchanged": interpreter.get_tensor(index),
    }
    del view
    interpreter.resize_tensor_input(index, [1, 3])
    unallocated = step(interpreter.get_tensor, index)
    interpreter.allocate_tensors()
    interpreter.set_tensor(index, value[1:])
    return {**told, "unallocated": unallocated, "odd": interpreter.get_tensor(index)}


@case
def layouts() -> object:
    many = np.arange(64, dtype=np.float32)
    unaligned = np.frombuffer(b"x" + ROW.tobytes(), np.uint8)[1:].view(np.float32)
    frozen = ROW.copy()
    frozen.flags.writeable = False
    values = {
        "fortran": np.asfortranarray(np.vstack([ROW, ROW])[:1]),
        "strided": many[::8].reshape(1, 8),
        "strided_rows": many.reshape(8, 8)[:, 1:2].T,
        "reversed": ROW[:, ::-1],
        "broadcast": np.broadcast_to(np.float32(2), (1, 8)),
        "transposed": ROW.reshape(8, 1).T,
        "frozen": frozen,
        "unaligned": unaligned.reshape(1, 8),
        "big_endian": ROW.astype(">f4"),
        "list": ROW.tolist(),
        "float32_list": [list(ROW[0])],
        "tuple": tuple(map(tuple, ROW)),
        "matrix": np.asmatrix(ROW),
        "masked": np.ma.masked_equal(ROW, 3),
        "memoryview": memoryview(ROW),  # type: ignore[arg-type] # a buffer since 3.12
        "array.array": array.array("f", [0] * 8),
        "__array__": type("Arrayed", (), {"__array__": lambda self, *_: ROW})(),
        "inherited": ROW.view(type("Inherited", (np.ndarray,), {})),
    }

    def round_trip(value: Any) -> object:
        interpreter = ready("arithmetic")
        interpreter.set_tensor(0, value)
        return interpreter.get_tensor(0)

    return {name: step(round_trip, value) for name, value in values.items()}


@case
def values_are_copied() -> object:
    interpreter = ready("arithmetic")
    given = ROW.copy()
    interpreter.set_tensor(0, given)
    given[...] = -1
    first = interpreter.get_tensor(0)
    second = interpreter.get_tensor(0)
    second[...] = -2
    return [first, interpreter.get_tensor(0), first.base is None]


@case
def scalars() -> object:
    interpreter = ready("scalar")
    values = {
        "array": np.array(2.5, np.float32),
        "numpy": np.float32(3.5),
        "float": 4.5,
        "int": 4,
        "vector": np.array([2.5], np.float32),
    }
    told = {name: step(interpreter.set_tensor, 0, value) for name, value in values.items()}
    told["get"] = step(interpreter.get_tensor, 0)
    told["view"] = step(lambda: [type(interpreter.tensor(0)()), interpreter.tensor(0)() + 1])
    return told


@case
def empty_tensors() -> object:
    interpreter = opened("empty")
    interpreter.resize_tensor_input(0, [0, 3])
    interpreter.allocate_tensors()
    return {
        "set": step(interpreter.set_tensor, 0, np.zeros((0, 3), np.float32)),
        "get": step(interpreter.get_tensor, 0),
        "view": step(interpreter.tensor(0)),
        "details": interpreter.get_input_details()[0]["shape"],
        "invoke": step(interpreter.invoke),
    }
