"""Write TFLite models from code: tensors, operators, subgraphs, then the flatbuffer's bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers  # type: ignore[import-untyped]
import numpy as np
from ai_edge_litert import schema_py_generated as schema  # type: ignore[import-untyped]
from numpy.typing import NDArray

ALIGNMENT = 16
"""Bytes; schema.fbs asks ``force_align: 16`` of a buffer's data."""

SCHEMA_VERSION = 3
"""The model version that every TFLite since 2017 writes and expects."""

Signature = tuple[str, Mapping[str, int], Mapping[str, int]]
"""A subgraph's key with its named inputs and outputs."""


@dataclass(frozen=True)
class Quantisation:
    """real = scale * (stored - zero_point); several scales run along ``axis``."""

    scale: tuple[float, ...]
    zero_point: int = 0
    axis: int = 0


class _AlignedBuffer(schema.BufferT):  # type: ignore[misc]
    """The generated class, which forgets ``force_align``, with aligned data."""

    def Pack(self, builder: Any) -> int:  # noqa: N802
        if self.data is not None:
            builder.Prep(ALIGNMENT, self.data.size)
        return int(super().Pack(builder))


@dataclass
class ModelWriter:
    """One model.

    Example: ``b = Builder("sum"); x = b.tensor("x", (1, 8), "float32"); ...; b.pack([x], [y])``.
    What is added belongs to one subgraph until :meth:`subgraph` ends it.
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
        """Add an activation and return its index; -1 in ``shape`` is a size left open.

        ``dtype`` is a name of schema.fbs's TensorType in lower case; ``fields`` are further
        fields of its Tensor: ``isVariable=True``.
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

    def refer(self, tensor: int, buffer: int) -> None:
        """Point a tensor at a buffer by number, from 1; bad files have one that does not exist."""
        self._tensors[tensor].buffer = buffer

    def operator(
        self,
        name: str,
        version: int,
        inputs: Sequence[int],
        outputs: Sequence[int],
        **options: object,
    ) -> None:
        """Add an operator by its name in schema.fbs; an unknown name makes a custom operator.

        ``options`` are the fields of the operator's options table, which is that of the
        operator's kind: ``strideW=2`` for a convolution.
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

    def subgraph(
        self,
        inputs: Sequence[int],
        outputs: Sequence[int],
        signature: Signature | None = None,
    ) -> None:
        """End a subgraph; tensors that follow belong to the next and count from 0 again."""
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
        """End the last subgraph; the model's bytes."""
        self.subgraph(inputs, outputs, signature)
        model = schema.ModelT()
        model.version = SCHEMA_VERSION
        model.description = self.description
        model.subgraphs, model.buffers = self._subgraphs, self._buffers
        model.operatorCodes = [_code(*key) for key in self._codes]
        model.signatureDefs = self._signatures or None
        return self.packed(model)

    @staticmethod
    def packed(model: Any) -> bytes:
        """The bytes of a model that is already made of the schema's objects."""
        builder = flatbuffers.Builder(1 << 16)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())


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
