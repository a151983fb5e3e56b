"""Arguments of the native functions: how many, by which name, of which type."""

from __future__ import annotations

import decimal
import fractions
from typing import Any

import numpy as np
from tflite_runtime import _pywrap_tensorflow_interpreter_wrapper as native

from .files import content
from .models import ROW, opened, ready
from .module import METHODS
from .report import step
from .runner import case, mortal


class Indexed:
    """Has ``__index__`` only."""

    def __index__(self) -> int:
        return 1


class Integral:
    """Has ``__int__`` only."""

    def __int__(self) -> int:
        return 1


class Failing:
    """Its conversions raise."""

    def __index__(self) -> int:
        raise KeyError("index")

    def __bool__(self) -> bool:
        raise KeyError("bool")


NUMBERS = {
    "True": True,
    "1": 1,
    "float": 1.0,
    "fraction": 1.7,
    "float64": np.float64(1),
    "float32": np.float32(1.7),
    "int64": np.int64(1),
    "uint8": np.uint8(1),
    "bool_": np.bool_(True),
    "'1'": "1",
    "b'1'": b"1",
    "None": None,
    "1j": 1j,
    "2**31": 2**31,
    "-2**31-1": -(2**31) - 1,
    "2**32": 2**32,
    "2**80": 2**80,
    "Decimal": decimal.Decimal("1.7"),
    "Fraction": fractions.Fraction(3, 2),
    "__index__": Indexed(),
    "__int__": Integral(),
    "failing": Failing(),
    "array(1)": np.array(1),
    "array([1])": np.array([1]),
    "array([1, 1])": np.array([1, 1]),
    "array(float)": np.array(1.0),
    "[1]": [1],
    "type": int,
}


KEYWORDS: dict[str, dict[str, object]] = {
    "GetTensor": {"tensor_index": 0, "subgraph_index": 0},
    "ResizeInputTensor": {
        "i": 0,
        "value": np.array([1, 8], np.int32),
        "strict": False,
        "subgraph_index": 0,
    },
    "SetTensor": {"i": 0, "value": ROW, "subgraph_index": 0},
    "tensor": {"base_object": None, "tensor_index": 0, "subgraph_index": 0},
}


@case
def arguments_too_many() -> object:
    wrapper = ready("arithmetic")._interpreter
    told = {}
    for name, (positional, named) in METHODS.items():
        arguments = [*positional, *named.values(), 0]
        told[name] = step(getattr(wrapper, name), *arguments)
    return told


@case
def arguments_too_few() -> object:
    wrapper = ready("arithmetic")._interpreter
    needy = {name: positional for name, (positional, _) in METHODS.items() if positional}
    told = {name: step(getattr(wrapper, name), *given[:-1]) for name, given in needy.items()}
    told["ModifyGraphWithDelegate"] = step(wrapper.ModifyGraphWithDelegate)
    return told


@case
def arguments_by_position() -> object:
    wrapper = ready("arithmetic")._interpreter
    wrapper.SetTensor(0, ROW)
    wrapper.SetTensor(1, ROW)
    wrapper.Invoke()

    def call(name: str, positional: Any, named: Any) -> object:
        result = getattr(wrapper, name)(*positional, *named.values())
        return type(result) if name == "interpreter" else result

    return {name: step(call, name, *arguments) for name, arguments in METHODS.items()}


@case
def arguments_by_keyword() -> object:
    wrapper = ready("arithmetic")._interpreter
    wrapper.SetTensor(0, ROW)
    wrapper.SetTensor(1, ROW)
    wrapper.Invoke()
    told = {name: step(getattr(wrapper, name), **named) for name, named in KEYWORDS.items()}
    told["AllocateTensors"] = step(wrapper.AllocateTensors, subgraph_index=0)
    told["Invoke"] = step(wrapper.Invoke, subgraph_index=0)
    told["mixed"] = step(wrapper.GetTensor, 0, subgraph_index=0)
    told["twice"] = step(wrapper.GetTensor, 0, tensor_index=0)
    told["out_of_order"] = step(wrapper.GetTensor, subgraph_index=0, tensor_index=2)
    return told


@case
def arguments_by_unknown_keyword() -> object:
    wrapper = ready("arithmetic")._interpreter
    told = {
        name: step(getattr(wrapper, name), *positional, nothing=0)
        for name, (positional, _) in METHODS.items()
    }
    told["arg0"] = step(wrapper.NumTensors, arg0=0)
    told["TensorName"] = step(wrapper.TensorName, 0, subgraph_index=0)
    told["NodeName"] = step(wrapper.NodeName, i=0)
    told["SetTensor"] = step(wrapper.SetTensor, tensor_index=0, value=ROW)
    return told


@case
def integers() -> object:
    wrapper = opened("arithmetic")._interpreter
    return {name: step(wrapper.TensorName, value, 0) for name, value in NUMBERS.items()}


