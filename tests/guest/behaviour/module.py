"""The native module and its class."""

from __future__ import annotations

import copy
import pickle
import weakref
from typing import Any

import numpy as np
from tflite_runtime import _pywrap_tensorflow_interpreter_wrapper as native
from tflite_runtime import interpreter as runtime
from tflite_runtime.interpreter import Interpreter

from .models import ROW, computed, opened, ready
from .report import step, without_addresses
from .runner import case, mortal

METHODS = {
    "AllocateTensors": ((), {"subgraph_index": 0}),
    "GetSignatureDefs": ((), {}),
    "GetSubgraphIndexFromSignature": (("arithmetic",), {}),
    "GetTensor": ((0,), {"subgraph_index": 0}),
    "InputIndices": ((), {}),
    "Invoke": ((), {"subgraph_index": 0}),
    "NodeInputs": ((0,), {}),
    "NodeName": ((0,), {}),
    "NodeOutputs": ((0,), {}),
    "NumNodes": ((), {}),
    "NumTensors": ((0,), {}),
    "OutputIndices": ((), {}),
    "ResetVariableTensors": ((), {}),
    "ResizeInputTensor": ((0, np.array([1, 8], np.int32), False), {"subgraph_index": 0}),
    "SetNumThreads": ((1,), {}),
    "SetTensor": ((0, ROW), {"subgraph_index": 0}),
    "TensorName": ((0, 0), {}),
    "TensorQuantization": ((0, 0), {}),
    "TensorQuantizationParameters": ((0, 0), {}),
    "TensorSize": ((0, 0), {}),
    "TensorSizeSignature": ((0, 0), {}),
    "TensorSparsityParameters": ((0, 0), {}),
    "TensorType": ((0, 0), {}),
    "interpreter": ((), {}),
    "tensor": ((None, 0), {"subgraph_index": 0}),
}
"""Every method but ModifyGraphWithDelegate with arguments that it takes."""


@case
def module() -> object:
    return {
        "name": native.__name__,
        "doc": native.__doc__,
        "public": [name for name in dir(native) if not name.startswith("_")],
        "functions": {
            name: [type(getattr(native, name)).__name__, getattr(native, name).__module__]
            for name in ("CreateWrapperFromFile", "CreateWrapperFromBuffer")
        },
        "runtime": [name for name in dir(runtime) if not name.startswith("_")],
    }


@case
def module_docstrings() -> object:
    names = ("CreateWrapperFromFile", "CreateWrapperFromBuffer")
    return {name: " ".join(getattr(native, name).__doc__.split()) for name in names}


@case
def native_class() -> object:
    kind = native.InterpreterWrapper
    wrapper = opened("arithmetic")._interpreter
    return {
        "repr": repr(kind),
        "names": [kind.__module__, kind.__qualname__, kind.__name__],
        "doc": kind.__doc__,
        "dir": [name for name in dir(kind) if not name.startswith("_")],
        "instance": without_addresses(repr(wrapper)),
        "str": without_addresses(str(wrapper)),
        "type": type(wrapper) is kind,
        "true": bool(wrapper),
        "equal": [wrapper == wrapper, wrapper == opened("arithmetic")._interpreter],
        "hash": hash(wrapper) == hash(wrapper),
        "less": step(lambda: wrapper < wrapper),
        "len": step(len, wrapper),
        "call": step(lambda: wrapper()),
        "iter": step(iter, wrapper),
        "index": step(lambda: wrapper[0]),
        "methods": {name: getattr(wrapper, name).__name__ for name in METHODS},
        "callable": all(callable(getattr(wrapper, name)) for name in METHODS),
    }


@case
def native_docstrings() -> object:
    names = [*METHODS, "ModifyGraphWithDelegate"]
    return {
        name: " ".join(getattr(native.InterpreterWrapper, name).__doc__.split()) for name in names
    }


@case
def native_class_has_no_constructor() -> object:
    kind = native.InterpreterWrapper

    def inherit(**members: object) -> Any:
        return type("Inherited", (kind,), members)

    def own_init() -> object:
        """The text differs: pybind11 notices only afterwards that its own part was left out."""
        try:
            return inherit(__init__=lambda self: None)()
        except TypeError:
            return "refused"

    return {
        "plain": step(kind),
        "arguments": step(kind, 1, two=2),
        "inherited": step(lambda: inherit()()),
        "own_init": step(own_init),
    }


@mortal
def native_class_made_around_its_constructor() -> object:
    kind = native.InterpreterWrapper
    return kind.__new__(kind).NumNodes()


@case
def native_attributes() -> object:
    wrapper = opened("arithmetic")._interpreter
    return {
        "set": step(setattr, wrapper, "anything", 1),
        "set_method": step(setattr, wrapper, "Invoke", 1),
        "delete": step(delattr, wrapper, "Invoke"),
        "get": step(getattr, wrapper, "anything"),
        "dict": hasattr(wrapper, "__dict__"),
    }


@case
def native_weak_reference() -> object:
    interpreter = opened("arithmetic")
    dead = []
    reference = weakref.ref(interpreter._interpreter, lambda _: dead.append(True))
    alive = reference() is interpreter._interpreter
    del interpreter
    return [alive, reference() is None, dead]


@case
def methods_called_through_the_class() -> object:
    wrapper = ready("arithmetic")._interpreter
    kind = native.InterpreterWrapper
    return {
        "right": step(kind.NumTensors, wrapper, 0),
        "wrong": step(kind.NumTensors, 3, 0),
        "none": step(kind.NumTensors),
        "bound": wrapper.NumTensors.__self__ is wrapper,
    }


@mortal
def pickles_of_old_protocols() -> object:
    interpreter = opened("arithmetic")

    def refused(protocol: int) -> bool:
        try:
            pickle.dumps(interpreter, protocol)
        except TypeError:
            return True
        return False

    return [refused(protocol) for protocol in (0, 1)]


@case
def copies_and_pickles() -> object:
    interpreter = ready("arithmetic")
    wrapper = interpreter._interpreter
    runner = interpreter.get_signature_runner()
    told = {}
    for name, thing in (("native", wrapper), ("interpreter", interpreter), ("runner", runner)):
        told[name] = {
            "pickle": step(pickle.dumps, thing),
            "deepcopy": step(copy.deepcopy, thing),
        }
    told["native"]["copy"] = step(copy.copy, wrapper)
    return told


@case
def subclass() -> object:
    class Mine(Interpreter):
        def invoke(self) -> Any:
            super().invoke()
            return "mine"

    mine: Any = Mine("arithmetic.tflite")
    return [computed(mine), mine.invoke(), type(mine._interpreter)]
