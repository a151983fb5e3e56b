"""Views: arrays that are a tensor's own memory."""

from __future__ import annotations

import gc
import sys
import weakref

import numpy as np

from .models import ROW, opened, ready
from .report import step
from .runner import case


@case
def views() -> object:
    interpreter = ready("arithmetic")
    left, total = interpreter.tensor(0), interpreter.tensor(2)
    left()[...] = ROW
    interpreter.set_tensor(1, ROW)
    interpreter.invoke()
    view = left()
    return {
        "type": type(view),
        "view": view,
        "output": total(),
        "same_memory": np.shares_memory(view, left()),
        "slice_base": view[:, 2:].base is view,
        "get": interpreter.get_tensor(0),
        "function": type(left),
    }


@case
def views_take_every_layout() -> object:
    interpreter = ready("arithmetic")
    told = []
    for value in (ROW.astype(">f4"), ROW[:, ::-1], ROW.astype(">f8"), np.asfortranarray(ROW)):
        interpreter.tensor(0)()[...] = value
        told.append(interpreter.tensor(0)().astype(">f4"))
    return told


@case
def views_forbid() -> object:
    interpreter = ready("arithmetic")
    held = interpreter.tensor(0)()
    told = {
        "safe": interpreter._safe_to_run(),
        "allocate": step(interpreter.allocate_tensors),
        "invoke": step(interpreter.invoke),
        "resize": step(interpreter.resize_tensor_input, 0, [1, 8]),
        "set": step(interpreter.set_tensor, 0, ROW),
        "get": step(interpreter.get_tensor, 0),
        "seen": step(held.copy),
        "reset": step(interpreter.reset_all_variables),
    }
    part = held[:, 1:]
    del held
    told["slice"] = step(interpreter.invoke)
    del part
    told["dropped"] = [interpreter._safe_to_run(), step(interpreter.invoke)]
    derived = interpreter.tensor(0)() + 1
    told["derived"] = [derived.shape, step(interpreter.invoke)]
    other = interpreter._interpreter
    told["wrapper_held"] = [other is not None, step(interpreter.invoke)]
    return told


@case
def views_count_references() -> object:
    interpreter = ready("arithmetic")
    counts = [sys.getrefcount(interpreter._interpreter)]
    first = interpreter.tensor(0)()
    counts.append(sys.getrefcount(interpreter._interpreter))
    second = interpreter.tensor(2)()
    counts.append(sys.getrefcount(interpreter._interpreter))
    del first, second
    counts.append(sys.getrefcount(interpreter._interpreter))
    return counts


@case
def views_outlive_the_interpreter() -> object:
    interpreter = ready("arithmetic")
    reference = weakref.ref(interpreter._interpreter)
    interpreter.set_tensor(0, ROW)
    view = interpreter.tensor(0)()
    del interpreter
    gc.collect()
    alive = reference() is not None
    view[0, 0] = 9
    told = [alive, view.copy()]
    del view
    gc.collect()
    return [*told, reference() is None]


@case
def views_of_nothing() -> object:
    interpreter = opened("arithmetic")
    return [
        step(interpreter.tensor(0)),
        step(interpreter.tensor(99)),
        type(interpreter.tensor("x")),
        step(interpreter.tensor("x")),
    ]


@case
def views_with_another_base() -> object:
    interpreter = ready("arithmetic")
    interpreter.set_tensor(0, ROW)
    wrapper = interpreter._interpreter
    marker = object()
    view = wrapper.tensor(marker, 0)
    empty = wrapper.tensor(None, 0)
    told = [view.copy(), view.base is marker, sys.getrefcount(marker), empty.base is None]
    del view
    return [*told, sys.getrefcount(marker)]


@case
def views_follow_reallocation() -> object:
    interpreter = ready("chain")
    view = interpreter.tensor(0)
    shapes = [view().shape]
    interpreter.resize_tensor_input(0, [2, 5])
    interpreter.allocate_tensors()
    return [*shapes, view().shape]


@case
def interpreter_collected_in_a_cycle() -> object:
    interpreter = ready("arithmetic")
    reference = weakref.ref(interpreter._interpreter)
    ring = [interpreter, interpreter.tensor(0)()]
    ring.append(ring)
    del interpreter, ring
    gc.collect()
    return reference() is None


@case
def interpreter_collected_with_itself() -> object:
    interpreter = ready("arithmetic")
    native_one, whole = weakref.ref(interpreter._interpreter), weakref.ref(interpreter)
    interpreter.itself = interpreter
    interpreter.view = interpreter.tensor(0)()
    del interpreter
    gc.collect()
    return [native_one() is None, whole() is None]
