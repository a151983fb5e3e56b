"""Write TFLite models: add tensors, operators and subgraphs, then get the flatbuffer's bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers  # type: ignore[import-untyped]
import numpy as np
from ai_edge_litert import schema_py_generated as schema  # type: ignore[import-untyped]
from numpy.typing import NDArray

ALIGNMENT = 16
"""Bytes; schema.fbs has ``force_align: 16`` for a buffer's data."""

SCHEMA_VERSION = 3
"""``Model.version`` in schema.fbs; every TFLite since 2017 writes and expects this one."""

Signature = tuple[str, Mapping[str, int], Mapping[str, int]]
"""A signature's key, and its inputs and outputs: tensor indices by name."""


@dataclass(frozen=True)
class Quantisation:
    """real = scale * (stored - zero_point), with one scale, or one for each index of ``axis``."""

    scale: tuple[float, ...]
    zero_point: int = 0
    axis: int = 0


class _AlignedBuffer(schema.BufferT):  # type: ignore[misc]
    """A buffer whose data is aligned: the generated class ignores ``force_align``."""

    def Pack(self, builder: Any) -> int:  # noqa: N802
        if self.data is not None:
            builder.Prep(ALIGNMENT, self.data.size)
        return int(super().Pack(builder))


@dataclass
class ModelWriter:
    """Writes one model.

    Example: ``w = ModelWriter("sum"); x = w.tensor("x", (8,), "float32"); ...; w.pack([x], [y])``.
    Tensors and operators belong to one subgraph until :meth:`subgraph` ends it.
    """

    description: str
    _tensors: list[Any] = field(default_factory=list)
    _buffers: list[Any] = field(default_factory=lambda: [schema.BufferT()])
    _codes: dict[tuple[int, int, str | None], int] = field(default_factory=dict)
    _operators: list[Any] = field(default_factory=list)
    _subgraphs: list[Any] = field(default_factory=list)
    _signatures: list[Any] = field(default_factory=list)

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: str,
        quantisation: Quantisation | None = None,
        **fields: object,
    ) -> int:
        """Add an activation and return its index; -1 in ``shape`` is a dimension of any size.

        ``dtype`` is a name of schema.fbs's TensorType in lower case; ``fields`` are further
        fields of its Tensor, as in ``isVariable=True``.
        """
        tensor = schema.TensorT()
        tensor.name = name
        tensor.shape = [max(size, 1) for size in shape]
        if -1 in shape:
            tensor.shapeSignature = list(shape)
        tensor.type = getattr(schema.TensorType, dtype.upper())
        if quantisation:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = list(quantisation.scale)
            tensor.quantization.zeroPoint = [quantisation.zero_point] * len(quantisation.scale)
            tensor.quantization.quantizedDimension = quantisation.axis
        for key, value in fields.items():
            setattr(tensor, key, value)
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def constant(
        self, name: str, values: NDArray[Any], quantisation: Quantisation | None = None
    ) -> int:
        """Add a constant and return its index."""
        index = self.tensor(name, values.shape, values.dtype.name, quantisation)
        little_endian = values.astype(values.dtype.newbyteorder("<"))
        data = np.frombuffer(little_endian.tobytes(), np.uint8)
        self._tensors[index].buffer = len(self._buffers)
        self._buffers.append(_AlignedBuffer(data=data))
        return index

    def set_buffer(self, tensor: int, buffer: int) -> None:
        """Set the buffer index of a tensor, even to one that does not exist, for a bad file."""
        self._tensors[tensor].buffer = buffer

    def set_shape(self, tensor: int, shape: Sequence[int]) -> None:
        """Set the shape of a tensor, even to one with a size of 0."""
        self._tensors[tensor].shape = list(shape)

    def operator(
        self,
        name: str,
        version: int,
        inputs: Sequence[int],
        outputs: Sequence[int],
        **options: object,
    ) -> None:
        """Add an operator by its name in schema.fbs; an unknown name makes a custom operator.

        ``inputs`` and ``outputs`` are tensor indices. ``options`` are fields of the operator's
        options table in schema.fbs, for example ``strideW=2`` for a convolution.
        """
        code = getattr(schema.BuiltinOperator, name, schema.BuiltinOperator.CUSTOM)
        custom = name if code == schema.BuiltinOperator.CUSTOM else None
        operator = schema.OperatorT()
        operator.opcodeIndex = self._codes.setdefault((code, version, custom), len(self._codes))
        operator.inputs, operator.outputs = list(inputs), list(outputs)
        if table := _OPTIONS.get(name):
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, table)
            operator.builtinOptions = getattr(schema, f"{table}T")(**options)
        self._operators.append(operator)

    @property
    def last_operator(self) -> Any:
        """The ``OperatorT`` of the generated schema that was added last."""
        return self._operators[-1]

    def subgraph(
        self,
        inputs: Sequence[int],
        outputs: Sequence[int],
        signature: Signature | None = None,
    ) -> None:
        """End a subgraph; later tensors belong to the next one, with indices from 0.

        ``inputs`` and ``outputs`` are tensor indices.
        """
        graph = schema.SubGraphT()
        number = len(self._subgraphs)
        graph.name = f"subgraph{number}" if number else "main"
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs, graph.outputs = list(inputs), list(outputs)
        self._tensors, self._operators = [], []
        self._subgraphs.append(graph)
        if signature:
            self._signatures.append(_signature(number, *signature))

    def pack(
        self,
        inputs: Sequence[int],
        outputs: Sequence[int],
        signature: Signature | None = None,
    ) -> bytes:
        """End the last subgraph and return the model's bytes."""
        self.subgraph(inputs, outputs, signature)
        model = schema.ModelT()
        model.version = SCHEMA_VERSION
        model.description = self.description
        model.subgraphs, model.buffers = self._subgraphs, self._buffers
        model.operatorCodes = [_code(*key) for key in self._codes]
        model.signatureDefs = self._signatures or None
        return self.serialise(model)

    @staticmethod
    def serialise(model: Any) -> bytes:
        """The bytes of a ``ModelT`` of the generated schema."""
        builder = flatbuffers.Builder(1 << 16)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())


# The options table of each operator that has one.
_OPTIONS = {
    "ADD": "AddOptions",
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "MEAN": "ReducerOptions",
    "MUL": "MulOptions",
    "RNN": "RNNOptions",
    "SOFTMAX": "SoftmaxOptions",
    "SPLIT": "SplitOptions",
    "VAR_HANDLE": "VarHandleOptions",
}


def _code(number: int, version: int, custom: str | None) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode = number
    code.deprecatedBuiltinCode = min(
        number, schema.BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES
    )
    code.version, code.customCode = version, custom
    return code


def _signature(
    subgraph: int, key: str, inputs: Mapping[str, int], outputs: Mapping[str, int]
) -> Any:
    def maps(named: Mapping[str, int]) -> list[Any]:
        return [schema.TensorMapT(name=name, tensorIndex=index) for name, index in named.items()]

    return schema.SignatureDefT(maps(inputs), maps(outputs), key, subgraph)
