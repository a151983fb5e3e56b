"""Errors while running."""

from __future__ import annotations

import numpy as np

from .models import computed, ready
from .report import step
from .runner import case


@case
def errors_add_up() -> object:
    interpreter = ready("gather")

    def at(*index: int) -> object:
        interpreter.set_tensor(1, np.array(index, np.int32))
        interpreter.invoke()
        return interpreter.get_tensor(2)

    return [step(at, 0, 2), step(at, 0, 3), step(at, -1, 0), step(at, 1, 1)]


@case
def errors_of_thread_numbers_show_later() -> object:
    interpreter = ready("gather")
    interpreter._interpreter.SetNumThreads(-2)
    interpreter.set_tensor(1, np.array([9, 9], np.int32))
    return step(interpreter.invoke)


@case
def errors_do_not_stay() -> object:
    interpreter = ready("arithmetic")
    for _ in range(3):
        step(interpreter.set_tensor, 0, None)
        step(interpreter._interpreter.TensorName, "x", 0)
    return computed(interpreter)