@case
def integers_with_defaults() -> object:
    wrapper = ready("arithmetic")._interpreter
    return {name: step(wrapper.AllocateTensors, value) for name, value in NUMBERS.items()}


@case
def thread_numbers() -> object:
    wrapper = opened("arithmetic")._interpreter
    few = {name: value for name, value in NUMBERS.items() if "2**" not in name}
    told = {name: step(wrapper.SetNumThreads, value) for name, value in few.items()}
    told["0"], told["-1"] = step(wrapper.SetNumThreads, 0), step(wrapper.SetNumThreads, -1)
    return told


@case
def truth_values() -> object:
    wrapper = opened("arithmetic")._interpreter
    same = np.array([1, 8], np.int32)
    many = {**NUMBERS, "False": False, "0": 0, "''": "", "[]": [], "{}": {}, "no_float": 0.0}
    return {name: step(wrapper.ResizeInputTensor, 0, same, value) for name, value in many.items()}


@case
def truth_values_decide() -> object:
    def strictly(value: Any) -> object:
        wrapper = opened("arithmetic")._interpreter
        return wrapper.ResizeInputTensor(0, np.array([2, 8], np.int32), value)

    values = {"True": True, "False": False, "None": None, "1": 1, "0": 0, "float": 1.5}
    return {name: step(strictly, value) for name, value in values.items()}


@case
def addresses() -> object:
    wrapper = opened("arithmetic")._interpreter
    wrong = ("float", "fraction", "'1'", "b'1'", "None", "1j", "2**80", "failing", "[1]", "type")
    told = {name: step(wrapper.ModifyGraphWithDelegate, NUMBERS[name]) for name in wrong}
    told["-1"] = step(wrapper.ModifyGraphWithDelegate, -1)
    told["2**64"] = step(wrapper.ModifyGraphWithDelegate, 2**64)
    return told


@mortal
def null_delegate() -> object:
    return opened("arithmetic")._interpreter.ModifyGraphWithDelegate(0)


@case
def texts() -> object:
    wrapper = opened("arithmetic")._interpreter
    values = {
        "str": "arithmetic",
        "bytes": b"arithmetic",
        "bytearray": bytearray(b"arithmetic"),
        "memoryview": memoryview(b"arithmetic"),
        "numpy": np.str_("arithmetic"),
        "int": 3,
        "list": ["arithmetic"],
        "unknown": "nothing",
        "empty": "",
        "nul": "arithmetic\0more",
        "surrogate": "\udcff",
        "umlaut": "ä",
        "not_utf8": b"\xff",
    }
    return {
        name: step(wrapper.GetSubgraphIndexFromSignature, value) for name, value in values.items()
    }


@mortal
def no_text() -> object:
    return opened("arithmetic")._interpreter.GetSubgraphIndexFromSignature(None)


@case
def native_creation() -> object:
    name, model = "arithmetic.tflite", content("arithmetic")
    by_file, by_buffer = native.CreateWrapperFromFile, native.CreateWrapperFromBuffer
    return {
        "five": step(by_file, name, 1, [], False, False),
        "six": step(by_file, name, 1, [], [], False, False),
        "five_bytes": step(by_buffer, model, 1, [], False, False),
        "six_bytes": step(by_buffer, model, 1, [], [], False, False),
        "none": step(by_file),
        "none_bytes": step(by_buffer),
        "four": step(by_file, name, 1, [], False),
        "seven": step(by_file, name, 1, [], [], False, False, False),
        "keyword": step(by_file, model_path=name, op_resolver_id=1),
        "resolver_0": step(by_file, name, 0, [], [], False, False),
        "resolver_4": step(by_file, name, 4, [], [], False, False),
        "resolver_text": step(by_file, name, "1", [], [], False, False),
        "resolver_float": step(by_file, name, 1.0, [], [], False, False),
        "resolver_numpy": step(by_file, name, np.int8(2), [], [], False, False),
        "tuples": step(by_file, name, 1, (), (), False, False),
        "text_for_list": step(by_file, name, 1, "", [], False, False),
        "bytes_for_list": step(by_file, name, 1, b"", [], False, False),
        "none_for_list": step(by_file, name, 1, None, [], False, False),
        "dict_for_list": step(by_file, name, 1, {}, [], False, False),
        "set_for_list": step(by_file, name, 1, set(), [], False, False),
        "array_for_list": step(by_file, name, 1, np.array([]), [], False, False),
        "generator_for_list": step(by_file, name, 1, (name for name in ""), [], False, False),
        "integers_in_list": step(by_file, name, 1, [1], [], False, False),
        "integers_for_functions": step(by_file, name, 1, [], [1], False, False),
        "text_for_flag": step(by_file, name, 1, [], [], "yes", False),
        "none_for_flag": step(by_file, name, 1, [], [], None, None),
        "integers_for_flags": step(by_file, name, 1, [], [], 1, 0),
    }
