"""Tensors of strings."""

from __future__ import annotations

from typing import Any

import numpy as np

from .models import opened, ready
from .report import Told, step
from .runner import case, in_child, mortal


def spelled(value: Any, name: str = "words") -> object:
    """What a string tensor makes of a value, and what RESHAPE of that."""
    interpreter = ready(name)
    interpreter.set_tensor(0, value)
    interpreter.invoke()
    return [interpreter.get_tensor(0), interpreter.get_tensor(1)]


@case
def strings() -> object:
    values = {
        "bytes": np.array([b"one", b"three"]),
        "unicode": np.array(["eins", "dräi\U0001f600"]),
        "object_bytes": np.array([b"one\0two\0", b""], object),
        "object_text": np.array(["one\0two\0", ""], object),
        "object_mixed": np.array([b"one", "zwei"], object),
        "object_numpy": np.array([np.bytes_(b"one"), np.str_("two")], object),
        "trailing_nul": np.array([b"a\0", b"\0b"]),
        "long": np.array([b"x" * 4000, b"y"]),
        "strided": np.array([b"a", b"-", b"b", b"-"])[::2],
        "reversed": np.array(["a", "b"])[::-1],
        "big_endian": np.array(["a", "b"], ">U2"),
        "list": ["one", "two"],
        "bytes_list": [b"one", b"two"],
        "tuple": ("one", "two"),
        "surrogate": np.array(["\udcff", "b"]),
        "object_surrogate": np.array(["\udcff", "b"], object),
        "integers": np.array([1, 2], object),
        "none": np.array([None, None], object),
        "bytearray": np.array([bytearray(b"a"), bytearray(b"b")], object),
        "numbers": np.array([1, 2]),
        "too_many": np.array([b"a", b"b", b"c"]),
        "rank": np.array([[b"a", b"b"]]),
        "text": "ab",
        "inherited": np.array([b"a", b"b"]).view(type("Inherited", (np.ndarray,), {})),
        "chararray": np.char.array([b"a", b"b"]),
    }
    return {name: step(spelled, value) for name, value in values.items()}


@case
def strings_without_a_shape() -> object:
    def get(value: Any) -> object:
        interpreter = ready("scalar")
        interpreter.set_tensor(1, value)
        return interpreter.get_tensor(1)

    return {
        "bytes": step(get, np.array(b"one")),
        "trailing_nul": step(get, np.array(b"one\0\0")),
        "unicode": step(get, np.array("one")),
        "object": step(get, np.array(b"one", object)),
        "object_text": step(get, np.array("dräi", object)),
        "text": step(get, "one"),
        "vector": step(get, np.array([b"one"])),
    }


@case
def strings_unset() -> object:
    def both(interpreter: Any, index: int) -> list[Told]:
        return [step(interpreter.get_tensor, index), step(interpreter.tensor(index))]

    def resized(set_first: bool) -> object:
        interpreter = ready("words")
        if set_first:
            interpreter.set_tensor(0, np.array([b"a", b"b"]))
        told = []
        for size in (3, 1, 0, 2):
            interpreter.resize_tensor_input(0, [size])
            told.append([size, *both(interpreter, 0)])
        return told

    return {
        "allocated": in_child(lambda: both(ready("words"), 0)),
        "fresh": in_child(lambda: both(opened("words"), 0)),
        "output": in_child(lambda: both(ready("words"), 1)),
        "invoke": in_child(lambda: ready("words").invoke()),
        "scalar": in_child(lambda: both(ready("scalar"), 1)),
        "resized": in_child(lambda: resized(set_first=False)),
        "resized_after_set": in_child(lambda: resized(set_first=True)),
        "details": ready("words").get_input_details(),
    }


@mortal
def strings_of_a_damaged_model() -> object:
    """Constants whose buffers do not hold the two strings that their shape promises."""
    interpreter = ready("damaged-strings")
    return {
        item["name"]: [
            step(interpreter.get_tensor, item["index"]),
            step(interpreter.tensor(item["index"])),
        ]
        for item in interpreter.get_tensor_details()
        if item["name"] != "x"
    }


@case
def strings_resized() -> object:
    interpreter = opened("words")
    interpreter.resize_tensor_input(0, [3])
    return [
        step(interpreter.allocate_tensors),
        step(interpreter.set_tensor, 0, np.array([b"a", b"b", b"c"])),
        step(interpreter.get_tensor, 0),
        step(interpreter.invoke),
        step(interpreter.get_tensor, 1),
    ]


@mortal
def strings_viewed() -> object:
    """There is no view of strings: it is a copy."""
    interpreter = ready("words")
    interpreter.set_tensor(0, np.array([b"one", b"two"]))
    view = interpreter.tensor(0)()
    scalar = ready("scalar")
    scalar.set_tensor(1, np.array(b"one"))
    return {
        "kind": view.dtype.kind,
        "content": view.copy(),
        "writeable": view.flags.writeable,
        "invoke": step(interpreter.invoke),
        "output": interpreter.tensor(1)().copy(),
        "scalar": scalar.tensor(1)(),
    }
