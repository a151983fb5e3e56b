"""Counts of references."""

from __future__ import annotations

import sys

import numpy as np
from tflite_runtime import _pywrap_tensorflow_interpreter_wrapper as native

from .models import ROW, ready
from .report import step
from .runner import case


@case
def references() -> object:
    interpreter = ready("arithmetic")
    wrapper = interpreter._interpreter
    value, index, kind = ROW.copy(), 10**9, np.float32
    shape = np.array([1, 8], np.int32)

    def counts() -> list[int]:
        return [sys.getrefcount(each) for each in (value, value.dtype, kind, shape, wrapper, index)]

    def often() -> None:
        for _ in range(100):
            interpreter.set_tensor(0, value)
            interpreter.get_tensor(0)
            wrapper.TensorType(0, 0)
            wrapper.ResizeInputTensor(0, shape, False)
            wrapper.AllocateTensors()
            interpreter.tensor(0)()
            step(wrapper.TensorType, index, 0)
            step(interpreter.set_tensor, 2, value.T)

    often()
    before = counts()
    often()
    return [after - once for after, once in zip(counts(), before)]


@case
def references_of_results() -> object:
    interpreter = ready("arithmetic")
    wrapper = interpreter._interpreter
    results = {
        "GetTensor": wrapper.GetTensor(0),
        "tensor": wrapper.tensor(wrapper, 0),
        "InputIndices": wrapper.InputIndices(),
        "TensorSize": wrapper.TensorSize(0, 0),
        "NodeInputs": wrapper.NodeInputs(0),
        "TensorQuantizationParameters": wrapper.TensorQuantizationParameters(0, 0),
        "GetSignatureDefs": wrapper.GetSignatureDefs(),
        "CreateWrapperFromFile": native.CreateWrapperFromFile(  # type: ignore[call-overload] # as in 2.14
            "arithmetic.tflite", 1, [], [], False, False
        ),
    }
    return {name: sys.getrefcount(results[name]) for name in results}
