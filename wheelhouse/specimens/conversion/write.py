"""Write a network as a TFLite model in FP32.

Weights that FP16 holds exactly are stored so, and DEQUANTIZE restores them: XNNPACK does that once,
when the model is loaded. Originals with FP16 weights so keep their size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from ai_edge_litert import schema_py_generated as schema  # type: ignore[import-untyped]
from numpy.typing import NDArray

from wheelhouse.specimens.conversion.network import Network, Operator
from wheelhouse.specimens.flatbuffer import ModelWriter, Signature

SIGNATURE = "serving_default"
"""The key of a model's signature, as TensorFlow names it."""

INPUT = "image"
"""The name of the only input."""

OPERATORS = frozenset(
    {
        "ADD",
        "CONCATENATION",
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "FULLY_CONNECTED",
        "HARD_SWISH",
        "L2_NORMALIZATION",
        "LEAKY_RELU",
        "LOGISTIC",
        "MAX_POOL_2D",
        "MEAN",
        "MUL",
        "PAD",
        "PADV2",
        "PRELU",
        "RELU",
        "RESHAPE",
        "RESIZE_BILINEAR",
        "SOFTMAX",
    }
)
"""The operators of converted models; in FP32 their version is 1."""

_HALF_PIXEL_VERSION = 3
"""The version of RESIZE_BILINEAR that knows the centres of pixels."""

_OPTIONS = {
    "CONCATENATION": "ConcatenationOptions",
    "L2_NORMALIZATION": "L2NormOptions",
    "LEAKY_RELU": "LeakyReluOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "RESIZE_BILINEAR": "ResizeBilinearOptions",
}
"""The options tables of operators that the benchmark's models do not have, or have without any."""

_FLOAT16_VERSION = 3
"""The version of DEQUANTIZE that takes FP16."""

LEAST = 1024
"""The smallest number of weights that are worth an operator to halve their size."""


class Writer(ModelWriter):
    """Writes one model, with the options of all operators of converted models.

    ``versions`` are those of operators, where they are not 1.
    """

    versions: ClassVar[Mapping[str, int]] = {}

    def weights(self, name: str, values: NDArray[Any]) -> int:
        """Add a constant, stored as FP16 if that halves it, and return its index in FP32."""
        half = values.astype(np.float16) if values.dtype == np.float32 else values
        if values.dtype != np.float32 or values.size < LEAST or not np.array_equal(half, values):
            return self.constant(name, values)
        stored = self.constant(f"{name}/float16", half)
        whole = self.tensor(name, values.shape, "float32")
        self.operator("DEQUANTIZE", _FLOAT16_VERSION, [stored], [whole])
        return whole

    def operator(
        self,
        name: str,
        version: int,
        inputs: Sequence[int],
        outputs: Sequence[int],
        **options: object,
    ) -> None:
        """Add an operator, as :meth:`ModelWriter.operator` does."""
        super().operator(name, version, inputs, outputs, **options)
        if options and (table := _OPTIONS.get(name)):
            operator = self._operators[-1]
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, table)
            operator.builtinOptions = getattr(schema, f"{table}T")(**options)


def names(network: Network) -> dict[str, str]:
    """The names of tensors in the file: those of inputs and outputs are what users see."""
    (first,) = network.inputs
    return {first: INPUT, **{tensor: name for name, tensor in network.outputs.items()}}


def signature(network: Network, tensors: dict[str, int]) -> Signature:
    """The model's signature; ``tensors`` has the tensors' indices."""
    (first,) = network.inputs
    outputs = {name: tensors[tensor] for name, tensor in network.outputs.items()}
    return SIGNATURE, {INPUT: tensors[first]}, outputs


def float_model(network: Network, kind: type[Writer] = Writer) -> bytes:
    """The bytes of the model with FP32 activations; ``kind`` stores its weights."""
    writer = kind(network.name)
    shown = names(network)
    (first,) = network.inputs
    tensors = {first: writer.tensor(INPUT, network.shapes[first], "float32")}
    for operator in network.operators:
        for name in operator.inputs:
            if name not in tensors:
                tensors[name] = writer.weights(name, network.constants[name])
        output = operator.output
        shape = network.shapes[output]
        tensors[output] = writer.tensor(shown.get(output, output), shape, "float32")
        version = writer.versions.get(operator.name, 1)
        write(writer, operator, version, [tensors[n] for n in operator.inputs], tensors[output])
    outputs = [tensors[name] for name in network.outputs.values()]
    return writer.pack([tensors[first]], outputs, signature(network, tensors))


def write(
    writer: ModelWriter, operator: Operator, version: int, inputs: list[int], output: int
) -> None:
    """Write an operator; raises ValueError for one that converted models must not have."""
    if operator.name not in OPERATORS:
        raise ValueError(f"{writer.description}: {operator.output} is left as {operator.name}")
    needed = _HALF_PIXEL_VERSION if "halfPixelCenters" in operator.options else version
    writer.operator(operator.name, needed, inputs, [output], **operator.options)
