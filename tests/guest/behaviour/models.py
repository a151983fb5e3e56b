"""The models, and interpreters of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from tflite_runtime.interpreter import Interpreter

ROW = np.arange(8, dtype=np.float32).reshape(1, 8)
"""An input of the model "arithmetic", whose inputs are 0 and 1, whose outputs are 2 and 3."""


def opened(name: str, **options: Any) -> Any:
    """A fresh interpreter of a model."""
    return Interpreter(model_path=name + ".tflite", **options)


def ready(name: str, **options: Any) -> Any:
    """A fresh interpreter with its tensors allocated."""
    interpreter = opened(name, **options)
    interpreter.allocate_tensors()
    return interpreter


def computed(interpreter: Any, left: Any = ROW) -> Any:
    """Run "arithmetic" and return its outputs."""
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, left)
    interpreter.set_tensor(1, ROW)
    interpreter.invoke()
    return [interpreter.get_tensor(2), interpreter.get_tensor(3)]
