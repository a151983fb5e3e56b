"""Write a network as a TFLite model in INT8, by quantisation after training.

Inputs and outputs stay FP32, as TFLite's own converter leaves them: so a program takes either model
and changes only its name, and small outputs keep their precision. A final SOFTMAX, LOGISTIC or
normalisation of few values is computed in FP32, too.

Weights have a scale for each channel; those of dense layers have one, which is all that TFLite 2.14
takes there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import (  # type: ignore[import-untyped]
    Interpreter,
    OpResolverType,
)
from numpy.typing import NDArray

from wheelhouse.specimens.conversion.equalise import Ranges, equalise
from wheelhouse.specimens.conversion.network import Network, Operator
from wheelhouse.specimens.conversion.write import (
    INPUT,
    Writer,
    float_model,
    names,
    signature,
    write,
)
from wheelhouse.specimens.flatbuffer import Quantisation

Range = tuple[float, float]

_VERSIONS = {
    "ADD": 2,
    "CONCATENATION": 2,
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 3,
    "FULLY_CONNECTED": 4,
    "HARD_SWISH": 1,
    "LEAKY_RELU": 2,
    "LOGISTIC": 2,
    "MAX_POOL_2D": 2,
    "MEAN": 2,
    "MUL": 2,
    "PAD": 2,
    "PADV2": 2,
    "PRELU": 1,
    "RELU": 2,
    "RESHAPE": 1,
    "RESIZE_BILINEAR": 2,
}
"""The versions of operators in INT8; other operators are computed in FP32."""

_DEQUANTIZE_VERSION = 2
_AXES = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": None}
"""For each operator with weights their axis of channels; None is one scale for all."""

_SAME_SCALE = ("CONCATENATION", "MAX_POOL_2D", "PAD", "PADV2", "RESHAPE", "RESIZE_BILINEAR")
"""Operators whose kernels want one quantisation for inputs and output."""

_LOGISTIC = Quantisation((1 / 256,), -128)
"""The only quantisation that TFLite's kernel accepts for an INT8 LOGISTIC's output."""

_FEW = 4096
"""The largest number of final values that are computed in FP32."""

_LARGEST_BIAS = 1 << 30


def calibrate(network: Network, inputs: Iterable[NDArray[np.float32]]) -> Ranges:
    """The least and the greatest value of each channel over these inputs, rounded to 12 bits.

    TFLite's reference kernels compute them, which are the same on every CPU.
    """
    interpreter = Interpreter(
        model_content=float_model(network),
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    indices = {row["name"]: row["index"] for row in interpreter.get_tensor_details()}
    shown = names(network)
    known = {name: indices.get(shown.get(name, name)) for name in network.shapes}
    found: dict[str, list[NDArray[Any]]] = {}
    (first,) = interpreter.get_input_details()
    for values in inputs:
        interpreter.set_tensor(first["index"], values)
        interpreter.invoke()
        for name, index in known.items():
            if index is not None:
                tensor = interpreter.get_tensor(index)
                rows = np.where(np.isneginf(tensor), 0, tensor).reshape(-1, tensor.shape[-1])
                low, high = found.get(name, (0, 0))
                found[name] = [np.minimum(low, rows.min(0)), np.maximum(high, rows.max(0))]
    return {name: (_coarse(low), _coarse(high)) for name, (low, high) in found.items()}


def int8_model(network: Network, ranges: Ranges) -> bytes:
    """The bytes of the model in INT8; ``ranges`` are those of :func:`calibrate`."""
    scaled, channels = equalise(network, ranges)
    whole = {name: (float(low.min()), float(high.max())) for name, (low, high) in channels.items()}
    writer = _Writer(scaled, _with_same_scales(scaled, whole))
    for operator in scaled.operators:
        writer.add(operator)
    return writer.finish()


def _coarse(values: NDArray[Any]) -> NDArray[np.float64]:
    mantissa, exponent = np.frexp(values.astype(np.float64))
    return np.asarray(np.ldexp(np.rint(mantissa * 4096) / 4096, exponent), np.float64)


def _with_same_scales(network: Network, ranges: Mapping[str, Range]) -> dict[str, Range]:
    """The ranges, equal where kernels want that."""
    found = dict(ranges)
    changed = True
    while changed:
        changed = False
        for operator in network.operators:
            if operator.name in _SAME_SCALE:
                tied = [n for n in (*operator.inputs, operator.output) if n in found]
                low, high = min(found[n][0] for n in tied), max(found[n][1] for n in tied)
                changed |= any(found[name] != (low, high) for name in tied)
                found |= dict.fromkeys(tied, (low, high))
    return found


def _quantisation(low: float, high: float) -> Quantisation:
    """256 steps from ``low`` to ``high``, one of them at 0."""
    scale = (max(high, 0) - min(low, 0)) / 255 or 1.0
    return Quantisation((scale,), round(-128 - min(low, 0) / scale))


@dataclass
class _Writer:
    """A model being written; each tensor is there in INT8, in FP32 or in both."""

    network: Network
    ranges: Mapping[str, Range]
    writer: Writer = field(init=False)
    int8: dict[str, int] = field(default_factory=dict)
    real: dict[str, int] = field(default_factory=dict)
    quantisations: dict[str, Quantisation] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.writer = Writer(self.network.name)
        (first,) = self.network.inputs
        self.real[first] = self.writer.tensor(INPUT, self.network.shapes[first], "float32")

    def add(self, operator: Operator) -> None:
        """Add an operator, in INT8 if there is a kernel."""
        if self._is_nothing(operator):
            (before,) = (name for name in operator.inputs if name not in self.network.constants)
            self.int8[operator.output] = self._int8(before)
            self.quantisations[operator.output] = self.quantisations[before]
        elif operator.name in _VERSIONS and not self._is_small_end(operator):
            self._add_int8(operator)
        else:
            inputs = [self._real(name) for name in operator.inputs]
            self.real[operator.output] = self._tensor(operator.output, "float32")
            write(self.writer, operator, 1, inputs, self.real[operator.output])

    def finish(self) -> bytes:
        """The model's bytes."""
        (first,) = self.network.inputs
        outputs = {name: self._real(name) for name in self.network.outputs.values()}
        tensors = {first: self.real[first], **outputs}
        named = signature(self.network, tensors)
        return self.writer.pack([self.real[first]], list(outputs.values()), named)

    def _is_nothing(self, operator: Operator) -> bool:
        """Whether an operator only multiplies by a number that INT8 cannot tell from 1."""
        constants = [self.network.constants.get(name) for name in operator.inputs]
        return operator.name == "MUL" and any(
            values is not None and values.size == 1 and abs(values.item() - 1) < 1 / 256
            for values in constants
        )

    def _is_small_end(self, operator: Operator) -> bool:
        size = np.prod(self.network.shapes[operator.output])
        is_end = operator.output in self.network.outputs.values()
        return bool(operator.name == "LOGISTIC" and is_end and size <= _FEW)

    def _add_int8(self, operator: Operator) -> None:
        if operator.name in _AXES:
            inputs = self._weighted(operator)
        elif operator.name == "PADV2":
            inputs = self._padded(operator)
        else:
            inputs = [self._int8(name) for name in operator.inputs]
        output = operator.output
        quantisation = _LOGISTIC
        if operator.name != "LOGISTIC":
            quantisation = _quantisation(*self.ranges[output])
        self.quantisations[output] = quantisation
        self.int8[output] = self._tensor(f"{output}/int8", "int8", output)
        write(self.writer, operator, _VERSIONS[operator.name], inputs, self.int8[output])

    def _weighted(self, operator: Operator) -> list[int]:
        """The inputs of an operator with weights and a bias."""
        before = self._int8(operator.inputs[0])
        step = self.quantisations[operator.inputs[0]].scale[0]
        real, bias = (self.network.constants[name] for name in operator.inputs[1:])
        axis = _AXES[operator.name]
        others = tuple(other for other in range(real.ndim) if axis is not None and other != axis)
        largest = np.abs(real.astype(np.float64)).max(axis=others or None, keepdims=True)
        largest_bias = np.abs(bias.astype(np.float64))
        needed = (largest_bias if axis is not None else largest_bias.max()) / step / _LARGEST_BIAS
        scales = np.maximum(largest / 127, np.reshape(needed, largest.shape))
        scales[scales == 0] = 1.0
        scales = scales.astype(np.float32).astype(np.float64)
        stored = np.rint(real / scales).clip(-127, 127).astype(np.int8)
        flat = scales.ravel()
        weights, offset = operator.inputs[1:]
        per_channel = Quantisation(tuple(flat.tolist()), axis=axis or 0)
        products = Quantisation(tuple((flat * step).tolist()))
        return [
            before,
            self.writer.constant(weights, stored, per_channel),
            self.writer.constant(offset, np.rint(bias / (flat * step)).astype(np.int32), products),
        ]

    def _padded(self, operator: Operator) -> list[int]:
        """The inputs of a PADV2 before a maximum: the value of the edge is the least there is."""
        before, paddings, value = operator.inputs
        if self.network.constants[value].item() != -np.inf:
            raise ValueError(f"{operator.output}: an edge of another value than -inf")
        least = np.array(-128, np.int8)
        inputs = [self._int8(before), self._int8(paddings)]
        return [*inputs, self.writer.constant(value, least, self.quantisations[before])]

    def _int8(self, name: str) -> int:
        """A tensor in INT8; a constant of integers as it is."""
        if name not in self.int8:
            constant = self.network.constants.get(name)
            if constant is None:
                self.quantisations[name] = _quantisation(*self.ranges[name])
                self.int8[name] = self._tensor(f"{name}/int8", "int8", name)
                self.writer.operator("QUANTIZE", 1, [self.real[name]], [self.int8[name]])
            elif constant.dtype == np.int32:
                self.int8[name] = self.writer.constant(name, constant)
            else:
                self.int8[name] = self._constant(name, constant)
        return self.int8[name]

    def _constant(self, name: str, values: NDArray[Any]) -> int:
        quantisation = _quantisation(float(values.min()), float(values.max()))
        steps = np.rint(values / quantisation.scale[0]) + quantisation.zero_point
        return self.writer.constant(name, steps.clip(-128, 127).astype(np.int8), quantisation)

    def _real(self, name: str) -> int:
        """A tensor in FP32."""
        if name in self.network.constants:
            return self.writer.constant(name, self.network.constants[name])
        if name not in self.real:
            self.real[name] = self._tensor(name, "float32")
            inputs = [self.int8[name]]
            self.writer.operator("DEQUANTIZE", _DEQUANTIZE_VERSION, inputs, [self.real[name]])
        return self.real[name]

    def _tensor(self, name: str, dtype: str, of: str = "") -> int:
        shown = names(self.network).get(name, name)
        shape = self.network.shapes[of or name]
        quantisation = self.quantisations[of] if dtype == "int8" else None
        return self.writer.tensor(shown, shape, dtype, quantisation)
